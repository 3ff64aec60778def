from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder, shipped

SAMPLES = shipped.FOLDER.parent / "samples"
SMALL = [
    "--config=quickstart",
    "--model.dim=8",
    "--model.encoder.layers=1",
    "--model.encoder.heads=2",
    "--data.num_train=300",
    "--data.num_val=200",
    "--data.batch_size=100",
    "--trainer.max_epochs=1",
    "--trainer.enable_progress_bar=false",
    "--trainer.accelerator=cpu",
]


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """Runs and caches of a test stay in its own folder."""
    monkeypatch.setenv("SALT_LIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(run_folder.HANDED_OVER, "")


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A run of one epoch on a few jets."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
        patch.setenv(run_folder.HANDED_OVER, "")
        assert dispatcher.main(["--debug", "fit", *SMALL, "--run", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def sample(tmp_path) -> Path:
    """A copy of the first jets of the small sample that a test may change."""
    path = tmp_path / "small.h5"
    with h5py.File(SAMPLES / "train.h5") as source, h5py.File(path, "w") as target:
        for key, value in source.attrs.items():
            target.attrs[key] = value
        for name in source:
            target[name] = source[name][:300]
            for key, value in source[name].attrs.items():
                target[name].attrs[key] = value
    return path
