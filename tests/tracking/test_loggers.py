"""Other trackers keep a run without a network; each where it is installed (`make test-trackers`)."""

from __future__ import annotations

import importlib
import sqlite3
from pathlib import Path

import pytest

from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder

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
    "--trainer.log_every_n_steps=1",
]
# what these packages warn of themselves
pytestmark = pytest.mark.filterwarnings("ignore")


def fit(folder: Path, monkeypatch, logger: str) -> None:
    monkeypatch.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
    monkeypatch.setenv(run_folder.HANDED_OVER, "")
    monkeypatch.chdir(folder)
    given = [*SMALL, f"--trainer.logger={logger}", "--run", str(folder / "run")]
    assert dispatcher.main(["--debug", "fit", *given]) == 0


def needs(module: str) -> None:
    """Skip where a tracker is not installed."""
    try:
        importlib.import_module(module)
    except ImportError:
        pytest.skip(f"{module} is not installed: make test-trackers")


def test_tensorboard(tmp_path, monkeypatch):
    needs("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(tmp_path, monkeypatch, f"{{class_path: TensorBoardLogger, init_args: {{save_dir: {tmp_path}/boards}}}}")
    (events,) = tmp_path.rglob("events.out.tfevents*")
    told = EventAccumulator(str(events.parent)).Reload()
    assert [one.step for one in told.Scalars("train_step/loss")] == [1, 2, 3]
    assert len(told.Scalars("val/jets_classification/loss")) == 1


def test_mlflow_with_sqlite(tmp_path, monkeypatch):
    needs("mlflow")
    database = tmp_path / "mlflow.db"
    fit(tmp_path, monkeypatch, f"{{class_path: MLFlowLogger, init_args: {{tracking_uri: 'sqlite:///{database}'}}}}")
    with sqlite3.connect(database) as asked:
        metrics = {name for (name,) in asked.execute("SELECT DISTINCT key FROM metrics")}
        parameters = dict(asked.execute("SELECT key, value FROM params"))
        states = [state for (state,) in asked.execute("SELECT status FROM runs")]
    assert {"train_step/loss", "val/jets_classification/loss"} <= metrics
    assert parameters["model/dim"] == "8"
    assert states == ["FINISHED"]


def test_weights_and_biases_offline(tmp_path, monkeypatch):
    needs("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    fit(tmp_path, monkeypatch, f"{{class_path: WandbLogger, init_args: {{save_dir: {tmp_path}, offline: true}}}}")
    importlib.import_module("wandb").finish()
    (kept,) = tmp_path.rglob("run-*.wandb")
    content = kept.read_bytes()
    assert b"val/jets_classification/loss" in content
    assert b"train_step/loss" in content
