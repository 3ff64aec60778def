"""Bundles of small taggers with random weights, exported once for all tests."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from made_runs import make_file, make_run

from salt_like.cli import main as dispatcher

PATIENCE = 300
# torch's exporter by graph, as we use it, and not the older one by traces
CAN_EXPORT = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 6)


def require_export() -> None:
    """Skip a test where torch is too old to export."""
    if not CAN_EXPORT:
        pytest.skip("torch before 2.6 cannot export")


def make_bundle(folder: Path, profile: str = "batched", *arguments: str) -> Path:
    """A bundle of the run `folder`/run, which is made first where it is missing.

    Args:
        folder: Where run, jets and bundle lie.
        profile: The profile.
        arguments: More of them for `train export`.
    """
    require_export()
    run = folder / "run"
    if not run.exists():
        make_run(run)
        make_file(folder / "jets.h5", 120, seed=5)
    out = folder / profile
    given = ["export", str(run), "--out", str(out), "--profile", profile, "--data", str(folder / "jets.h5")]
    assert dispatcher.main(["--debug", *given, *arguments]) == 0
    return out


def shared_bundle(base: Path, profile: str = "batched", *arguments: str) -> Path:
    """The same, made by the first process that asks; the others wait for it.

    Args:
        base: Folder that all processes of the tests share.
        profile: The profile.
        arguments: More of them for `train export`.
    """
    require_export()
    folder = base / f"export-{profile}"
    once(folder, lambda: make_bundle(folder, profile, *arguments))
    return folder / profile


def once(folder: Path, make: Callable[[], object]) -> None:
    """Fill a folder that all processes of the tests share: the first one does, the others wait for it.

    Args:
        folder: The folder.
        make: Called when it is there and empty.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        for _ in range(10 * PATIENCE):
            if (folder / "done").exists():
                return
            time.sleep(0.1)
        raise
    make()
    (folder / "done").touch()


def copied(bundle: Path, folder: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(bundle, folder)
    return folder
