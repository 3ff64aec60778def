"""Training in two processes that average their gradients."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import SMALL

from salt_like.cli import main as dispatcher

SIZES = ["--data.num_train=500", "--data.num_val=201", "--model.optimizer=SGD", "--model.optimizer.lr=0.05"]
WATCH = """
import json
from pathlib import Path
from lightning import Callback

class Rows(Callback):
    def __init__(self, file: str) -> None:
        self.file = file

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        rows = [row for part in batch for row in part.rows.tolist()]
        with Path(f"{self.file}.{trainer.global_rank}").open("a") as stream:
            stream.write(json.dumps(rows) + "\\n")
"""


def test_two_processes_make_the_steps_of_one_with_batches_twice_as_large(tmp_path, monkeypatch):
    (tmp_path / "noted.py").write_text(WATCH)
    monkeypatch.syspath_prepend(tmp_path)
    common = [*SMALL, *SIZES, "--data.accumulate=2", "--trainer.max_epochs=2", "--model.ema=0.5"]

    def options(name, batch):
        callback = json.dumps([{"class_path": "noted.Rows", "init_args": {"file": str(tmp_path / name)}}])
        return [*common, f"--data.batch_size={batch}", f"--trainer.callbacks={callback}"]

    assert dispatcher.main(["--debug", "fit", *options("one", 100), "--run", str(tmp_path / "alone")]) == 0
    together = [*options("two", 50), "--trainer.devices=2", "--trainer.strategy=ddp", "--name=together"]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "salt_like", "fit", *together]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sync_dist" not in done.stderr
    (run,) = (tmp_path / "runs" / "together").iterdir()  # one folder for both
    assert done.stdout.strip().splitlines()[-1] == f"run: {run}"

    one, two, three = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("one.0", "two.0", "two.1")
    )
    assert [sorted(rows) for rows in one] == [sorted(a + b) for a, b in zip(two, three, strict=True)]
    for epoch in (two[:3] + three[:3], two[3:] + three[3:]):
        assert len({row for rows in epoch for row in rows}) == sum(map(len, epoch)) == 500
    folders = (tmp_path / "alone", run)
    mine, theirs = (torch.load(one / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for one in folders)
    for name in mine:  # constituents with a label differ in number between the processes
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-5, atol=1e-6, equal_nan=True, msg=name)
    tables = [list(csv.DictReader((folder / "metrics.csv").read_text().splitlines())) for folder in folders]
    for left, right in zip(*tables, strict=True):
        assert left.keys() == right.keys()
        for name in left.keys() - {"seconds"}:
            assert float(left[name]) == pytest.approx(float(right[name]), rel=1e-4, nan_ok=True), name


def test_a_process_without_validation_jets_does_not_stop_the_others(tmp_path):
    options = [*SMALL, "--data.cache=false", "--data.num_val=50", "--model.optimizer.lr=0", "--seed=3"]
    assert dispatcher.main(["--debug", "fit", *options, "--run", str(tmp_path / "alone")]) == 0
    together = ["--run", str(tmp_path / "together"), "--trainer.devices=2", "--trainer.strategy=ddp"]
    command = [sys.executable, "-m", "salt_like", "fit", *options, *together]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    one, two = (
        list(csv.DictReader((tmp_path / name / "metrics.csv").read_text().splitlines()))[-1]
        for name in ("alone", "together")
    )
    for name in one:
        if name.startswith("val/"):
            assert float(one[name]) == pytest.approx(float(two[name]), rel=1e-4, nan_ok=True), name
