"""The networks of weaver-core, without the many packages that its training needs and its networks do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

VERSION = "0.5.3"


def install(place: Path) -> Path:
    """Install weaver-core alone into a folder; the test is skipped where pip cannot.

    Its declared requirements are pyarrow, numba, tables, tensorboard and more, for reading files and training; the
    modules of the networks import torch and numpy only. So it can be no package of an extra.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--target", str(place), f"weaver-core=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr[-200:])
        pytest.skip(f"pip cannot install weaver-core {VERSION} here: {why}")
    return place
