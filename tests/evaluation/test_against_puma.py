"""Rejections and vertices against those of puma, in an environment that has it: see benchmarks/against_puma.py."""

from __future__ import annotations

import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from salt_like.evaluation.contents import Contents, TaskRecord
from salt_like.evaluation.statistics import Floats
from salt_like.spec import DataSpec, Discriminant, Label, Output, Stream, Variable

pytest.importorskip("puma", reason="puma is not installed: see benchmarks/against_puma.py")

CLASSES = ("ujets", "cjets", "bjets", "taujets")
ID, ORIGIN, VERTEX = "HadronConeExclTruthLabelID", "ftagTruthOriginLabel", "ftagTruthVertexIndex"
ORIGINS = ("pileup", "fake", "primary", "fromB", "fromBC", "fromC", "fromTau", "otherSecondary")
NAMES = ("pu", "pc", "pb", "ptau")
IDS = (0, 4, 5, 15)
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "against_puma.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return runpy.run_path(str(SCRIPT))


def probabilities(random: np.random.Generator, truth: np.ndarray, classes: int) -> Floats:
    logits = random.normal(size=(*truth.shape, classes)) + 2 * np.eye(classes)[truth]
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def write(path: Path, jets: int, slots: int) -> None:
    """Jets with tracks from up to three vertices, of which about two thirds are found."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, jets)
    rows = np.zeros(jets, [(name, "i4") for name in ("flavour_label", ID)] + [("pt", "f4")] + fields(NAMES))
    rows["flavour_label"], rows[ID] = labels, np.array(IDS)[labels]
    rows["pt"] = random.exponential(50_000, jets) + 20_000
    for name, share in zip(NAMES, probabilities(random, labels, 4).T, strict=True):
        rows[f"m_{name}"] = share
    spec = DataSpec(
        (Stream("jets", (Variable("pt", unit="MeV"),), is_global=True), Stream("tracks", capacity=slots)),
        (
            Label("jets", "flavour_label", "flavour_label", "class", CLASSES, prior=(0.25,) * 4),
            Label("tracks", ORIGIN, ORIGIN, "class", ORIGINS, prior=(0.125,) * 8),
            Label("tracks", VERTEX, VERTEX, "index"),
        ),
        (Discriminant("Db", "bjets", {"cjets": 0.1, "taujets": 0.02, "ujets": 0.88}),),
    )
    pairs = zip(NAMES, CLASSES, strict=True)
    flavour = tuple(Output("jets", name, "probability", of_class=one) for name, one in pairs)
    origin = tuple(Output("tracks", f"p{one}", "probability", of_class=one) for one in ORIGINS)
    tasks = (
        TaskRecord("flavour", "jets", ("flavour_label",), flavour),
        TaskRecord("origin", "tracks", (ORIGIN,), origin),
        TaskRecord("vertices", "tracks", (VERTEX,), (Output("tracks", "VertexIndex", "index"),)),
    )
    with h5py.File(path, "w") as file:
        file.attrs.update(Contents("m", "toy", ("a.h5",), "best.ckpt", spec, tasks).attributes())
        file["jets"], file["tracks"] = rows, tracks_of(random, labels, slots)


def tracks_of(random: np.random.Generator, labels: np.ndarray, slots: int) -> np.ndarray:
    shape = (len(labels), slots)
    columns = [("valid", "?"), (ORIGIN, "i1"), (VERTEX, "i1"), ("VertexIndex", "i4")]
    tracks = np.zeros(shape, columns + fields([f"p{one}" for one in ORIGINS]))
    tracks["valid"] = np.arange(slots) < random.integers(0, slots + 1, len(labels))[:, None]
    vertex = random.integers(-1, 4, shape)
    heavy = np.isin(labels, (1, 2))[:, None] | (random.random((len(labels), 1)) < 0.1)
    origin = np.select([vertex < 0, vertex == 0, heavy], [0, 2, 3 + vertex % 3], 7)
    # some true vertices are mixed, and are none
    origin = np.where(random.random(shape) < 0.05, 7, origin)
    found = np.where(random.random(shape) < 0.7, vertex, random.integers(-1, 4, shape))
    found = np.where(found < 0, 4 + np.arange(slots), found)  # a track on its own has an index too
    empty = ~tracks["valid"]
    tracks[VERTEX], tracks[ORIGIN] = np.where(empty, -1, vertex), np.where(empty, -1, origin)
    tracks["VertexIndex"] = np.where(empty, -2, found)
    share = probabilities(random, origin, len(ORIGINS))
    share[empty] = np.nan
    for place, name in enumerate(ORIGINS):
        tracks[f"m_p{name}"] = share[..., place]
    return tracks


def fields(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"m_{name}", "f4") for name in names]


def test_rejections_are_those_of_puma(tmp_path: Path, script: dict[str, Any]) -> None:
    write(tmp_path / "a.h5", 20_000, 1)
    found = script["summary"](script["rows"](tmp_path / "a.h5"))
    assert found["rejections"] == 18
    assert found["same cut, relative"] < 1e-6
    assert found["own cut, in errors"] < 0.5
    assert found["own discriminant, in errors"] < 0.5


def test_vertices_are_those_of_puma_which_draws_them_from_the_file(tmp_path: Path, script: dict[str, Any]) -> None:
    write(tmp_path / "a.h5", 3000, 12)
    found = script["vertex_rows"](tmp_path / "a.h5", tmp_path / "plots")
    assert len(found) == 4 * 3 * (1 + 5)  # classes, numbers, all jets and bins
    assert script["difference"](found) < 1e-6
    values = {(row.flavour, row.mode): row for row in found if row.edges is None}
    for row in values.values():
        assert 0.01 < row.ours < 1, row
    # what puma counts unless told otherwise is another thing
    assert values["bjets", "purity"].default > values["bjets", "purity"].ours + 1e-3
    assert values["bjets", "fakes"].default != pytest.approx(values["bjets", "fakes"].ours, abs=1e-3)
    script["draw_roc"](tmp_path / "a.h5", tmp_path / "plots")
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "roc_Db.png",
        "vertex_efficiency_bjets.png",
        "vertex_efficiency_cjets.png",
        "vertex_fakes_ujets.png",
        "vertex_purity_bjets.png",
        "vertex_purity_cjets.png",
    }
