"""Memory and processor time of this process, from ``/proc`` (Linux)."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from pathlib import Path


def reset_peak() -> None:
    """Make :func:`peak_mb` start again from the memory in use now, where the kernel allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def resident_mb() -> float:
    """Resident memory of this process in MB."""
    return _status_field("VmRSS")


def peak_mb() -> float:
    """Largest resident memory of this process since :func:`reset_peak` in MB."""
    return _status_field("VmHWM")


def cpu_seconds() -> float:
    """Processor time of this process and of the loader's worker processes that are alive."""
    return time.process_time() + sum(_cpu_of(p.pid) for p in multiprocessing.active_children() if p.pid)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status_field(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(f"/proc/self/status has no field {name!r}")
