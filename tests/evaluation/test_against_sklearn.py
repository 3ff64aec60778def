"""Metrics of a prediction file against those of scikit-learn on the same file."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from made_runs import make_file, make_run

from salt_like.cli.main import main

reference = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed: pip install 'salt-like[dev]'")

FLAVOURS = ("pu", "pc", "pb", "ptau")


@pytest.fixture(scope="module", params=[None, "weight"])
def predicted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, h5py.File]:
    """Metrics and predictions of a run, without and with weights."""
    folder = tmp_path_factory.mktemp("run")
    run = make_run(folder / "run", weight=request.param, test=str(make_file(folder / "test.h5", 500, 3)))
    assert main(["test", str(run), "--ranges=none", "--figures=none", "--no-report"]) == 0
    metrics = json.loads((run / "predictions" / "test_metrics.json").read_text())
    with h5py.File(run / "predictions" / "test.h5") as file:
        yield {name: task["metrics"] for name, task in metrics["tasks"].items()}, file


def against(metrics: list[dict], labels: np.ndarray, shares: np.ndarray, weights: np.ndarray | None) -> set[str]:
    """Compare what both know; the names of what was compared."""
    classes = np.arange(shares.shape[1])
    shares = shares.astype(np.float64) / shares.astype(np.float64).sum(1, keepdims=True)  # of float32, to 1e-7 only
    found = {metric["name"]: metric["value"] for metric in metrics}
    compared = set()

    def same(name: str, expected: float) -> None:
        assert found[name] == pytest.approx(expected, abs=1e-6), name
        compared.add(name)

    same("cross-entropy", reference.log_loss(labels, shares, sample_weight=weights, labels=classes))
    said = shares.argmax(1)
    same("accuracy", reference.accuracy_score(labels, said, sample_weight=weights))
    if "macro-F1" in found:
        present = np.unique(labels)
        same("macro-F1", reference.f1_score(labels, said, average="macro", labels=present, sample_weight=weights))
    areas = [name for name in found if name.startswith("AUC")]
    for index, name in zip(classes, areas, strict=True):
        if 0 < (labels == index).sum() < len(labels):
            same(name, reference.roc_auc_score(labels == index, shares[:, index], sample_weight=weights))
    return compared


def test_classes_of_jets(predicted: tuple[dict, h5py.File]) -> None:
    metrics, file = predicted
    jets = file["jets"][:]
    shares = np.stack([jets[f"GN2_{name}"] for name in FLAVOURS], 1)
    weights = jets["weight"] if file.attrs["weight"] else None
    assert len(against(metrics["flavour"], jets["flavour_label"], shares, weights)) == 6


def test_classes_of_constituents(predicted: tuple[dict, h5py.File]) -> None:
    metrics, file = predicted
    jets, tracks = file["jets"][:], file["tracks"][:]
    names = [f"GN2_{one['field']}" for task in json.loads(file.attrs["tasks"]) for one in task["outputs"]]
    names = [name for name in names if name in tracks.dtype.names]
    known = tracks["valid"] & (tracks["ftagTruthOriginLabel"] >= 0)
    weights = np.broadcast_to(jets["weight"][:, None], known.shape)[known] if file.attrs["weight"] else None
    shares = np.stack([tracks[name][known] for name in names], 1)
    compared = against(metrics["origin"], tracks["ftagTruthOriginLabel"][known], shares, weights)
    assert {"macro-F1", "cross-entropy"} < compared
    assert len(compared) >= 8
