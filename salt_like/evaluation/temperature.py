"""Temperature scaling of likelihood ratios (Guo et al., ICML 2017, arXiv:1706.04599).

A temperature T divides the logarithms of the likelihood ratios, ``p(c|x) ∝ π_c exp((ln p_c - ln π_c) / T)``, so that
it does not matter whether probabilities are first scaled or first transferred to other class fractions π.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from salt_like.evaluation.statistics import Floats

COLDEST, HOTTEST = 0.01, 100.0
ROWS = 200_000  # computed at once


class NoTemperatureError(ValueError):
    """No temperature is the best one: the rows do not tell it."""


@dataclass(frozen=True)
class Temperature:
    """The temperature with the smallest cross-entropy.

    Args:
        value: The temperature.
        error: One standard deviation of it, events taken as independent.
        before: Mean cross-entropy at temperature 1.
        after: Mean cross-entropy at the best one.
    """

    value: float
    error: float
    before: float
    after: float

    @property
    def differs(self) -> bool:
        """Whether its 95 % interval leaves out 1."""
        return abs(self.value - 1) > 1.96 * self.error


def scaled(ratios: Floats, prior: Sequence[float], temperature: float = 1.0) -> Floats:
    """Probabilities from logarithms of likelihood ratios.

    Args:
        ratios: ``ln p_c - ln π_c`` up to a constant of each row, ``(n, C)``.
        prior: Class fractions for which the probabilities shall hold, ``(C,)``; 0 for a class that is left out.
        temperature: The temperature.

    Returns:
        ``(n, C)``; each row sums to 1.
    """
    return np.exp(_log_probabilities(ratios, prior, 1 / temperature))


def fit_temperature(
    ratios: Floats, labels: NDArray[np.integer], prior: Sequence[float], weights: Floats, events: NDArray[np.integer]
) -> Temperature:
    """The temperature with the smallest weighted cross-entropy.

    In 1/T it is convex, so there is one minimum. The error is that of an estimating equation, with the sums of the
    derivative over events as independent terms: jets and constituents of one event may depend on each other.

    Args:
        ratios: ``ln p_c - ln π_c`` up to a constant of each row, ``(n, C)``.
        labels: ``(n,)``, all of classes with a fraction.
        prior: Class fractions of these rows, ``(C,)``.
        weights: ``(n,)``.
        events: Number of the event of each row, ``(n,)``, from 0.

    Raises:
        NoTemperatureError: There is no minimum between T = 0.01 and 100.
    """

    def slope(inverse: float) -> float:
        return sum(float((one.weights * one.residual).sum()) for one in _parts(ratios, labels, prior, weights, inverse))

    ends = slope(1 / HOTTEST), slope(1 / COLDEST)
    if not ends[0] < 0 < ends[1]:
        raise NoTemperatureError(
            "the probabilities are never wrong: they could be as sharp as one likes"
            if ends[1] <= 0
            else "the probabilities tell less than the class fractions alone: no temperature mends that"
        )
    best = float(brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-9, rtol=1e-9))
    score, curvature, sums = np.zeros(int(events.max()) + 1), 0.0, np.zeros(2)
    start = 0
    for one in _parts(ratios, labels, prior, weights, best):
        stop = start + len(one.weights)
        score += np.bincount(events[start:stop], one.weights * one.residual, len(score))
        curvature += float((one.weights * one.variance).sum())
        sums += float((one.weights * one.loss).sum()), float(one.weights.sum())
        start = stop
    error = float(np.sqrt(np.square(score).sum())) / curvature if curvature > 0 else float("nan")
    before = sum(float((one.weights * one.loss).sum()) for one in _parts(ratios, labels, prior, weights, 1.0))
    return Temperature(1 / best, error / best**2, before / float(sums[1]), float(sums[0] / sums[1]))


@dataclass(frozen=True)
class _Part:
    """Of some rows the loss, its first and second derivative in 1/T, and the weights; all ``(n,)``."""

    loss: Floats
    residual: Floats
    variance: Floats
    weights: Floats


def _parts(
    ratios: Floats, labels: NDArray[np.integer], prior: Sequence[float], weights: Floats, inverse: float
) -> Iterator[_Part]:
    for start in range(0, len(ratios), ROWS):
        piece = slice(start, start + ROWS)
        rows, truth = ratios[piece].astype(np.float64), labels[piece].astype(np.int64)[:, None]
        logs = _log_probabilities(rows, prior, inverse)
        shares = np.exp(logs)
        centred = rows - (shares * np.where(shares > 0, rows, 0)).sum(1, keepdims=True)
        residual = -np.take_along_axis(centred, truth, 1)[:, 0]
        variance = (shares * np.where(shares > 0, centred, 0) ** 2).sum(1)
        yield _Part(-np.take_along_axis(logs, truth, 1)[:, 0], residual, variance, weights[piece])


def _log_probabilities(ratios: Floats, prior: Sequence[float], inverse: float) -> Floats:
    with np.errstate(divide="ignore"):  # a class of fraction 0 has probability 0
        offset = np.log(np.asarray(prior, np.float64))
    values = np.where(np.isfinite(offset), ratios, 0) * inverse + offset
    values = values - values.max(1, keepdims=True)
    result: Floats = values - np.log(np.exp(values).sum(1, keepdims=True))
    return result
