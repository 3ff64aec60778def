"""The machine and what is installed on it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

# What changes numbers or speed without being in a configuration.
VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED"),
    *("NVIDIA_TF32_OVERRIDE", "TORCH_CUDNN_V8_API_DISABLED", "SLURM_JOB_ID"),
)


def packages() -> dict[str, str]:
    """Name → version of every installed package."""
    found: dict[str, str] = {}
    for one in importlib.metadata.distributions():
        name = one.metadata["Name"]
        if name:  # what is left of a package that was half removed has none
            found.setdefault(name.lower().replace("_", "-"), one.version)
    return dict(sorted(found.items()))


def machine() -> dict[str, Any]:
    """Python, operating system, processor, memory in bytes, and environment variables that change numbers."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": {
            "host": platform.node(),
            "processor": _processor(),
            "architecture": platform.machine(),
            "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        },
        "cpus": os.cpu_count(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
