"""Runs of earlier versions are kept, are never made again, and are of use in every later version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import SAMPLES

from salt_like import load
from salt_like.cli import main as dispatcher

OLD = sorted((Path(__file__).parent / "old").iterdir())
DATA = [f"--data.{part}={SAMPLES / part}.h5" for part in ("train", "val", "test")]


@pytest.fixture(params=OLD, ids=lambda path: path.name)
def old(request, tmp_path) -> Path:
    return shutil.copytree(request.param, tmp_path / "run")


def test_there_is_one_of_every_schema():
    schemas = [json.loads((path / "run.json").read_text())["schema"] for path in OLD]
    assert schemas == [int(path.name.removeprefix("run-")) for path in OLD] == list(range(1, len(OLD) + 1))
    for path in OLD:
        assert sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) < 200_000


def test_it_predicts_what_it_predicted(old):
    expected = json.loads((old / "expected.json").read_text())
    with h5py.File(SAMPLES / "test.h5") as file:
        said = load(old).predict({name: file[name][:20] for name in ("jets", "tracks")})
    for name, values in expected.items():
        np.testing.assert_allclose(said["jets"][name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_it_is_inspected_tested_and_exported(old, tmp_path, capsys):
    assert dispatcher.main(["--debug", "inspect", str(old)]) == 0
    assert "finished" in capsys.readouterr().out
    assert dispatcher.main(["--debug", "runs", str(tmp_path)]) == 0
    assert dispatcher.main(["--debug", "test", str(old), DATA[2], "--data.num_test=100", "--figures=none"]) == 0
    assert (old / "predictions" / "test.h5").is_file()
    bundle = tmp_path / "bundle"
    assert (
        dispatcher.main(["--debug", "export", str(old), "--data", str(SAMPLES / "test.h5"), "--out", str(bundle)]) == 0
    )
    assert (bundle / "model.onnx").is_file()


def test_it_is_continued_and_trained_on(old, tmp_path):
    assert dispatcher.main(["--debug", "fit", "--resume", str(old), *DATA, "--trainer.max_epochs=2"]) == 0
    record = json.loads((old / "run.json").read_text())
    assert (record["state"], record["epochs_done"], record["jets_seen"]) == ("finished", 2, 600)
