from __future__ import annotations

import pytest
import torch
from tasks.labelled import POOLED, SPEC, TOKEN

from salt_like.batch import Batch
from salt_like.tasks import GaussianRegression
from salt_like.tasks.targets import sigma_of

NAN = float("nan")
TRUTH = torch.tensor([[30.0, NAN], [NAN, 60.0], [70.0, 120.0]])
PT = torch.tensor([20.0, 40.0, 80.0])


def build(**args) -> GaussianRegression:
    return GaussianRegression(SPEC, TOKEN, POOLED, **{"stream": "jets", "label": ["mass", "energy"], **args})


def batch(weights: torch.Tensor | None = None) -> Batch:
    labels = {"jets": {"mass": TRUTH[:, 0], "energy": TRUTH[:, 1]}}
    return Batch(torch.arange(3), {"jets": torch.stack([PT, PT], -1)}, labels=labels, weights=weights)


def logits() -> torch.Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def test_loss_is_the_negative_log_likelihood():
    values = logits()
    mean, sigma = values[:, :2], sigma_of(values[:, 2:])
    scaled = (TRUTH - torch.tensor([50.0, 90.0])) / torch.tensor([20.0, 30.0])
    known = scaled.isfinite()
    each = -torch.distributions.Normal(mean, sigma).log_prob(torch.where(known, scaled, 0.0))
    torch.testing.assert_close(build().loss(values, batch()), each[known].mean())
    weights = torch.tensor([0.5, 2.0, 3.0])
    total, number = build().loss_terms(values, batch(weights))
    torch.testing.assert_close(total, (each * weights[:, None])[known].sum())
    assert number == 4


@pytest.mark.parametrize(
    ("args", "unit"),
    [
        ({"scale": "none"}, lambda y, column: torch.ones(3)),
        ({"scale": "standardise"}, lambda y, column: torch.full((3,), (20.0, 30.0)[column])),
        ({"scale": "ratio", "denominator": "pt"}, lambda y, column: PT),
        ({"scale": "log"}, lambda y, column: y),
    ],
)
def test_predictions_keep_means_and_widths_of_the_targets_apart(args, unit):
    task = build(**args)
    truth = torch.tensor([[30.0, 55.0], [45.0, 60.0], [70.0, 120.0]])
    labels = {"jets": {"mass": truth[:, 0], "energy": truth[:, 1]}}
    jets = Batch(torch.arange(3), {"jets": torch.stack([PT, PT], -1)}, labels=labels)
    means = torch.stack([target.scaled(jets) for target in task.targets], -1)
    raw = torch.tensor([0.0, 2.0]).expand(3, 2)
    said = {output.field: value for output, value in task.predict(torch.cat([means, raw], -1), jets).items()}
    assert list(said) == ["mass", "mass_stddev", "energy", "energy_stddev"]
    for column, name in enumerate(("mass", "energy")):
        torch.testing.assert_close(said[name], truth[:, column])
        expected = sigma_of(raw[:, column]) * unit(truth[:, column], column)
        torch.testing.assert_close(said[f"{name}_stddev"], expected)
    assert {output.kind for output in task.outputs} == {"value", "sigma"}
    assert {output.unit for output in task.outputs} == {"GeV"}


def test_the_likelihood_is_best_at_the_true_mean_and_width():
    torch.manual_seed(0)
    task = build(label="mass", scale="standardise")
    truth = 50 + 20 * (0.4 + 0.3 * torch.randn(20000))
    jets = Batch(torch.arange(20000), {"jets": torch.ones(20000, 2)}, labels={"jets": {"mass": truth}})
    raw = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        task.loss(raw.expand(20000, 2), jets).backward()
        optimiser.step()
    mean, width = (value[0] for value in task.predict(raw.detach().expand(20000, 2), jets).values())
    torch.testing.assert_close(mean, truth.mean(), rtol=1e-3, atol=0)
    torch.testing.assert_close(width, truth.std(), rtol=1e-2, atol=0)


@pytest.mark.parametrize("size", [-1e4, 1e4])
def test_extreme_logits_give_finite_losses_and_gradients(size):
    values = torch.full((3, 4), size, requires_grad=True)
    loss = build().loss(values, batch())
    loss.backward()
    assert loss.isfinite()
    assert values.grad.isfinite().all()
