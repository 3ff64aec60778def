"""Discriminants of taggers, from logarithms of probabilities."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import jets
import numpy as np
import pytest
import torch

from salt_like.evaluation.rejection import discriminant as of_probabilities
from salt_like.spec import DataSpec, Discriminant, Output
from salt_like.tagger import Tagger
from salt_like.tasks import Classification
from salt_like.tasks.discriminants import discriminant

DB = Discriminant("Db", "bjets", {"cjets": 0.2, "ujets": 0.8, "taujets": 0.0})
FLAVOUR = partial(Classification, stream="jets", label="flavour_label")


def test_closed_form():
    shares = {"bjets": 0.5, "cjets": 0.3, "ujets": 0.2, "taujets": 0.0}
    logs = {name: torch.tensor([value], dtype=torch.float64).log() for name, value in shares.items()}
    (found,) = discriminant(logs, DB).tolist()
    assert found == pytest.approx(math.log(0.5 / (0.2 * 0.3 + 0.8 * 0.2)), abs=1e-12)


def test_same_as_that_of_the_evaluation():
    logits = torch.randn(500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
    names = ("bjets", "cjets", "ujets", "taujets")
    logs = dict(zip(names, logits.log_softmax(-1).unbind(-1), strict=True))
    shares = {name: one.exp().numpy() for name, one in logs.items()}
    np.testing.assert_allclose(discriminant(logs, DB), of_probabilities(shares, "bjets", DB.background), atol=1e-12)


def test_finite_where_probabilities_are_not_representable():
    logits = torch.tensor([[200.0, 0.0, -150.0, 3.0]])
    logs = dict(zip(("bjets", "cjets", "ujets", "taujets"), logits.log_softmax(-1).unbind(-1), strict=True))
    assert (logits.softmax(-1) == 0).any()
    assert discriminant(logs, DB).item() == pytest.approx(200 - math.log(0.2), rel=1e-6)


def described() -> DataSpec:
    classes = jets.spec().label("jets", "flavour_label").classes
    one = Discriminant("Dx", classes[0], {name: 1 / (len(classes) - 1) for name in classes[1:]})
    return replace(jets.spec(), discriminants=(one,))


def test_a_tagger_says_them():
    torch.manual_seed(0)
    spec = described()
    model = jets.randomise(Tagger(spec, 8, {"flavour": FLAVOUR})).eval()
    batch = jets.packed(jets.make())
    said = model.predict(batch)
    (output,) = model.discriminants
    assert output == Output("jets", "Dx", "discriminant")
    assert model.outputs[-1] == output
    shares = {one.of_class: values.detach().double().numpy() for one, values in said.items() if one.of_class}
    (one,) = spec.discriminants
    expected = of_probabilities(shares, one.signal, one.background)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(said[output].detach(), expected, atol=2e-5)


def test_temperature_and_class_fractions_are_in_them():
    torch.manual_seed(0)
    spec, batch = described(), jets.packed(jets.make())
    classes = spec.label("jets", "flavour_label").classes
    prior = {name: (1 + index) / sum(range(1, len(classes) + 1)) for index, name in enumerate(classes)}
    model = Tagger(spec, 8, {"flavour": partial(FLAVOUR, temperature=2.0, prior=prior)})
    said = jets.randomise(model).eval().predict(batch)
    (one,) = spec.discriminants
    shares = {one.of_class: values.detach().double().numpy() for one, values in said.items() if one.of_class}
    expected = of_probabilities(shares, one.signal, one.background)
    np.testing.assert_allclose(said[next(iter(model.discriminants))].detach(), expected, atol=2e-5)


def test_a_tagger_without_these_classes_says_none():
    spec = replace(jets.spec(), discriminants=(DB,))
    origins = partial(Classification, stream="tracks", label="origin")
    assert Tagger(spec, 8, {"origin": origins}).discriminants == {}


def test_a_discriminant_with_the_name_of_another_output():
    classes = jets.spec().label("jets", "flavour_label").classes
    name = f"p{classes[1].removesuffix('jets')}"
    one = Discriminant(name, classes[0], {classes[1]: 1.0})
    with pytest.raises(ValueError, match=f"task 'flavour' and discriminant '{name}' both have an output '{name}'"):
        Tagger(replace(jets.spec(), discriminants=(one,)), 8, {"flavour": FLAVOUR})
