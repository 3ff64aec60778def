"""Rejections against those of puma, in an environment that has it: see benchmarks/against_puma.py."""

from __future__ import annotations

import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest

from salt_like.evaluation.contents import Contents, TaskRecord
from salt_like.spec import DataSpec, Discriminant, Label, Output, Stream

pytest.importorskip("puma", reason="puma is not installed: see benchmarks/against_puma.py")

CLASSES = ("ujets", "cjets", "bjets", "taujets")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "against_puma.py"


def test_rejections_are_those_of_puma(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, 20_000)
    logits = random.normal(size=(20_000, 4)) + 2 * np.eye(4)[labels]
    names = ("pu", "pc", "pb", "ptau")
    jets = np.zeros(20_000, [("flavour_label", "i4"), *((f"m_{name}", "f4") for name in names)])
    jets["flavour_label"] = labels
    for name, share in zip(names, (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).T, strict=True):
        jets[f"m_{name}"] = share
    spec = DataSpec(
        (Stream("jets", is_global=True),),
        (Label("jets", "flavour_label", "flavour_label", "class", CLASSES, prior=(0.25,) * 4),),
        (Discriminant("Db", "bjets", {"cjets": 0.1, "taujets": 0.02, "ujets": 0.88}),),
    )
    pairs = zip(names, CLASSES, strict=True)
    outputs = tuple(Output("jets", name, "probability", of_class=one) for name, one in pairs)
    task = TaskRecord("flavour", "jets", ("flavour_label",), outputs)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(Contents("m", "toy", ("a.h5",), "best.ckpt", spec, (task,)).attributes())
        file["jets"] = jets
    script = runpy.run_path(str(SCRIPT))
    found = script["summary"](script["rows"](tmp_path / "a.h5"))
    assert found["rejections"] == 18
    assert found["same cut, relative"] < 1e-6
    assert found["own cut, in errors"] < 0.5
    assert found["own discriminant, in errors"] < 0.5
