"""Golden jets: those that no program need agree about, or that have no answer, are none."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jets
import numpy as np
import pytest
import torch
from export.test_graph import columns
from export.test_interface import described

from salt_like.data.collate import collate
from salt_like.export.golden import make_golden
from salt_like.export.interface import interface_of
from salt_like.export.replay import Replay
from salt_like.tagger import Tagger
from salt_like.tasks import Regression, Vertexing


def golden(tasks, **options):
    torch.manual_seed(0)
    model = jets.randomise(Tagger(described(), 8, tasks)).eval()
    content = columns(model.spec, 60, most=jets.LENGTH)
    content = replace(content, inputs={**content.inputs, "tracks": np.nan_to_num(content.inputs["tracks"])})
    return model, make_golden(model, interface_of(model, "GN2", "batched"), content, **options)


def test_no_answer_no_golden_jet():
    ratio = partial(Regression, stream="jets", label="truth_pt", scale="ratio", denominator="pt")
    _, found = golden({"energy": ratio})
    assert "all NaN" not in found.cases
    assert "all infinite" not in found.cases
    assert "all zero" in found.cases
    assert np.isfinite(found.single["GN2_truth_pt"]).all()


def test_all_cases_of_a_tagger_that_always_answers():
    _, found = golden({"energy": partial(Regression, stream="jets", label="truth_pt")})
    assert {"all NaN", "all infinite", "all not measured", "only tracks", "only flows"} <= set(found.cases)


def test_no_golden_jet_is_undecided(monkeypatch):
    tasks = {"vertices": partial(Vertexing, stream="tracks", label="vertex")}
    model, all_ = golden(tasks)
    interface = interface_of(model, "GN2", "batched")
    content = columns(model.spec, 60, most=jets.LENGTH)
    logits = model(collate(content, model.spec, pair_streams=["tracks"]))["vertices"].detach().abs()
    margin = float(logits.median())
    monkeypatch.setattr("salt_like.export.golden.MARGIN", margin)
    _, some = golden(tasks)
    unsure = int(Replay(model, interface).undecided(content, margin).sum())
    assert 0 < unsure < 60
    assert all_.cases.count("data") == 60
    assert some.cases.count("data") < 60
    assert some.left_out > all_.left_out


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_jets_for_the_same_seed(seed):
    tasks = {"energy": partial(Regression, stream="jets", label="truth_pt")}
    (_, one), (_, same), (_, other) = (golden(tasks, seed=number) for number in (seed, seed, seed + 1))
    np.testing.assert_array_equal(one.inputs["jets"], same.inputs["jets"])
    assert not np.array_equal(one.inputs["tracks"].shape, other.inputs["tracks"].shape) or not np.array_equal(
        one.inputs["tracks"], other.inputs["tracks"]
    )
