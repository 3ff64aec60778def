"""Every shipped configuration trains, in a small version, to better than what is trivial."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from bundles import CAN_EXPORT

from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder, shipped

SAMPLES = shipped.FOLDER.parent / "samples"
NAMES = sorted(path.stem for path in shipped.FOLDER.glob("*.yaml"))
FLAVOUR = [name for name in NAMES if name != "regression"]
WITH_TRACKS = [name for name in FLAVOUR if name != "dnn"]
EPOCHS = 5
NUMBERS_ONLY = ("--figures=none", "--no-report")
SHRUNK = {
    "name": "small",
    "data": {
        "val": str(SAMPLES / "val.h5"),
        "test": {"ttbar": str(SAMPLES / "test.h5")},
        "batch_size": 50,
        "num_test": 500,
    },
    "model": {"dim": 16, "optimizer": {"lr": 5e-3}},
    "trainer": {"max_epochs": EPOCHS, "accelerator": "cpu", "enable_progress_bar": False, "gradient_clip_val": 1.0},
}
# parts of the model that are classes with sizes of their own
SMALLER = {
    "particlenet": {"encoder": {"init_args": {"k": 4, "channels": [[16, 16], [16, 16]], "fusion": 32}}},
    "part": {
        "encoder": {"init_args": {"layers": 1, "heads": 2, "pair_hidden": [8]}},
        "pooling": {"init_args": {"layers": 1, "heads": 2}},
    },
    **{name: {"encoder": {"init_args": {"layers": 1}}} for name in ("gatv2", "gn1-like", "hypergraph")},
}


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configurations")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
        patch.setenv(run_folder.HANDED_OVER, "")
        yield folder


@pytest.fixture(scope="session")
def permuted(work) -> dict[str, Path]:
    """Training and validation sample with the flavours of their jets dealt out at random."""
    paths = {}
    for seed, name in enumerate(("train", "val")):
        paths[name] = work / f"permuted-{name}.h5"
        shutil.copy(SAMPLES / f"{name}.h5", paths[name])
        with h5py.File(paths[name], "r+") as file:
            jets = file["jets"][:]
            jets["flavour_label"] = np.random.default_rng(seed).permutation(jets["flavour_label"])
            file["jets"][...] = jets
    return paths


def written(name: str) -> dict:
    return yaml.safe_load((shipped.FOLDER / f"{name}.yaml").read_text())


def train(folder: Path, name: str, sample: Path, epochs: int = EPOCHS) -> list[dict[str, float]]:
    """Train a small version into `folder`; the metrics of each epoch."""
    small = {
        **SHRUNK,
        "data": {**SHRUNK["data"], "train": str(sample)},
        "trainer": {**SHRUNK["trainer"], "max_epochs": epochs},
    }
    small["model"] = {**SHRUNK["model"], **SMALLER.get(name, {})}
    encoder = written(name)["model"].get("encoder", {})
    if "layers" in encoder:
        small["model"] = {**SHRUNK["model"], "encoder": {"layers": 1, "heads": 2}}
        if "out_dim" in encoder:
            small["model"]["encoder"]["out_dim"] = 8
    folder.parent.mkdir(parents=True, exist_ok=True)
    overrides = folder.parent / f"{folder.name}.yaml"
    overrides.write_text(yaml.safe_dump(small))
    assert dispatcher.main(["--debug", "fit", "-c", name, "-c", str(overrides), "--run", str(folder)]) == 0
    with (folder / "metrics.csv").open(newline="") as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


def gain(folder: Path, sample: Path) -> tuple[float, float]:
    """What a run gains in a file over the best constant: mean of ln p(true class) - ln(its fraction), and its error.

    Where flavours have nothing to do with inputs, no prediction can gain anything on average.
    """
    given = [f"--data.test.whole={sample}", "--data.num_test=99999", *NUMBERS_ONLY]
    assert dispatcher.main(["--debug", "test", str(folder), *given]) == 0
    with h5py.File(folder / "predictions" / "whole.h5") as file:
        jets = file["jets"][:]
        classes = [name.removesuffix("jets") for name in file["jets"].attrs["flavour_label"]]
    label = jets["flavour_label"]
    said = np.stack([jets[f"small_p{name}"] for name in classes], 1)[np.arange(len(label)), label]
    gains = np.log(said.astype(float)) - np.log(np.bincount(label)[label] / len(label))
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))


def prior_entropy() -> float:
    """Cross-entropy on the validation jets of always answering with the training fractions."""
    counts = []
    for sample in ("train", "val"):
        with h5py.File(SAMPLES / f"{sample}.h5") as file:
            counts.append(np.bincount(file["jets"]["flavour_label"]))
    train_counts, val_counts = counts
    return float(-(val_counts * np.log(train_counts / train_counts.sum())).sum() / val_counts.sum())


@pytest.fixture(scope="session")
def dense(work) -> float:
    """Validation cross-entropy of the network on jet variables alone."""
    return train(work / "baseline", "dnn", SAMPLES / "train.h5")[-1]["val/jets_classification/loss"]


def test_are_all_here_and_short():
    assert {"quickstart", "gn2", "gn2-small", "gn3-like", "deepsets", "dnn", "regression"} <= set(NAMES)
    assert {"particlenet", "part", "maskformer"} <= set(NAMES)
    for name in NAMES:
        text = (shipped.FOLDER / f"{name}.yaml").read_text()
        assert len(text.splitlines()) < 60, name
        assert "&" not in text, f"{name} has an anchor"
        assert "\n  num_" not in text, f"{name} states a size"


@pytest.mark.parametrize("name", FLAVOUR)
def test_learns_flavour_from_the_right_labels_and_nothing_from_permuted_ones(name, work, dense, permuted, capsys):
    rows = train(work / name, name, SAMPLES / "train.h5")
    final = rows[-1]["val/jets_classification/loss"]
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]
    # 1,496 validation jets: the statistical error of a cross-entropy is about 0.02; jet variables tell little where the
    # flavours have the same pt and eta, and what they tell is seen below, jet by jet
    assert final < prior_entropy() - (0.045 if name in WITH_TRACKS else 0.015)
    if name in WITH_TRACKS:
        assert final < dense - 0.04
    right, error = gain(work / name, SAMPLES / "val.h5")
    assert right > 4 * error  # so that the same test of permuted flavours has the power to see something
    train(work / f"{name}-permuted", name, permuted["train"], epochs=2)
    # the held-out flavours are permuted too: measured with true ones a random head may be lucky, whatever their number
    lucky, error = gain(work / f"{name}-permuted", permuted["val"])
    assert lucky < 4 * error < 0.03
    assert dispatcher.main(["--debug", "test", str(work / name), *NUMBERS_ONLY]) == 0
    assert "jets_classification on ttbar, 500 labelled jets" in capsys.readouterr().out
    with h5py.File(work / name / "predictions" / "ttbar.h5") as file:
        total = sum(file["jets"][f"small_p{flavour}"].astype(float) for flavour in ("u", "c", "b", "tau"))
        np.testing.assert_allclose(total, 1, atol=1e-5)
        tracks = (
            [column for column in file["tracks"].dtype.names if column == "VertexIndex"] if "tracks" in file else []
        )
    assert bool(tracks) == any("Vertexing" in task["class_path"] for task in written(name)["model"]["tasks"].values())
    exported(work / name)


def exported(run: Path) -> None:
    """The trained run exports, and the bundle proves itself."""
    if not CAN_EXPORT:
        return
    assert dispatcher.main(["--debug", "export", str(run)]) == 0  # compares with the tagger on the test jets
    parity = json.loads((run / "bundle" / "parity.json").read_text())
    assert parity["jets"] == 3000
    assert parity["working_points"] or "jets_classification" not in written(run.name)["model"]["tasks"]
    assert sum(one["other_side"] for one in parity["working_points"]) == 0
    assert dispatcher.main(["--debug", "verify", str(run / "bundle")]) == 0


def test_regression_beats_the_constant_with_the_right_width(work):
    rows = train(work / "regression", "regression", SAMPLES / "train.h5")
    with h5py.File(SAMPLES / "val.h5") as file:
        jets = file["jets"][:]
    ratio = jets["ptFromTruthJet"] / jets["pt"]
    constant = 0.5 * (1 + np.log(2 * np.pi * np.nanvar(ratio)))
    assert rows[-1]["val/jet_pt/loss"] < constant - 0.02
    mass = jets["truthMass"] - np.nanmedian(jets["truthMass"])
    pull = np.abs(mass / np.nanstd(mass))
    constant = np.nanmean(np.where(pull < 1, 0.5 * pull**2, pull - 0.5))  # the Huber loss of the best constant, nearly
    assert rows[-1]["val/jet_mass/loss"] < 0.5 * constant
    assert rows[-1]["val/jet_mass/loss"] < rows[0]["val/jet_mass/loss"]
    assert dispatcher.main(["--debug", "test", str(work / "regression"), *NUMBERS_ONLY]) == 0
    exported(work / "regression")
    report = json.loads((work / "regression" / "predictions" / "ttbar_metrics.json").read_text())
    assert report
