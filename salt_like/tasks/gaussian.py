"""Regression with an uncertainty for every row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.spec import Label, Output
from salt_like.tasks.base import at_least_float
from salt_like.tasks.metrics import PullMean, PullWidth
from salt_like.tasks.regression import RealTask
from salt_like.tasks.targets import Target, logit_of, sigma_of


class GaussianRegression(RealTask):
    """Predicts mean and standard deviation of one or more real numbers (Nix & Weigend, ICNN 1994).

    The loss is the negative log-likelihood ``(t - mean)^2 / (2 sigma^2) + ln sigma + ln(2 pi) / 2`` on the target's
    scale, averaged over all pairs of row and target that are there. The logits are ``(..., 2 K)``: first the K means,
    then the K widths. Predictions are ``<label>`` and ``<label>_stddev`` in the label's unit: ``factor |d| sigma`` for
    a linear scale with factor and denominator d, and ``y sigma`` for a logarithmic one (see `Target.sigma`).

    Takes the arguments of `RealTask`.

    Raises:
        ValueError: Scale, denominator and labels do not fit together, or a logarithm does not exist.
    """

    nonnegative = False
    averaged = "values with widths"
    values = 2

    def _said(self, label: Label) -> tuple[Output, ...]:
        return (*super()._said(label), Output(self.stream, f"{label.name}_stddev", "sigma", label.unit))

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        mean, sigma = _mean_and_sigma(logits)
        return 0.5 * ((targets - mean) / sigma).square() + sigma.log() + 0.5 * math.log(2 * math.pi)

    def predict(self, logits: Tensor, batch: Batch) -> dict[Output, Tensor]:
        means, sigmas = _mean_and_sigma(at_least_float(logits))
        values = []
        for column, target in enumerate(self.targets):
            mean, sigma = means[..., column], sigmas[..., column]
            values += [target.physical(mean, batch), target.sigma(mean, sigma, batch)]
        return dict(zip(self.outputs, values, strict=True))

    def aligned(self, logits: Tensor, other: Any) -> Tensor:
        """On the scales of this task."""
        means, sigmas = _mean_and_sigma(at_least_float(logits))
        moved = [mine.rescaled(means[..., k], theirs) for k, (mine, theirs) in enumerate(self._beside(other))]
        wider = [sigmas[..., k] * mine.stretch(theirs) for k, (mine, theirs) in enumerate(self._beside(other))]
        return _logits(torch.stack(moved, -1), torch.stack(wider, -1))

    def mean(self, logits: Sequence[Tensor]) -> Tensor:
        """Mean and width of the mixture of the Gaussians, in the labels' units (arXiv:1612.01474)."""
        split = [_mean_and_sigma(one) for one in logits]
        found = [
            target.mixture([mean[..., k] for mean, _ in split], [sigma[..., k] for _, sigma in split])
            for k, target in enumerate(self.targets)
        ]
        means, sigmas = (torch.stack(list(some), -1) for some in zip(*found, strict=True))
        return _logits(means, sigmas)

    def _beside(self, other: Any) -> list[tuple[Target, Target]]:
        """Targets of this task and of another tagger's."""
        return list(zip(self.targets, other.targets, strict=True))

    def metrics(self) -> dict[str, Metric]:
        found = super().metrics()
        for column, target in enumerate(self.targets):
            suffix = "" if len(self.targets) == 1 else f"_{target.label.name}"
            found[f"pull_mean{suffix}"] = PullMean(target, column, len(self.targets) + column)
            found[f"pull_width{suffix}"] = PullWidth(target, column, len(self.targets) + column)
        return found


def _mean_and_sigma(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Two blocks ``(..., 2, K)``, never interleaved."""
    mean, raw = torch.unflatten(logits, -1, (2, logits.shape[-1] // 2)).unbind(-2)
    return mean, sigma_of(raw)


def _logits(means: Tensor, sigmas: Tensor) -> Tensor:
    """The inverse of `_mean_and_sigma`."""
    return torch.cat([means, logit_of(sigmas)], -1)
