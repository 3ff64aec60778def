from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from conftest import SAMPLES

from salt_like.callbacks.alive import SignsOfLife
from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("--model.dim=16", ["model.dim = 16, but the run to be continued has 8"]),
        ("--model.encoder.layers=2", ["model.encoder.init_args.layers = 2", "has 1"]),
        ("--model.optimizer.lr=3e-4", ["model.optimizer.init_args.lr = 0.0003", "has 0.001"]),
        ("--data.inputs.tracks=[d0]", ["data.inputs.tracks = ['d0']", "z0SinTheta"]),
        ("--data.select.jets=pt > 30e3", ["data.select = {'jets': 'pt > 30e3'}", "has None"]),
        (f"--data.train={SAMPLES / 'val.h5'}", ["data.train and data.val share"]),
        ("--trainer.max_epochs=0", ["trainer.max_epochs = 0, but the run has done 1 epochs"]),
    ],
)
def test_another_model_is_refused_and_nothing_changed(run, capsys, argument, parts):
    before = contents(run)
    assert dispatcher.main(["fit", "--resume", str(run), argument]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) <= 5
    for part in parts:
        assert part in message
    assert contents(run) == before


def test_a_second_continuation_is_refused_while_the_first_lives(run, capsys, monkeypatch):
    with run_folder.held(run):
        before = contents(run)
        assert dispatcher.main(["fit", "--resume", str(run), "--trainer.max_epochs=2"]) == 2
        message = capsys.readouterr().err
        assert message.startswith(f"error: a training of this run is going on: process {os.getpid()} on ")
        assert len(message.splitlines()) == 2
        assert contents(run) == before
    signs = []
    monkeypatch.setattr(SignsOfLife, "_sign", lambda self, _: signs.append(self.lock.exists()))
    assert dispatcher.main(["--debug", "fit", "--resume", str(run), "--trainer.max_epochs=2"]) == 0
    assert len(signs) == 5  # batches of training and validation
    assert all(signs)
    assert not (run / run_folder.LOCK).exists()


def test_the_description_of_the_data_in_the_checkpoint_wins(run, capsys, recwarn):
    arguments = ["--trainer.max_epochs=2", "--data.num_train=200"]
    before = json.loads((run / "spec.json").read_text())
    assert dispatcher.main(["--debug", "fit", "--resume", str(run), *arguments]) == 0
    assert json.loads((run / "spec.json").read_text()) == before
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["spec"]["streams"][0]["variables"][0]["mean"] == before["streams"][0]["variables"][0]["mean"]
    assert state["epoch"] == 1
    assert not [one for one in recwarn if "serialize" in str(one.message)]


def test_a_run_that_is_done_says_so(run, capsys):
    assert dispatcher.main(["fit", "--resume", str(run)]) == 0
    assert "the run had done its 1 epochs; for more: --trainer.max_epochs" in capsys.readouterr().err


def test_the_record_keeps_what_was_before(run):
    first = json.loads((run / "run.json").read_text())
    for epochs in (2, 3):
        assert dispatcher.main(["fit", "--resume", str(run), f"--trainer.max_epochs={epochs}"]) == 0
    record = json.loads((run / "run.json").read_text())
    assert "--resume" in record["command"]
    assert record["epochs_done"] == 3
    assert [one["epochs_done"] for one in record["earlier"]] == [1, 2]
    assert record["earlier"][0]["command"] == first["command"]
    assert record["earlier"][0]["started"] == first["started"]
