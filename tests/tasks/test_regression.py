from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tasks.labelled import POOLED, SPEC, TOKEN

from salt_like.batch import Batch
from salt_like.tasks import Regression

NAN = float("nan")
MASS = torch.tensor([30.0, NAN, 70.0, 50.0])
ENERGY = torch.tensor([NAN, NAN, 120.0, 60.0])


def build(**args) -> Regression:
    return Regression(SPEC, TOKEN, POOLED, **{"stream": "jets", "label": ["mass", "energy"], **args})


def batch(weights: torch.Tensor | None = None) -> Batch:
    inputs = {"jets": torch.tensor([[20.0, 0.1], [40.0, 0.2], [50.0, 0.3], [80.0, -999.0]])}
    return Batch(torch.arange(4), inputs, labels={"jets": {"mass": MASS, "energy": ENERGY}}, weights=weights)


def logits() -> torch.Tensor:
    return torch.randn(4, 2, generator=torch.Generator().manual_seed(0)) * 2


SCALED = torch.stack([(MASS - 50) / 20, (ENERGY - 90) / 30], -1)


@pytest.mark.parametrize(
    ("args", "function"),
    [
        ({"loss": "mse"}, F.mse_loss),
        ({"loss": "l1"}, F.l1_loss),
        ({"loss": "huber", "huber_delta": 0.7}, lambda x, y: F.huber_loss(x, y, delta=0.7)),
    ],
)
def test_loss_is_the_mean_over_targets_that_are_there(args, function):
    known = SCALED.isfinite()
    torch.testing.assert_close(build(**args).loss(logits(), batch()), function(logits()[known], SCALED[known]))
    assert build(**args).count(batch()) == 5


def test_jet_weights_multiply_and_are_not_counted():
    weights = torch.tensor([2.0, 5.0, 0.5, -1.0])
    each = torch.where(SCALED.isfinite(), (logits() - SCALED) ** 2, 0.0)
    total, number = build().loss_terms(logits(), batch(weights))
    torch.testing.assert_close(total, (each * weights[:, None]).sum())
    assert number == 5


@pytest.mark.parametrize(
    "args",
    [
        {"scale": "none"},
        {"scale": "standardise"},
        {"scale": "log"},
        {"scale": "ratio", "denominator": "pt"},
        {"scale": "ratio", "denominator": ["pt", "pt"]},
    ],
)
def test_a_perfect_network_predicts_the_targets_in_their_unit(args):
    task = build(**args)
    perfect = torch.stack([target.scaled(batch()) for target in task.targets], -1)
    assert task.loss(torch.where(perfect.isfinite(), perfect, 0.0), batch()) == 0
    said = task.predict(perfect, batch())
    assert [(output.field, output.kind, output.unit) for output in said] == [
        ("mass", "value", "GeV"),
        ("energy", "value", "GeV"),
    ]
    torch.testing.assert_close(torch.stack(list(said.values())), torch.stack([MASS, ENERGY]), equal_nan=True)


def test_rows_that_fail_where_are_those_without_target():
    (request,) = Regression.reads(stream="jets", label="mass", where="flavour in [1, 2]")
    assert (request.name, request.kind, request.key) == ("mass", "real", "mass[flavour in [1, 2]]")
    with pytest.raises(ValueError, match="no label 'mass\\[flavour in"):
        build(label="mass", where="flavour in [1, 2]")


def test_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="loss must be 'mse', 'l1' or 'huber', got 'rmse'"):
        build(loss="rmse")
    with pytest.raises(ValueError, match="huber_delta must be above 0, got 0"):
        build(huber_delta=0.0)
    with pytest.raises(ValueError, match="none twice, got \\['mass', 'mass'\\]"):
        build(label=["mass", "mass"])
    with pytest.raises(ValueError, match="label must name at least one field"):
        build(label=[])
    with pytest.raises(ValueError, match="denominator must be one variable, or one for each of"):
        build(scale="ratio", denominator=["pt"])
