"""A Python with onnxruntime of some age, numpy and h5py, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUNTIMES = [("1.17.3", "numpy<2"), ("1.20.1", "numpy"), ("1.22.1", "numpy")]


def install(place: Path, runtime: str, numpy: str) -> Path:
    """Install the packages into a folder; the test is skipped where pip cannot.

    Args:
        place: The folder.
        runtime: Version of onnxruntime.
        numpy: Requirement of numpy.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    done = python(pip, "--target", place, f"onnxruntime=={runtime}", numpy, "h5py")
    if done.returncode:
        why = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr[-200:])
        pytest.skip(f"pip cannot install onnxruntime {runtime} here: {why}")
    # -S: without the packages of this environment
    assert python([sys.executable, "-S"], "-c", "import torch", PYTHONPATH=str(place)).returncode == 1
    return place


def verified(bundle: Path, packages: Path) -> dict[str, Any]:
    """What the bundle's own program says with these packages."""
    command = [sys.executable, "-S", bundle / "verify.py", "--json"]
    found: dict[str, Any] = json.loads(python(command, PYTHONPATH=str(packages)).stdout)
    return found


def python(command: list[Any], *arguments: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(one) for one in (*command, *arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
