"""A run made again from its own record."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from salt_like.cli import main as dispatcher
from salt_like.cli import reproduce
from salt_like.training.run import Run


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def change(run, **news):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | news))
    return record


def test_on_a_cpu_it_is_bitwise_the_same(run, capsys):
    assert dispatcher.main(["--debug", "reproduce", str(run)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("code, packages, machine and data are those of the run\n")
    assert "all metrics are equal (tolerance 0); weights: bitwise equal" in said
    assert said.rstrip().endswith(f"reproduced: {run}-reproduced")


def test_what_differs_is_shown_and_other_data_are_refused(run, capsys):
    record = json.loads((run / "run.json").read_text())
    data = [one | {"fingerprint": "0" * 32} if one["split"] == "val" else one for one in record["data"]]
    code = [one | {"content": "f" * 32} for one in record["code"]]
    installed = record["installed"] | {"numpy": "1.0"}
    change(run, installed=installed, data=data, code=code)
    assert dispatcher.main(["reproduce", str(run)]) == 1
    said = capsys.readouterr().out
    parts = {part.splitlines()[0]: part for part in said.split("\n\n")}
    assert "numpy" in parts["different: packages"]
    assert "content ffffffff" in parts["different: code"]
    assert "val val file 1" in parts["different: data"]
    assert "train train" not in parts["different: data"]
    assert "the data are not those of the run, nothing is trained" in said
    assert not run.with_name("run-reproduced").exists()


def test_only_finished_runs(run, capsys):
    change(run, state="interrupted")
    assert dispatcher.main(["reproduce", str(run), "--check"]) == 2
    assert f"finish it first: train fit --resume {run}" in capsys.readouterr().err
    (run / "run.json").unlink()
    assert dispatcher.main(["reproduce", str(run)]) == 2
    assert "cannot be made again: it has no run.json" in capsys.readouterr().err


@pytest.mark.parametrize(("tolerance", "code"), [(0.0, 1), (0.9e-3, 1), (1.1e-3, 0)])
def test_metrics_are_compared_with_a_tolerance(run, tmp_path, capsys, tolerance, code):
    again = shutil.copytree(run, tmp_path / "again")
    with (again / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0]["val/loss"] = float(rows[0]["val/loss"]) * (1 + 1e-3)
    rows[0]["seconds"] = "99"
    with (again / "metrics.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert reproduce._report(Run(run), Run(again), tolerance) == code
    said = capsys.readouterr().out
    assert "val/loss (epoch 0)" in said
    assert "metrics that differ: 1 of " in said
    assert "largest relative difference of a metric: 0.000999" in said


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(1, 1, 0), (2, 1, 0.5), (-1, 1, 2), (float("nan"), float("nan"), 0), (float("nan"), 1, float("inf"))],
)
def test_distance(one, other, expected):
    assert reproduce.distance(one, other) == expected
