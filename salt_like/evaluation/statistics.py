"""Errors on efficiencies, means and ratios; effective numbers of weighted entries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

Floats = NDArray[np.floating]

ONE_SIGMA = 0.6826894921370859  # probability within one standard deviation of a normal distribution


def effective_entries(weights: Floats) -> float:
    """Number of unweighted entries of the same relative precision, ``(sum w)^2 / sum w^2``; 0 for no entries."""
    squares = float(np.square(weights, dtype=np.float64).sum())
    return float(weights.sum(dtype=np.float64)) ** 2 / squares if squares > 0 else 0.0


def clopper_pearson(passing: float, total: float, level: float = ONE_SIGMA) -> tuple[float, float]:
    """Central interval of an efficiency (Clopper and Pearson, Biometrika 26 (1934) 404).

    Args:
        passing: Number that pass; need not be whole, for effective numbers of weighted entries.
        total: Number tried.
        level: Probability that the interval covers, at least.
    """
    if total <= 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    passing = min(max(passing, 0.0), total)
    low = 0.0 if passing <= 0 else float(betaincinv(passing, total - passing + 1, tail))
    high = 1.0 if passing >= total else float(betaincinv(passing + 1, total - passing, 1 - tail))
    return low, high


def upper_limit(passing: float, total: float, level: float = 0.95) -> float:
    """Largest efficiency that leaves a probability of ``1 - level`` to see so few passing."""
    if total <= 0 or passing >= total:
        return 1.0
    return float(betaincinv(max(passing, 0.0) + 1, total - max(passing, 0.0), level))


def binomial_error(efficiency: float, entries: float) -> float:
    """Standard deviation of an efficiency measured on so many (effective) entries.

    NaN for no entries, and for an efficiency outside [0, 1], which negative weights can make.
    """
    possible = entries > 0 and 0 <= efficiency <= 1
    return float(np.sqrt(efficiency * (1 - efficiency) / entries)) if possible else float("nan")


def ratio(sums: Floats) -> float:
    """The first of two sums over the second, NaN where the second is not positive."""
    return float(sums[0] / sums[1]) if sums[1] > 0 else float("nan")


def mean_and_error(values: Floats, weights: Floats | None = None) -> tuple[float, float]:
    """Weighted mean and its standard error; NaN where there are too few entries.

    Args:
        values: ``(n,)``.
        weights: ``(n,)``, ``None`` for 1; may be negative, but there is no mean unless their sum is positive.
    """
    weights = np.ones(len(values)) if weights is None else weights.astype(np.float64)
    total = weights.sum()
    if not total > 0:
        return float("nan"), float("nan")
    mean = float((weights * values).sum() / total)
    entries = effective_entries(weights)
    if entries <= 1:
        return mean, float("nan")
    spread = float(np.square(weights * (values - mean)).sum() / total**2)
    return mean, float(np.sqrt(spread * entries / (entries - 1)))


def quantiles(values: Floats, levels: Floats, weights: Floats) -> Floats:
    """Quantiles of weighted entries, linear between the entries.

    An entry stands in the middle of its own weight (for equal weights: Hazen's quantiles, ``(i - 1/2) / n``). Negative
    weights lower the distribution behind them; it is made to rise again by its running maximum.

    Args:
        values: ``(n,)``, at least one of weight other than 0.
        levels: Probabilities, ``(k,)``.
        weights: ``(n,)`` with a positive sum.

    Returns:
        ``(k,)``.
    """
    order = np.argsort(values, kind="stable")
    order = order[weights[order] != 0]
    sorted_weights = weights[order]
    below = np.maximum.accumulate(np.cumsum(sorted_weights) - sorted_weights / 2) / weights.sum()
    found: Floats = np.interp(levels, below, values[order])
    return found


def jackknife(groups: Floats, statistic: Callable[[Floats], float]) -> tuple[float, float]:
    """A function of sums, with the error from leaving out one group after the other.

    Entries of the same jet or event belong to the same group, so that their correlation is in the error.

    Args:
        groups: Sums of each group, ``(G, ...)``; groups without any entry are left out.
        statistic: From sums ``(...)`` to a number.

    Returns:
        The statistic of the total, and its error (NaN with fewer than two groups).
    """
    filled = groups[np.abs(groups.reshape(len(groups), -1)).sum(1) > 0]
    total = groups.sum(0)
    value, number = statistic(total), len(filled)
    if number < 2:
        return value, float("nan")
    left_out = np.array([statistic(total - group) for group in filled])
    left_out = left_out[np.isfinite(left_out)]
    return value, float(np.sqrt((number - 1) * left_out.var())) if len(left_out) == number else float("nan")
