"""How good predicted values are: bias, resolution and pulls."""

from __future__ import annotations

import numpy as np

from salt_like.evaluation.metric import Metric
from salt_like.evaluation.statistics import ONE_SIGMA, Floats, mean_and_error


def regress(
    values: Floats, targets: Floats, sigmas: Floats | None = None, constant: float | None = None, unit: str = ""
) -> list[Metric]:
    """Metrics of a regression; entries without a target (NaN) are left out.

    Args:
        values: Predictions in the target's unit, ``(n,)``.
        targets: ``(n,)``.
        sigmas: Predicted standard deviations, ``(n,)``, for the pulls ``(value - target) / sigma``.
        constant: The prediction that knows nothing (the training mean); this sample's mean where there is none.
        unit: Unit of the target.
    """
    used = np.isfinite(targets)
    values, targets = values[used].astype(np.float64), targets[used].astype(np.float64)
    if len(targets) == 0:
        return []
    guess = float(targets.mean()) if constant is None else constant
    difference, trivial = values - targets, guess - targets
    name = "training mean" if constant is not None else "mean"
    bias, error = mean_and_error(difference)
    metrics = [
        Metric("bias", bias, error, float(trivial.mean()), name, unit),
        Metric("RMS", *_rms(difference), _rms(trivial)[0], name, unit),
        Metric("half central 68 %", *_half_width(difference), _half_width(trivial)[0], name, unit),
    ]
    if (targets > 0).all():
        ratio, flat = values / targets, guess / targets
        metrics.append(Metric("median of value/target", *_median(ratio), float(np.median(flat)), name))
        metrics.append(Metric("half central 68 % of value/target", *_half_width(ratio), _half_width(flat)[0], name))
    if sigmas is not None:
        pulls = difference / sigmas[used]
        metrics.append(Metric("pull mean", *mean_and_error(pulls), 0.0, "ideal"))
        metrics.append(Metric("pull width (half central 68 %)", *_half_width(pulls), 1.0, "ideal"))
    return metrics


def _rms(values: Floats) -> tuple[float, float]:
    squares, error = mean_and_error(np.square(values))
    rms = float(np.sqrt(squares))
    return rms, error / (2 * rms) if rms > 0 else 0.0


def _half_width(values: Floats) -> tuple[float, float]:
    """Half the width of the central 68.3 % interval, with the error of its two quantiles from order statistics."""
    tail = (1 - ONE_SIGMA) / 2
    return _combined(values, {1 - tail: 0.5, tail: -0.5})


def _median(values: Floats) -> tuple[float, float]:
    return _combined(values, {0.5: 1.0})


def _combined(values: Floats, factors: dict[float, float]) -> tuple[float, float]:
    """A sum of quantiles times factors; half the change when a quantile moves by one deviation of its rank.

    The covariance of two quantiles' ranks p < q is p (1 - q) / n.
    """
    n, levels = len(values), np.array(list(factors))
    spread = np.sqrt(levels * (1 - levels) / n)
    wanted = np.concatenate([levels, np.clip(levels - spread, 0, 1), np.clip(levels + spread, 0, 1)])
    middle, low, high = np.quantile(values, wanted).reshape(3, -1)
    factor = np.array(list(factors.values()))
    slopes = factor * (high - low) / (2 * spread)
    covariance = np.minimum.outer(levels, levels) * (1 - np.maximum.outer(levels, levels)) / n
    return float(middle @ factor), float(np.sqrt(slopes @ covariance @ slopes))
