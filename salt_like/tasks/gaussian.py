"""Regression with an uncertainty for every row."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.spec import DataSpec, Output
from salt_like.tasks.metrics import PullMean, PullWidth
from salt_like.tasks.regression import RealTask
from salt_like.tasks.targets import Scale, sigma_of


class GaussianRegression(RealTask):
    """Predicts mean and standard deviation of one or more real numbers (Nix & Weigend, ICNN 1994).

    The loss is the negative log-likelihood ``(t - mean)^2 / (2 sigma^2) + ln sigma + ln(2 pi) / 2`` on the target's
    scale, averaged over all pairs of row and target that are there. The logits are ``(..., 2 K)``: first the K means,
    then the K widths. Predictions are ``<label>`` and ``<label>_stddev`` in the label's unit: ``factor |d| sigma`` for
    a linear scale with factor and denominator d, and ``y sigma`` for a logarithmic one (see `Target.sigma`).

    Args:
        spec: Description of the data.
        token_dim: Width of the tokens.
        pooled_dim: Width of the pooled vector.
        stream: Stream whose rows have the targets; the global one for jets.
        label: Field or fields with the targets.
        weight: Weight of the loss in the sum over tasks.
        scale: Scale on which the network works: ``"none"`` for the label's own, ``"standardise"``, ``"log"`` for the
            logarithm of the label over its mean, or ``"ratio"`` for the label over the `denominator`.
        denominator: Input variable of the stream, in the label's unit, for each target or one for all.
        where: Expression on the stream's fields; rows that do not fulfil it have no target.
        hidden: Widths of the head's hidden layers; ``None`` for one as wide as its input token or vector.
        activation: Activation of the head's hidden layers.
        dropout: Probability of dropping a hidden value of the head.
        context: Give each constituent its jet's pooled vector too.

    Raises:
        ValueError: Scale, denominator and labels do not fit together, or a logarithm does not exist.
    """

    nonnegative = False

    def __init__(
        self,
        spec: DataSpec,
        token_dim: int,
        pooled_dim: int,
        *,
        stream: str,
        label: str | list[str],
        weight: float = 1.0,
        scale: Scale = "standardise",
        denominator: str | list[str] | None = None,
        where: str | None = None,
        hidden: list[int] | None = None,
        activation: str = "SiLU",
        dropout: float = 0.0,
        context: bool = True,
    ) -> None:
        super().__init__(
            spec,
            token_dim,
            pooled_dim,
            stream=stream,
            label=label,
            weight=weight,
            scale=scale,
            denominator=denominator,
            where=where,
            values=2,
            hidden=hidden,
            activation=activation,
            dropout=dropout,
            context=context,
        )
        self.outputs = tuple(
            output
            for value in self.outputs
            for output in (value, Output(stream, f"{value.field}_stddev", "sigma", value.unit))
        )

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        mean, sigma = _mean_and_sigma(logits)
        return 0.5 * ((targets - mean) / sigma).square() + sigma.log() + 0.5 * math.log(2 * math.pi)

    def predict(self, logits: Tensor, batch: Batch) -> dict[Output, Tensor]:
        means, sigmas = _mean_and_sigma(logits.float())
        values = []
        for column, target in enumerate(self.targets):
            mean, sigma = means[..., column], sigmas[..., column]
            values += [target.physical(mean, batch), target.sigma(mean, sigma, batch)]
        return dict(zip(self.outputs, values, strict=True))

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
