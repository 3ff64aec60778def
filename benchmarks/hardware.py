"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe_machine() -> dict[str, str | int | float]:
    """Processor, cores, memory, system and load of this machine; nothing that identifies it."""
    return {
        "processor": _first_value("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count() or 0,
        "instructions": " ".join(_interesting_flags()),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _interesting_flags() -> list[str]:
    flags = (_first_value("/proc/cpuinfo", "flags") or "").split()
    return [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]


def _first_value(file: str, key: str) -> str | None:
    path = Path(file)
    if not path.exists():
        return None
    values = (line.partition(":")[2].strip() for line in path.read_text().splitlines() if line.startswith(key))
    return next(values, None)
