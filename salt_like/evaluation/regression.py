"""How good predicted values are: bias, resolution and pulls."""

from __future__ import annotations

import numpy as np

from salt_like.evaluation.metric import Metric
from salt_like.evaluation.statistics import ONE_SIGMA, Floats, effective_entries, mean_and_error, quantiles


def regress(
    values: Floats,
    targets: Floats,
    sigmas: Floats | None = None,
    constant: float | None = None,
    unit: str = "",
    weights: Floats | None = None,
) -> list[Metric]:
    """Metrics of a regression; entries without a target (NaN) are left out.

    Args:
        values: Predictions in the target's unit, ``(n,)``.
        targets: ``(n,)``.
        sigmas: Predicted standard deviations, ``(n,)``, for the pulls ``(value - target) / sigma``.
        constant: The prediction that knows nothing (the training mean); this sample's mean where there is none.
        unit: Unit of the target.
        weights: ``(n,)``, ``None`` for 1; may be negative, but there are no metrics unless their sum is positive.
    """
    used = np.isfinite(targets)
    values, targets = values[used].astype(np.float64), targets[used].astype(np.float64)
    entries = _Weighted(np.ones(len(targets)) if weights is None else weights[used].astype(np.float64))
    if not entries.weights.sum() > 0:
        return []
    guess = entries.mean(targets)[0] if constant is None else constant
    difference, trivial = values - targets, guess - targets
    name = "training mean" if constant is not None else "mean"
    metrics = [
        Metric("bias", *entries.mean(difference), entries.mean(trivial)[0], name, unit),
        Metric("RMS", *entries.rms(difference), entries.rms(trivial)[0], name, unit),
        Metric("half central 68 %", *entries.half_width(difference), entries.half_width(trivial)[0], name, unit),
    ]
    if (targets > 0).all():
        ratio, flat = values / targets, guess / targets
        metrics.append(Metric("median of value/target", *entries.median(ratio), entries.median(flat)[0], name))
        width = "half central 68 % of value/target"
        metrics.append(Metric(width, *entries.half_width(ratio), entries.half_width(flat)[0], name))
    if sigmas is not None:
        widths = sigmas[used].astype(np.float64)
        pulls = difference / widths
        metrics.append(Metric("pull mean", *entries.mean(pulls), 0.0, "ideal"))
        metrics.append(Metric("pull width (half central 68 %)", *entries.half_width(pulls), 1.0, "ideal"))
        likelihood = entries.mean(negative_log_likelihood(difference, widths))
        known = entries.rms(trivial)[0]
        constant_one = entries.mean(negative_log_likelihood(trivial, np.full(len(trivial), known)))[0]
        metrics.append(Metric("negative log-likelihood", *likelihood, constant_one, name))
    return metrics


def negative_log_likelihood(difference: Floats, sigmas: Floats) -> Floats:
    """``ln(sqrt(2 pi) sigma) + (difference / sigma)^2 / 2`` of a normal distribution, in the unit of the label.

    Args:
        difference: Value minus target, ``(n,)``.
        sigmas: Standard deviations, ``(n,)``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.log(sigmas) + np.log(2 * np.pi) / 2 + np.square(difference / sigmas) / 2
    return found


class _Weighted:
    """Statistics of values with these weights, each with its error.

    Args:
        weights: ``(n,)`` with a positive sum.
    """

    def __init__(self, weights: Floats) -> None:
        self.weights = weights
        self.entries = effective_entries(weights)

    def mean(self, values: Floats) -> tuple[float, float]:
        return mean_and_error(values, self.weights)

    def rms(self, values: Floats) -> tuple[float, float]:
        squares, error = self.mean(np.square(values))
        if squares < 0:  # by negative weights
            return float("nan"), float("nan")
        rms = float(np.sqrt(squares))
        return rms, error / (2 * rms) if rms > 0 else 0.0

    def half_width(self, values: Floats) -> tuple[float, float]:
        """Half the width of the central 68.3 % interval, with the error of its two quantiles from order statistics."""
        tail = (1 - ONE_SIGMA) / 2
        return self._combined(values, {1 - tail: 0.5, tail: -0.5})

    def median(self, values: Floats) -> tuple[float, float]:
        return self._combined(values, {0.5: 1.0})

    def _combined(self, values: Floats, factors: dict[float, float]) -> tuple[float, float]:
        """A sum of quantiles times factors; half the change when a quantile moves by one deviation of its rank.

        The covariance of two quantiles' ranks p < q is p (1 - q) / n, n the effective number of entries.
        """
        levels = np.array(list(factors))
        spread = np.sqrt(levels * (1 - levels) / self.entries)
        wanted = np.concatenate([levels, np.clip(levels - spread, 0, 1), np.clip(levels + spread, 0, 1)])
        middle, low, high = quantiles(values, wanted, self.weights).reshape(3, -1)
        factor = np.array(list(factors.values()))
        slopes = factor * (high - low) / (2 * spread)
        covariance = np.minimum.outer(levels, levels) * (1 - np.maximum.outer(levels, levels)) / self.entries
        return float(middle @ factor), float(np.sqrt(slopes @ covariance @ slopes))
