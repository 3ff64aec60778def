"""The table of runs, and runs side by side."""

from __future__ import annotations

import json
import os
import socket

import pytest
import yaml

from salt_like.cli import inspect_runs, runs
from salt_like.cli import main as dispatcher


def make(folder, dim, losses, state="finished", layers=1, **record):
    folder.mkdir(parents=True)
    encoder = {"class_path": "salt_like.encoders.Transformer", "init_args": {"layers": layers}}
    config = {
        "name": "GN2",
        "data": {"batch_size": 100 * dim},
        "model": {"dim": dim, "encoder": encoder, "tasks": {"flavour": {"class_path": "a.Classification"}}},
        "trainer": {"max_epochs": 5},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    facts = {"state": state, "epochs_done": len(losses), "started": f"2026-01-0{dim}T10:00:00+00:00", **record}
    (folder / "run.json").write_text(json.dumps(facts))
    lines = [f"{epoch},{10 * epoch},{loss},{1 - loss}" for epoch, loss in enumerate(losses)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,step,val/flavour/loss,val/flavour/auc", *lines]) + "\n")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"x" * 1_000_000 * dim)
    os.link(folder / "checkpoints" / "last.ckpt", folder / "checkpoints" / "best.ckpt")
    return folder


@pytest.fixture
def folder(tmp_path):
    make(tmp_path / "runs" / "a" / "one", 4, [0.9, 0.5, 0.6])
    make(tmp_path / "runs" / "a" / "two", 2, [0.8, 0.7], "running")
    make(tmp_path / "runs" / "three", 3, [0.4], "interrupted", layers=7)
    (tmp_path / "runs" / "three" / "nested").mkdir()
    (tmp_path / "runs" / "three" / "nested" / "run.json").write_text("{}")  # part of the run
    return tmp_path / "runs"


def listed(capsys, *arguments):
    assert dispatcher.main(["--debug", "runs", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_table(folder, capsys):
    assert dispatcher.main(["--debug", "runs", str(folder), "--show", "model.encoder.layers"]) == 0
    title, heading, *rows = capsys.readouterr().out.splitlines()
    assert title == f"runs in {folder}"
    assert heading.split("  ")[-1].strip() == "model.encoder.layers"
    cells = [row.split() for row in rows]
    assert [row[0] for row in cells] == ["a/two", "three", "a/one"]  # by their beginning
    assert [row[1] for row in cells] == ["killed", "interrupted", "finished"]
    assert cells[2][2:] == ["3", "of", "5", "0.5", "4.0", "MB", "2026-01-04", "10:00:00", "1"]


def test_a_run_with_a_living_owner_is_running(folder, capsys):
    lock = folder / "a" / "two" / "training.lock"
    lock.write_text(f"{socket.gethostname()} {os.getpid()} token")
    assert [one["state"] for one in listed(capsys, folder)] == ["running", "interrupted", "finished"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--sort", "metric"], ["three", "a/one", "a/two"]),
        (["--sort", "size", "--reverse"], ["a/one", "three", "a/two"]),
        (["--sort", "model.encoder.layers", "--reverse"], ["three", "a/one", "a/two"]),
        (["--where", "model.dim=4"], ["a/one"]),
        (["--where", "model.dim>=3", "--where", "state!=interrupted"], ["a/one"]),
        (["--where", "model.encoder.class_path=Transformer", "--where", "metric<0.45"], ["three"]),
        (["--metric", "val/flavour/auc", "--largest", "--sort", "metric"], ["a/two", "a/one", "three"]),
    ],
)
def test_sorted_and_filtered(folder, capsys, arguments, names):
    assert [one["name"] for one in listed(capsys, folder, *arguments)] == names


def test_mistakes(folder, tmp_path, capsys):
    assert dispatcher.main(["runs", str(folder), "--where", "model.dimm=4"]) == 2
    assert "no run has a key 'model.dimm' (did you mean 'model.dim'?)" in capsys.readouterr().err
    assert dispatcher.main(["runs", str(folder), "--where", "model"]) == 2
    assert "give a key and a value" in capsys.readouterr().err
    assert dispatcher.main(["runs", str(tmp_path / "none")]) == 2
    assert "no folder" in capsys.readouterr().err
    assert dispatcher.main(["runs", str(folder / "a" / "one" / "checkpoints")]) == 0
    assert "no runs in" in capsys.readouterr().out


def test_a_half_deleted_run_is_listed(folder, capsys):
    (folder / "three" / "config.yaml").unlink()
    (folder / "a" / "one" / "run.json").write_text('{"state": "fin')
    found = {one["name"]: one for one in listed(capsys, folder)}
    assert found["three"]["metric"] is None
    assert found["a/one"]["state"] == "unknown"


def test_two_runs_side_by_side(folder, capsys):
    data = {"split": "train", "sample": "train", "path": "/a.h5", "size": 1, "rows": 7, "fingerprint": "abc"}
    one, two = folder / "a" / "one", folder / "a" / "two"
    for run, version, fingerprint in ((one, "1.0", "abc"), (two, "2.0", "abd")):
        facts = json.loads((run / "run.json").read_text())
        facts |= {"installed": {"numpy": version, "torch": "2"}, "data": [data | {"fingerprint": fingerprint}]}
        (run / "run.json").write_text(json.dumps(facts))
    assert dispatcher.main(["--debug", "inspect", str(one), str(two)]) == 0
    assert "different: configuration" in capsys.readouterr().out
    facts, configuration, code, packages, machine, files, metrics = inspect_runs.report([one, two])
    assert ["state", "finished", "killed"] in facts.rows
    assert configuration.rows == [["data.batch_size", "400", "200"], ["model.dim", "4", "2"]]
    assert code == "code: no difference is recorded"
    assert packages.rows == [["numpy", "1.0", "2.0"]]
    assert machine == "machine: no difference is recorded"
    assert [row[0] for row in files.rows] == ["train train file 1"]
    assert metrics.headings[1:] == [f"{one} (epoch 1)", f"{two} (epoch 1)"]
    assert metrics.rows[0] == ["val/flavour/loss", "0.5", "0.7"]


def test_three_runs_side_by_side(folder):
    places = [folder / "a" / "one", folder / "a" / "two", folder / "three"]
    configuration = inspect_runs.report(places)[1]
    assert ["model.encoder.layers", "1", "1", "7"] in [list(row) for row in configuration.rows]
    assert len(list(runs.runs(folder))) == 3
