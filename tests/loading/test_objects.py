"""Predictions of a tagger that finds objects: files, arrays in memory, and what is measured of them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from field_files import write
from made_runs import make_run
from object_files import ARGUMENTS, arrays

import salt_like
from salt_like.data.sample import Sample
from salt_like.evaluation.answers import match, side_of
from salt_like.evaluation.evaluate import evaluate
from salt_like.evaluation.matching import paired
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.resampling import EventResamples
from salt_like.loading import Options, SamplePredictor, load_run

TASKS = {
    "flavour": {"class_path": "Classification", "init_args": {"stream": "jets", "label": "flavour_label"}},
    "finder": {"class_path": "SetPrediction", "init_args": {**ARGUMENTS, "queries": 4, "heads": 2, "layers": 1}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """A run and a file of predictions of 60 jets."""
    folder = tmp_path_factory.mktemp("objects")
    train = write(folder / "train.h5", arrays(200, 1))
    run = make_run(folder / "run", tasks=TASKS, train=str(train))
    tagger = load_run(run)
    sample = Sample("test", [write(folder / "test.h5", arrays(60, 2))], tagger.spec)
    out = folder / "predictions.h5"
    assert SamplePredictor(tagger, sample, Options(batch_size=25)).write(out) == 60
    return run, out


def test_file_holds_found_objects_true_ones_and_whose_each_constituent_is(made):
    _, out = made
    content = arrays(60, 2)
    with h5py.File(out) as file:
        assert set(file) == {"jets", "tracks", "hadrons", "truth_hadrons"}
        found, true, tracks = file["hadrons"][:], file["truth_hadrons"][:], file["tracks"][:]
        assert dict(file["hadrons"].attrs) == {"task": "finder", "constituents": "tracks", "truth": "truth_hadrons"}
    assert found.dtype.names == ("GN2_pb", "GN2_pc", "GN2_pnone", "GN2_pt")
    assert found.shape == (60, 4)
    np.testing.assert_allclose(sum(found[name] for name in found.dtype.names[:3]), 1, atol=1e-6)
    valid = content["truth_hadrons"]["valid"]
    np.testing.assert_array_equal(true["valid"], valid)
    np.testing.assert_array_equal(true["barcode"][valid], content["truth_hadrons"]["barcode"][valid])
    assert tracks["GN2_hadrons_mask"].shape[2:] == (4,)
    seen = tracks["valid"]
    assert np.isnan(tracks["GN2_hadrons_mask"][~seen]).all()
    shares = np.where(found["GN2_pnone"][:, None] < 0.5, tracks["GN2_hadrons_mask"], 0)
    expected = np.where(shares.max(2) > 0.5, shares.argmax(2), -1)
    np.testing.assert_array_equal(tracks["hadronsIndex"], np.where(seen, expected, -2))


def test_file_is_evaluated_and_compared(made):
    _, out = made
    result = evaluate(out)
    finder = next(task for task in result.tasks if task.task == "finder")
    with h5py.File(out) as file:
        tracks, true = file["tracks"][:], file["truth_hadrons"][:]
    keys = np.where(true["valid"], true["barcode"], -1)
    linked = tracks["valid"][..., None] & (tracks["parent"][..., None] == keys[:, None]) & (keys >= 0)[:, None]
    assert finder.entries == linked.any(1).sum() > 20
    names = {metric.name for metric in finder.metrics}
    assert {"efficiency", "efficiency of b", "purity", "pt of matched objects: RMS"} <= names
    assert result.plain()["tasks"]["finder"]["metrics"]
    file = PredictionFile(out)
    rows = side_of(file).rows
    assert len(rows["hadrons"].jet) == 60 * 4
    assert len(rows["tracks, hadrons_mask"].jet) == tracks["valid"].sum() * 4
    assert len(match(file, file).first) == 60
    _, notes = paired(file, file, EventResamples(np.arange(60), None, 5, 0))
    assert notes == ["finder: left out, found objects are not compared"]


def test_arrays_in_memory_give_what_the_file_has(made):
    run, out = made
    content = arrays(60, 2)
    said = salt_like.load(run).predict({name: content[name] for name in ("jets", "tracks")})
    with h5py.File(out) as file:
        for stream in ("hadrons", "tracks"):
            for name, values in said[stream].items():
                np.testing.assert_allclose(values, file[stream][name], rtol=1e-5, atol=1e-6)
    assert said["hadrons"]["GN2_pb"].shape == (60, 4)
