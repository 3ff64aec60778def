from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tasks.labelled import SPEC

from salt_like.batch import Batch
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Label
from salt_like.tasks.targets import Target, sigma_of

MASS = SPEC.label("jets", "mass")


def batch(mass: list[float], pt: list[float], eta: list[float] | None = None) -> Batch:
    inputs = torch.stack([torch.tensor(pt), torch.tensor(eta or pt)], -1)
    return Batch(torch.arange(len(mass)), {"jets": inputs}, labels={"jets": {"mass": torch.tensor(mass)}})


def build(label: Label = MASS, scale: str = "log", denominator: str | None = None, spec: DataSpec = SPEC) -> Target:
    return Target.build(spec, label, scale, denominator)


@pytest.mark.parametrize(
    ("scale", "denominator", "expected"),
    [
        ("none", None, [25.0, 100.0]),
        ("standardise", None, [-1.25, 2.5]),
        ("log", None, [-0.6931472, 0.6931472]),
        ("ratio", "pt", [0.5, 0.25]),
    ],
)
def test_scaled_values_and_their_inverse(scale, denominator, expected):
    target, jets = build(scale=scale, denominator=denominator), batch([25.0, 100.0], [50.0, 400.0])
    torch.testing.assert_close(target.scaled(jets), torch.tensor(expected))
    torch.testing.assert_close(target.physical(torch.tensor(expected), jets), torch.tensor([25.0, 100.0]))


@pytest.mark.parametrize(
    ("scale", "denominator", "slope"),
    [("none", None, [1, 1]), ("standardise", None, [20, 20]), ("log", None, [25, 100]), ("ratio", "eta", [50, 400])],
)
def test_width_is_the_derivative_of_the_prediction(scale, denominator, slope):
    target = build(scale=scale, denominator=denominator)
    jets = batch([25.0, 100.0], [50.0, 400.0], eta=[-50.0, 400.0])
    scaled = target.scaled(jets).requires_grad_()
    (gradient,) = torch.autograd.grad(target.physical(scaled, jets).sum(), scaled)
    torch.testing.assert_close(gradient.abs(), torch.tensor(slope, dtype=torch.float32))
    width = target.sigma(scaled, torch.full((2,), 0.1), jets)
    torch.testing.assert_close(width, 0.1 * torch.tensor(slope, dtype=torch.float32))


def test_logarithmic_width_is_that_of_a_narrow_log_normal():
    mean, sigma = torch.tensor(0.3), 0.02
    sample = MASS.mean * torch.distributions.Normal(mean, sigma).icdf((torch.arange(100000) + 0.5) / 100000).exp()
    width = build(scale="log").sigma(mean, torch.tensor(sigma), batch([1.0], [1.0]))
    torch.testing.assert_close(width, sample.std(), rtol=1e-3, atol=0)


def test_no_target_where_label_denominator_or_logarithm_is_missing():
    nan = float("nan")
    jets = batch([nan, 5.0, 5.0, -5.0, 0.0], [10.0, nan, 0.0, 10.0, 10.0], eta=[1.0, 1.0, -999.0, 2.0, 4.0])
    assert build(scale="none").scaled(jets).isfinite().tolist() == [False, True, True, True, True]
    assert build(scale="ratio", denominator="pt").scaled(jets).isfinite().tolist() == [False, False, False, True, True]
    assert build(scale="ratio", denominator="eta").scaled(jets).isfinite().tolist() == [False, True, False, True, True]
    assert build(scale="log").scaled(jets).isfinite().tolist() == [False, True, True, False, False]


def test_logarithm_without_statistics_is_not_centred():
    target = build(replace(MASS, mean=0.0, low=-float("inf")))
    torch.testing.assert_close(target.scaled(batch([5.0], [1.0])), torch.tensor([5.0]).log())


def test_refuses_logarithm_of_targets_that_are_not_positive():
    with pytest.raises(UserError, match="'mass' of 'jets' has no logarithm: its smallest value .* is -3"):
        build(replace(MASS, low=-3.0))
    with pytest.raises(UserError, match="is 0\nallowed: positive targets"):
        build(replace(MASS, low=0.0))


@pytest.mark.parametrize("std", [0.0, float("nan")])
def test_refuses_to_standardise_a_constant(std):
    with pytest.raises(UserError, match="'mass' of 'jets' cannot be standardised"):
        build(replace(MASS, std=std), "standardise")


def test_refuses_scale_and_denominator_that_do_not_fit():
    with pytest.raises(ValueError, match="denominator goes with scale 'ratio' only, got denominator='pt', scale='log'"):
        build(scale="log", denominator="pt")
    with pytest.raises(ValueError, match="denominator goes with scale 'ratio' only, got denominator=None"):
        build(scale="ratio")
    with pytest.raises(UserError, match=r"'ptt' of target 'mass' is no input variable of 'jets' \(did you mean 'pt'"):
        build(scale="ratio", denominator="ptt")
    with pytest.raises(ValueError, match="scale must be .* got 'cube'"):
        build(scale="cube")
    with pytest.raises(ValueError, match="'flavour' must be a real number for a regression, it is of kind 'class'"):
        build(SPEC.label("jets", "flavour"))


def test_sigma_is_one_at_zero_and_positive_and_finite_everywhere():
    torch.testing.assert_close(sigma_of(torch.zeros(1)), torch.tensor([1.001]))
    extreme = sigma_of(torch.tensor([-1e4, -50.0, 50.0, 1e4]))
    assert (extreme >= 1e-3).all()
    assert extreme.isfinite().all()
