"""`--parameter` of `train test` and `train predict`, for a run of a parameterised network."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import yaml
from field_files import make_arrays, write
from made_runs import TASKS

import salt_like
from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder

FIELD = "HadronPt"
MODEL = {"dim": 8, "tasks": {"flavour": TASKS["flavour"]}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run, its files, and a file without truth."""
    folder = tmp_path_factory.mktemp("parameterised")
    for seed, name in enumerate(("train", "val", "test")):
        made = make_arrays(300, seed)
        made["jets"]["eventNumber"] += 1000 * seed
        write(folder / f"{name}.h5", made)
    jets = make_arrays(100, 7)["jets"]
    bare = np.zeros(100, [("pt", "f4"), ("eta", "f2")])
    bare["pt"], bare["eta"] = jets["pt"], jets["eta"]
    write(folder / "bare.h5", {"jets": bare})
    config = {
        "name": "Par",
        "data": {
            **{name: str(folder / f"{name}.h5") for name in ("train", "val", "test")},
            "inputs": {"jets": {"pt": "log", "eta": None, FIELD: "log"}},
            "parameter": {"field": FIELD, "label": "flavour_label", "signal": ["bjets"], "bins": {"pt": [0, 1e5, 2e5]}},
            "batch_size": 100,
        },
        "model": MODEL,
        "trainer": {"max_epochs": 1, "enable_progress_bar": False, "accelerator": "cpu"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
        patch.setenv(run_folder.HANDED_OVER, "")
        assert dispatcher.main(["fit", "-c", str(folder / "config.yaml"), "--run", str(folder / "run")]) == 0
        yield folder


def predicted(place, *arguments: str) -> np.ndarray:
    given = ["predict", str(place / "run"), "--data", str(place / "bare.h5"), "--out", str(place / "out.h5"), "--force"]
    assert dispatcher.main([*given, *arguments]) == 0
    with h5py.File(place / "out.h5") as file:
        return file["jets"][:]


def test_files_without_truth_are_predicted_for_a_value(place):
    drawn, low, high = (
        predicted(place, *one) for one in ([], [f"--parameter={FIELD}=6e3"], ["--parameter", f"{FIELD}=9e4"])
    )
    name = f"Par_{FIELD}"
    assert np.unique(drawn[name]).size > 90
    assert (low[name] == 6e3).all()
    assert (high[name] == 9e4).all()
    assert FIELD not in drawn.dtype.names
    assert (low["Par_pb"] != high["Par_pb"]).all()
    np.testing.assert_array_equal(predicted(place, f"--parameter={FIELD}=drawn"), drawn)
    # in a notebook the parameter is an input like any other
    jets = {"pt": drawn["pt"], "eta": drawn["eta"], FIELD: np.full(100, 6e3, np.float32)}
    np.testing.assert_array_equal(
        salt_like.load(place / "run").predict({"jets": jets})["jets"]["Par_pb"], low["Par_pb"]
    )


def test_several_values_are_a_scan(place, capsys):
    given = ["test", str(place / "run"), "--figures=none", "--ranges=none"]
    assert dispatcher.main([*given, f"--parameter={FIELD}=6000,9e4"]) == 0
    said = capsys.readouterr().out
    assert "sample test-6000: 300 jets" in said
    assert "sample test-90000: 300 jets" in said
    folder = place / "run" / "predictions"
    with h5py.File(folder / "test-6000.h5") as first, h5py.File(folder / "test-90000.h5") as second:
        assert first["jets"].attrs["parameter"] == f"{FIELD}: 6000.0"
        assert (first["jets"][f"Par_{FIELD}"][:] == 6e3).all()
        assert (second["jets"][f"Par_{FIELD}"][:] == 9e4).all()
    assert dispatcher.main(given) == 0
    with h5py.File(folder / "test.h5") as file:
        assert file["jets"].attrs["parameter"] == f"{FIELD}: drawn"
        truth = make_arrays(300, 2)["jets"]["HadronPt"]
        assert not (file["jets"][f"Par_{FIELD}"] == truth).any()
    assert dispatcher.main([*given, "--extra", f"jets={FIELD}"]) == 0  # the truth, beside what the model was told
    with h5py.File(folder / "test.h5") as file:
        np.testing.assert_array_equal(file["jets"][FIELD], truth)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("HadronPts=3", "no parameter 'HadronPts' (did you mean 'HadronPt'?)"),
        (FIELD, f"write {FIELD}=VALUE"),
        (f"{FIELD}=", f"write {FIELD}=VALUE"),
        (f"{FIELD}=nan", f"write {FIELD}=VALUE"),
        (f"{FIELD}=1,much", f"write {FIELD}=VALUE"),
        (f"{FIELD}=1,2", "one value for a prediction file"),
        (f"{FIELD}=1,1.0", "the value 1 is given twice"),
    ],
)
def test_what_is_wrong_is_said(place, text, message, capsys):
    given = ["predict", str(place / "run"), "--data", str(place / "bare.h5"), "--out", str(place / "new.h5")]
    assert dispatcher.main([*given, f"--parameter={text}"]) == 2
    assert message in capsys.readouterr().err


def test_other_runs_have_no_parameter(place, capsys):
    config = yaml.safe_load((place / "config.yaml").read_text())
    del config["data"]["parameter"], config["data"]["inputs"]["jets"][FIELD]
    (place / "plain.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    assert dispatcher.main(["fit", "-c", str(place / "plain.yaml"), "--run", str(place / "plain")]) == 0
    assert dispatcher.main(["test", str(place / "plain"), f"--parameter={FIELD}=1"]) == 2
    assert "the model has no parameter" in capsys.readouterr().err


def test_trees_learn_from_the_same_values(place):
    pytest.importorskip("xgboost")
    given = ["--run", str(place / "trees"), "--rounds=5", "--leading=0", "--max_depth=2"]
    assert dispatcher.main(["baseline", "xgboost", str(place / "config.yaml"), *given]) == 0
    given = ["predict", str(place / "trees"), "--data", str(place / "bare.h5"), "--out", str(place / "trees.h5")]
    assert dispatcher.main([*given, f"--parameter={FIELD}=6e3"]) == 0
    with h5py.File(place / "trees.h5") as file:
        assert (file["jets"][f"ParTrees_{FIELD}"][:] == 6e3).all()
