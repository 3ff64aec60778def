from __future__ import annotations

import json

import pytest

from salt_like.cli import inspect_run
from salt_like.errors import UserError


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "name: GN2\nseed: 5\ntrainer: {max_epochs: 4}\n"
        "model: {tasks: {flavour: {class_path: salt_like.tasks.Classification}}}\n"
    )
    (tmp_path / "run.json").write_text(json.dumps({"state": "failed", "reason": "a NaN", "files": {"train": "/a.h5"}}))
    (tmp_path / "metrics.csv").write_text(
        "epoch,step,seconds,lr,val/flavour/loss,val/flavour/auc\n0,10,1,1,0.9,0.6\n1,20,1,1,0.7,0.8\n2,30,1,1,0.75,\n"
    )
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"x" * 2_000_000)
    return tmp_path


def test_what_it_was_and_how_far_it_got(run):
    facts, metrics, files = inspect_run.report(run)
    assert dict(facts.rows) == {
        "name": "GN2",
        "state": "failed",
        "reason": "a NaN",
        "epochs": "3 of 4",
        "steps": "30",
        "seed": "5",
        "tasks": "flavour (Classification)",
        "train": "/a.h5",
    }
    assert metrics.headings == ["metric", "best (epoch 1)", "last (epoch 2)"]
    assert metrics.rows == [["val/flavour/loss", "0.7", "0.75"]]
    assert files.rows[0][:2] == ["checkpoints/last.ckpt", "2.00 MB"]


def test_a_run_that_has_not_begun(tmp_path):
    (tmp_path / "config.yaml").write_text("name: x\n")
    (facts,) = inspect_run.report(tmp_path)
    assert dict(facts.rows) == {"name": "x", "state": "unknown (no run.json)", "epochs": "0", "steps": "0"}


def test_a_run_without_validation_shows_the_last_epoch(run):
    (run / "metrics.csv").write_text("epoch,step,train/loss\n0,10,0.9\n")
    metrics = inspect_run.report(run)[1]
    assert metrics.rows == [["train/loss", "0.9", "0.9"]]


def test_a_damaged_record(run):
    (run / "run.json").write_text("{")
    with pytest.raises(UserError, match="run.json is damaged"):
        inspect_run.report(run)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(UserError, match="is not a run folder"):
        inspect_run.report(tmp_path)
