"""Weighted sums of a file read once, and what follows from them with a statistical error.

Every sum is kept for `GROUPS` groups of whole events. The error of whatever is computed from the sums, a share, a mean,
a median, a width or an AUC, is that of leaving out one group after the other (delete-one-group jackknife): weights and
the correlation of tracks of one jet and of jets of one event are in it. A share has at least its binomial error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.statistics import binomial_error, jackknife

Floats: TypeAlias = NDArray[np.floating]
Integers: TypeAlias = NDArray[np.int64]
Index: TypeAlias = "int | slice"

GROUPS = 32
FEWEST_GROUPS = 8  # with fewer of them filled there is no error
ALL = slice(None)
LOWER, UPPER = 0.15865525393145707, 0.8413447460685429  # one standard deviation of a normal distribution


@dataclass(frozen=True)
class Estimate:
    """A number from the file.

    Args:
        value: The number, NaN where nothing was seen.
        error: Its standard error, NaN where it is unknown.
        entries: Number of unweighted entries of the same precision.
    """

    value: float
    error: float
    entries: float


@dataclass(frozen=True)
class At:
    """Where entries count, and how much.

    Args:
        group: Group of events of each entry, (n,).
        weight: Weight of each entry, (n,).
    """

    group: Integers
    weight: Floats

    def __getitem__(self, chosen: NDArray[np.bool_] | Integers) -> At:
        """Some of the entries."""
        return At(self.group[chosen], self.weight[chosen])


class Counts:
    """Weighted numbers of entries in categories.

    Args:
        shape: Number of categories along each axis.
    """

    def __init__(self, *shape: int) -> None:
        self.sums = np.zeros((GROUPS, *shape))
        self.squares = np.zeros(shape)

    def fill(self, at: At, *index: Integers) -> None:
        """Add entries; those outside the categories are left out.

        Args:
            at: Groups and weights, (n,).
            index: Category along each axis, (n,).
        """
        inside = np.ones(len(at.group), bool)
        for one, size in zip(index, self.squares.shape, strict=True):
            inside &= (one >= 0) & (one < size)
        kept = tuple(one[inside] for one in index)
        group, weight = at.group[inside], at.weight[inside]
        flat = np.ravel_multi_index((group, *kept), self.sums.shape)
        self.sums += np.bincount(flat, weight, self.sums.size).reshape(self.sums.shape)
        flat = np.ravel_multi_index(kept, self.squares.shape)
        self.squares += np.bincount(flat, weight**2, self.squares.size).reshape(self.squares.shape)

    def content(self, *index: Index) -> Floats:
        """Sums of a choice of categories by group, the last axis kept where it is not chosen from, (GROUPS, ...)."""
        return np.asarray(self.sums[(ALL, *index)])

    def total(self, *index: Index) -> float:
        """Sum of the weights of a choice of categories."""
        return float(self.content(*index).sum())

    def effective(self, *index: Index) -> float:
        """Number of unweighted entries of the same relative precision in a choice of categories."""
        squares = float(np.sum(self.squares[index]))
        return self.total(*index) ** 2 / squares if squares > 0 else 0.0

    def share(self, part: tuple[Index, ...], whole: tuple[Index, ...]) -> Estimate:
        """Share of a choice of categories in another one that contains it."""
        pair = np.stack([self.content(*one).reshape(GROUPS, -1).sum(1) for one in (part, whole)], 1)
        return share_of(pair, self.effective(*whole))


class Distribution:
    """Histograms and moments of a quantity in categories.

    Args:
        edges: Edges of the bins, rising, (B + 1,).
        shape: Number of categories along each axis.
    """

    def __init__(self, edges: Floats, *shape: int) -> None:
        self.edges = np.asarray(edges, np.float64)
        self.bins = Counts(*shape, len(self.edges) + 1)  # with underflow and overflow
        self.moments = np.zeros((GROUPS, *shape, 3))

    def fill(self, at: At, values: Floats, *index: Integers) -> None:
        """Add entries; those that are not finite or outside the categories are left out.

        Args:
            at: Groups and weights, (n,).
            values: The quantity, (n,).
            index: Category along each axis, (n,).
        """
        shape = self.moments.shape[1:-1]
        chosen = np.isfinite(values)
        for one, size in zip(index, shape, strict=True):
            chosen &= (one >= 0) & (one < size)
        at, values, index = at[chosen], values[chosen], tuple(one[chosen] for one in index)
        self.bins.fill(at, *index, np.searchsorted(self.edges, values, side="right"))
        flat = np.ravel_multi_index((at.group, *index), (GROUPS, *shape))
        for power in range(3):
            added = np.bincount(flat, at.weight * values**power, int(np.prod((GROUPS, *shape))))
            self.moments[..., power] += added.reshape(GROUPS, *shape)

    def of(self, *index: Index) -> View:
        """The distribution in a choice of categories, added where there are several."""
        bins = self.bins.content(*index, ALL).reshape(GROUPS, -1, len(self.edges) + 1).sum(1)
        moments = self.moments[(ALL, *index)].reshape(GROUPS, -1, 3).sum(1)
        return View(self.edges, bins, moments, self.bins.effective(*index, ALL))


@dataclass(frozen=True)
class View:
    """A distribution by groups of events.

    Args:
        edges: Edges of the bins, (B + 1,).
        bins: Content of the bins with underflow first and overflow last, (GROUPS, B + 2).
        moments: Sums of weight times value to the powers 0, 1 and 2, (GROUPS, 3).
        entries: Effective number of entries.
    """

    edges: Floats
    bins: Floats
    moments: Floats
    entries: float

    def mean(self) -> Estimate:
        """Mean of all entries, not only of those within the bins."""
        return estimate(self.moments, lambda sums: ratio(sums[1], sums[0]), self.entries)

    def spread(self) -> Estimate:
        """Standard deviation of all entries."""
        return estimate(self.moments, lambda sums: np.sqrt(max(_variance(sums), 0.0)), self.entries)

    def exponential(self) -> Estimate:
        """``<x^2> / (2 <x>^2)``, which is 1 for an exponential distribution."""
        return estimate(self.moments, lambda sums: ratio(sums[2] * sums[0], 2 * sums[1] ** 2), self.entries)

    def quantile(self, probability: float) -> Estimate:
        """The value below which this share of the entries lies."""
        return estimate(self.bins, lambda bins: quantile(bins, self.edges, probability), self.entries)

    def median(self) -> Estimate:
        """The value below which half of the entries lie."""
        return self.quantile(0.5)

    def width(self, relative: bool = False) -> Estimate:
        """Half of the range of the central 68 %, the standard deviation of the core, blind to tails.

        Args:
            relative: In units of the median.
        """
        return estimate(self.bins, lambda bins: _width(bins, self.edges, relative), self.entries)

    def share(self, low: float, high: float = np.inf) -> Estimate:
        """Share of the entries from `low` to `high`, both edges of bins."""
        first, last = np.searchsorted(self.edges, [low, high]) + 1
        chosen = self.bins[:, first:] if np.isinf(high) else self.bins[:, first:last]
        return share_of(np.stack([chosen.sum(1), self.bins.sum(1)], 1), self.entries)

    def share_beyond(self, limit: float) -> Estimate:
        """Share of the entries below minus or above plus an edge of bins."""
        low, high = np.searchsorted(self.edges, [-limit, limit]) + 1
        outer = self.bins[:, :low].sum(1) + self.bins[:, high:].sum(1)
        return share_of(np.stack([outer, self.bins.sum(1)], 1), self.entries)

    def density(self) -> tuple[Floats, Floats]:
        """Share of the entries per unit in each bin and its error (independent entries), (B,) each."""
        total, widths = self.bins.sum(), np.diff(self.edges)
        shares = self.bins.sum(0)[1:-1] / total if total > 0 else np.zeros(len(widths))
        errors = np.sqrt(np.clip(shares * (1 - shares), 0, None) / max(self.entries, 1.0))
        return shares / widths, errors / widths


def estimate(groups: Floats, statistic: Callable[[Floats], float], entries: float) -> Estimate:
    """A function of sums with its error from leaving out one group of events after the other.

    Args:
        groups: Sums of each group, (GROUPS, ...).
        statistic: From sums ``(...)`` to a number, NaN where there is none.
        entries: Effective number of entries.
    """
    filled = int((np.abs(groups.reshape(len(groups), -1)).sum(1) > 0).sum())
    value, error = jackknife(groups, lambda sums: float(statistic(sums)))
    return Estimate(value, error if filled >= FEWEST_GROUPS else float("nan"), entries)


def share_of(pair: Floats, entries: float) -> Estimate:
    """A share with the larger of its jackknife and its binomial error.

    Args:
        pair: Sums of the part and of the whole by group, (GROUPS, 2).
        entries: Effective number of entries of the whole.
    """
    found = estimate(pair, lambda sums: ratio(sums[0], sums[1]), entries)
    smoothed = (min(max(found.value, 0.0), 1.0) * entries + 0.5) / (entries + 1) if entries > 0 else float("nan")
    return Estimate(found.value, float(np.fmax(found.error, binomial_error(smoothed, entries))), entries)


def auc(signal: View, background: View) -> Estimate:
    """Probability that an entry of the first exceeds one of the second; ties within a bin count half."""
    pair = np.stack([signal.bins, background.bins], 1)
    return estimate(pair, lambda bins: _auc(bins[0], bins[1]), min(signal.entries, background.entries))


def quantile(bins: Floats, edges: Floats, probability: float) -> float:
    """Quantile of a histogram with underflow and overflow, linear within a bin; NaN for an empty one.

    Args:
        bins: Content, (B + 2,).
        edges: Edges, (B + 1,).
        probability: Between 0 and 1.
    """
    below = np.maximum.accumulate(np.cumsum(bins))  # negative weights must not make it fall
    if below[-1] <= 0:
        return float("nan")
    return float(np.interp(probability * below[-1], below[:-1], edges))


def ratio(part: float, whole: float) -> float:
    """A quotient that is NaN without a denominator."""
    return float(part / whole) if whole != 0 else float("nan")


def _variance(sums: Floats) -> float:
    mean = ratio(sums[1], sums[0])
    return ratio(sums[2], sums[0]) - mean**2


def _width(bins: Floats, edges: Floats, relative: bool) -> float:
    half = (quantile(bins, edges, UPPER) - quantile(bins, edges, LOWER)) / 2
    return ratio(half, quantile(bins, edges, 0.5)) if relative else half


def _auc(signal: Floats, background: Floats) -> float:
    below = np.cumsum(background) - background / 2
    return ratio(float((signal * below).sum()), float(signal.sum() * background.sum()))
