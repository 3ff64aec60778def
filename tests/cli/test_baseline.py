"""`train baseline xgboost`: a run like any other, from the same jets with the same weights."""

from __future__ import annotations

import csv
import json
import shutil

import h5py
import numpy as np
import pytest
import yaml
from bundles import CAN_EXPORT
from field_files import make_arrays, write
from made_runs import INPUTS, TASKS

import salt_like
from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder, shipped
from salt_like.cli.build import requests
from salt_like.data.module import Data
from salt_like.trees.ensemble import Size
from salt_like.trees.reading import read
from salt_like.trees.tagger import TreeTagger

pytest.importorskip("xgboost")
pytest.importorskip("onnxmltools")

SAMPLES = shipped.FOLDER.parent / "samples"
SMALL = ["--rounds=25", "--max_depth=3", "--learning_rate=0.3", "--leading=2", "--patience=5"]
WEIGHTS = [0.5, 2.0, 1.0, 3.0]


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baseline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
        patch.setenv(run_folder.HANDED_OVER, "")
        patch.chdir(folder)
        yield folder


def baseline(*arguments: str) -> int:
    return dispatcher.main(["baseline", "xgboost", *arguments])


@pytest.fixture(scope="module")
def run(place):
    assert baseline("quickstart", "--run", str(place / "run"), *SMALL) == 0
    assert dispatcher.main(["test", str(place / "run"), "--figures=none"]) == 0
    return place / "run"


def test_the_folder_is_that_of_a_run(run, capsys):
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["name"] == "quickstartTrees"
    assert list(config["model"]["tasks"]) == ["jets_classification"]
    record = json.loads((run / "run.json").read_text())
    assert record["state"] == "finished"
    made = {"kind": "xgboost", "leading": 2, "rounds": 25, "max_depth": 3, "patience": 5}
    assert made.items() <= record["baseline"].items()
    assert record["baseline"]["features"] == 2 + 1 + 19 * (5 + 2)
    assert {"xgboost", "onnxmltools"} <= set(record["baseline"])
    with (run / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    losses = [float(row["val/jets_classification/loss"]) for row in rows]
    assert len(rows) == record["epochs_done"]
    assert [int(row["epoch"]) for row in rows] == list(range(len(rows)))
    assert int(np.argmin(losses)) == record["best_round"]
    assert dispatcher.main(["inspect", str(run)]) == 0
    assert "jets_classification (Classification)" in capsys.readouterr().out


def gain(run, name: str) -> tuple[float, float]:
    """What a run gains over the best constant, and its error."""
    with h5py.File(run / "predictions" / f"{name}.h5") as file:
        jets, model = file["jets"][:], file.attrs["model"]
        classes = [one.removesuffix("jets") for one in file["jets"].attrs["flavour_label"]]
    label = jets["flavour_label"]
    said = np.stack([jets[f"{model}_p{one}"] for one in classes], 1).astype(float)
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-5)
    gains = np.log(said[np.arange(len(label)), label]) - np.log(np.bincount(label)[label] / len(label))
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))


def test_it_learns_flavour_and_nothing_from_permuted_ones(run, place):
    right, error = gain(run, "ttbar")
    assert right > 0.3 > 10 * error
    for seed, name in enumerate(("train", "val")):
        shutil.copy(SAMPLES / f"{name}.h5", place / f"permuted-{name}.h5")
        with h5py.File(place / f"permuted-{name}.h5", "r+") as file:
            jets = file["jets"][:]
            jets["flavour_label"] = np.random.default_rng(seed).permutation(jets["flavour_label"])
            file["jets"][...] = jets
    files = [f"--data.{name}={place}/permuted-{name}.h5" for name in ("train", "val")]
    assert baseline("quickstart", "--run", str(place / "permuted"), *files, *SMALL) == 0
    given = [f"--data.test.whole={place}/permuted-val.h5", "--figures=none"]
    assert dispatcher.main(["test", str(place / "permuted"), *given]) == 0
    lucky, error = gain(place / "permuted", "whole")
    assert lucky < 4 * error < 0.03


def test_it_is_compared_calibrated_and_loaded_like_a_network(run, place, capsys):
    other = place / "other"
    assert baseline("quickstart", "--run", str(other), *SMALL, "--max_depth=1", "--name=Stumps", "--rounds=5") == 0
    assert dispatcher.main(["test", str(other), "--figures=none"]) == 0
    capsys.readouterr()
    assert dispatcher.main(["compare", str(run), str(other)]) == 0
    assert "Stumps" in capsys.readouterr().out
    assert dispatcher.main(["calibrate", str(other)]) == 0
    arrays = {}
    with h5py.File(SAMPLES / "test.h5") as file:
        arrays = {name: file[name][:200] for name in ("jets", "tracks")}
    said = salt_like.load(run).predict(arrays)["jets"]
    with h5py.File(run / "predictions" / "ttbar.h5") as file:
        np.testing.assert_array_equal(said["quickstartTrees_pb"], file["jets"]["quickstartTrees_pb"][:200])
    # the leading tracks are the first in the stream's order, which here is that of the file
    random = np.random.default_rng(0)
    mixed = {**arrays, "tracks": random.permuted(arrays["tracks"], axis=1)}
    assert (salt_like.load(run).predict(mixed)["jets"]["quickstartTrees_pb"] != said["quickstartTrees_pb"]).any()


@pytest.mark.skipif(not CAN_EXPORT, reason="torch before 2.6 cannot export")
def test_it_is_exported_with_its_features_within(run, place):
    out = place / "bundle"
    assert dispatcher.main(["--debug", "export", str(run), "--out", str(out), "--jets=500"]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["graph"]["operators"]["TreeEnsembleRegressor"] == 1
    assert [one["stream"] for one in manifest["inputs"] if one["dtype"] == "float32"] == ["jets", "tracks"]
    assert dispatcher.main(["verify", str(out)]) == 0
    assert dispatcher.main(["verify", str(out), "--against", str(run)]) == 0


def test_jets_weigh_what_they_weigh_in_the_loss_of_a_network(place):
    path = write(place / "weighted.h5", make_arrays(200, 3))
    bins = {"pt": [20e3, 80e3, 200e3]}
    tasks = {"flavour": {**TASKS["flavour"], "init_args": {**TASKS["flavour"]["init_args"], "class_weights": WEIGHTS}}}
    reweight = {"label": "flavour_label", "bins": bins}
    section = {"train": str(path), "inputs": INPUTS, "cache": False, "weight": "weight"}
    from salt_like.data.config import ReweightConfig

    data = Data(**section, reweight=ReweightConfig(**reweight), requests=requests(tasks))
    arguments = tasks["flavour"]["init_args"]
    tagger = TreeTagger(data.spec, "flavour", arguments, Size(0, 0, 0, 0, 0), 1)
    seen = []
    samples = data.splits.samples("train", data.spec, data.weight_scale)
    found = read(samples, tagger, lambda *progress: seen.append(progress))
    jets = make_arrays(200, 3)["jets"]
    cells = 2 * jets["flavour_label"] + (jets["pt"] >= 80e3)
    classes = np.array(WEIGHTS) / np.mean(WEIGHTS)
    expected = jets["weight"] / jets["weight"].mean() * np.array(data.spec.reweighting.weights)[cells]
    np.testing.assert_array_equal(found.labels, jets["flavour_label"])
    # class weights are 1 for a training jet on average, whose classes weigh what their jets do
    counts = np.array(data.spec.label("jets", "flavour_label").counts)
    classes = np.array(WEIGHTS) * counts.sum() / (np.array(WEIGHTS) * counts).sum()
    np.testing.assert_allclose(found.weights, expected * classes[jets["flavour_label"]], rtol=1e-5)
    assert found.weights.std() > 0.5
    assert seen == [(200, 200)]
    np.testing.assert_array_equal(found.features[:, 0], jets["pt"])


def test_negative_weights_are_refused(place, capsys):
    arrays = make_arrays(200, 3)
    arrays["jets"]["weight"][7] = -1
    write(place / "negative.h5", arrays)
    config = {"data": {"train": "negative.h5", "inputs": INPUTS, "weight": "weight"}, "model": {"tasks": TASKS}}
    (place / "negative.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    assert baseline("negative.yaml", "--run", "negative") == 2
    said = capsys.readouterr().err
    assert "trees learn 'flavour' only, not: origin, vertices, hadron" in said
    assert "no negative weights, found 1 among 200 jets" in said
    assert not (place / "negative").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["regression", f"--data.train={SAMPLES}/train.h5"], "has no classification of the jets"),
        (["quickstart", "--round=5"], "unknown argument '--round' (did you mean '--rounds'?)"),
        (["quickstart", "--learning_rate=2"], "a number above 0 and up to 1, not '2'"),
        (["quickstart", "--learning_rate=much"], "a number above 0 and up to 1, not 'much'"),
        (["quickstart", "--leading=-1"], "a whole number of at least 0"),
        (["quickstart", "--min_child_weight=-1"], "cannot boost these trees"),
        (["quickstart", "--model.dim=x"], "model.dim"),
    ],
)
def test_what_is_wrong_is_said(arguments, message, capsys):
    assert baseline(*arguments) == 2
    assert message in capsys.readouterr().err


def test_without_validation_jets_all_rounds_are_made_and_a_run_is_not_continued(place, capsys):
    given = ["--data.val=null", f"--run={place}/all", "--rounds=3", "--max_depth=2", "--leading=0"]
    assert baseline("quickstart", *given) == 0
    said = capsys.readouterr()
    assert "all rounds are made" in said.err
    assert "round 3 of 3: 12 trees" in said.out
    shutil.copy(place / "all/checkpoints/best.ckpt", place / "all/checkpoints/last.ckpt")
    assert dispatcher.main(["fit", "--resume", str(place / "all")]) == 2
    assert "boosted trees are not continued" in capsys.readouterr().err


def test_an_interrupted_one_says_so(place, monkeypatch):
    from salt_like.trees import boosting

    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(boosting, "boost", stop)
    assert baseline("quickstart", f"--run={place}/stopped", *SMALL) == 130
    assert json.loads((place / "stopped/run.json").read_text())["state"] == "interrupted"
