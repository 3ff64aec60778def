"""Paired bootstrap over events: how much a difference between two taggers on the same jets could be chance.

Each resample gives every event a Poisson number of copies (Efron, Ann. Statist. 7 (1979) 1; with Poisson numbers,
Hanley and MacGibbon, Comput. Methods Programs Biomed. 83 (2006) 57), and all its jets with it. Both taggers see the
same resamples, so that what they have in common cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.statistics import ONE_SIGMA, Floats

ELEMENTS = 2_000_000  # weights that are in memory at once
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Interval:
    """A number and the intervals that hold 68 % and 95 % of its resamples.

    Args:
        value: On the jets as they are.
        low68: 15.9 % quantile of the resamples.
        high68: 84.1 % quantile.
        low95: 2.5 % quantile.
        high95: 97.5 % quantile.
    """

    value: float
    low68: float
    high68: float
    low95: float
    high95: float


def interval(value: float, resamples: Floats) -> Interval:
    """Central intervals of resampled values; NaN where none of them is defined.

    Args:
        value: On the jets as they are.
        resamples: ``(R,)``; may be infinite, and NaN is left out.
    """
    known = resamples[~np.isnan(resamples)]
    tail = (1 - ONE_SIGMA) / 2
    levels = (tail, 1 - tail, 0.025, 0.975)
    if len(known) == 0:
        return Interval(value, *[float("nan")] * 4)
    # values that occur: between an infinite and a finite one nothing can be interpolated
    low, high, lower, upper = np.quantile(known, levels, method="inverted_cdf")
    return Interval(value, float(low), float(high), float(lower), float(upper))


@dataclass(frozen=True)
class Draws:
    """Some resamples of the events.

    Args:
        copies: How often each event is in each of them, ``(r, E)``.
        event: Event of each jet, ``(n,)``.
        own: Weight of each jet, ``(n,)``; ``None`` for 1.
    """

    copies: Floats
    event: NDArray[np.intp]
    own: Floats | None = None

    @cached_property
    def jets(self) -> Floats:
        """Weights of all jets, ``(r, n)``."""
        found: Floats = self.copies[:, self.event]
        return found if self.own is None else found * self.own


class EventResamples:
    """Resamples of events.

    Args:
        events: Number of the event of each jet, ``(n,)``.
        weights: Weight of each jet, ``(n,)``; ``None`` for 1.
        number: How many resamples.
        seed: Of the random numbers.
    """

    def __init__(self, events: NDArray[np.generic], weights: Floats | None, number: int, seed: int) -> None:
        unique, index = np.unique(events, return_inverse=True)
        self.events = len(unique)
        self.number = number
        self.event: NDArray[np.intp] = index.reshape(-1)
        self.own = weights
        self._seed = seed

    def whole(self) -> Draws:
        """The events as they are, once each."""
        return Draws(np.ones((1, self.events)), self.event, self.own)

    def number_of(self, chosen: NDArray[np.bool_]) -> int:
        """Number of events that have a chosen jet.

        Args:
            chosen: ``(n,)``.
        """
        return int(np.bincount(self.event[chosen], minlength=1).astype(bool).sum())

    def __iter__(self) -> Iterator[Draws]:
        """Some resamples after the others."""
        random = np.random.default_rng(self._seed)
        rows = max(1, ELEMENTS // max(len(self.event), 1))
        for start in range(0, self.number, rows):
            copies = random.poisson(1.0, (min(rows, self.number - start), self.events)).astype(np.float64)
            yield Draws(copies, self.event, self.own)


Statistic = Callable[[Draws], Floats]  # numbers of each resample, ``(r, k)``


class Mistags:
    """Shares of the background that pass cuts which keep wanted shares of the signal, for many weights at once.

    Args:
        values: Discriminant, ``(n,)``.
        labels: Class index, ``(n,)``.
        signal: Index of the signal class.
        backgrounds: Indices of the background classes.
        efficiencies: Wanted shares of the signal.
    """

    def __init__(
        self, values: Floats, labels: Integers, signal: int, backgrounds: Sequence[int], efficiencies: Sequence[float]
    ) -> None:
        self._efficiencies = tuple(efficiencies)
        self._signal = _descending(values, labels == signal)
        cuts = values[self._signal]
        self._backgrounds, self._reach = [], []
        for index in backgrounds:
            order = _descending(values, labels == index)
            self._backgrounds.append(order)
            # with the cut at each signal jet: the number of background jets at or above it
            self._reach.append(len(order) - np.searchsorted(values[order][::-1], cuts, side="left"))

    def __call__(self, weights: Floats) -> Floats:
        """For weights ``(r, n)``: passing shares, ``(r, efficiencies, backgrounds)``; NaN where there are no jets."""
        result = np.full((len(weights), len(self._efficiencies), len(self._backgrounds)), np.nan)
        if len(self._signal) == 0:
            return result
        passed = np.maximum.accumulate(np.cumsum(weights[:, self._signal], 1), 1)
        with np.errstate(all="ignore"):
            passed /= weights[:, self._signal].sum(1, keepdims=True)
        last = len(self._signal) - 1
        cut = [np.minimum((passed < one - 1e-12).sum(1), last) for one in self._efficiencies]
        rows = np.arange(len(weights))
        for number, (order, reach) in enumerate(zip(self._backgrounds, self._reach, strict=True)):
            above = _from_zero(weights[:, order])
            with np.errstate(all="ignore"):
                for place, one in enumerate(cut):
                    result[:, place, number] = above[rows, reach[one]] / above[:, -1]
        return result


class Areas:
    """Area under the ROC curve for many weights at once, equal scores counting half.

    Args:
        scores: ``(n,)``.
        positive: ``(n,)``.
        used: The positive and the negative ones, ``(n,)``; ``None`` for all.
    """

    def __init__(self, scores: Floats, positive: NDArray[np.bool_], used: NDArray[np.bool_] | None = None) -> None:
        negative = ~positive if used is None else ~positive & used
        self._positive = np.flatnonzero(positive)
        self._negative = np.flatnonzero(negative)[np.argsort(scores[negative], kind="stable")]
        ordered = scores[self._negative]
        self._below = np.searchsorted(ordered, scores[self._positive], side="left")
        self._not_above = np.searchsorted(ordered, scores[self._positive], side="right")

    def __call__(self, weights: Floats) -> Floats:
        """For weights ``(r, n)``: areas, ``(r,)``; NaN where a kind is missing."""
        below = _from_zero(weights[:, self._negative])
        own = weights[:, self._positive]
        beaten = (below[:, self._below] + below[:, self._not_above]) / 2
        with np.errstate(all="ignore"):
            area: Floats = (own * beaten).sum(1) / (own.sum(1) * below[:, -1])
        return area


def resampled(
    statistic: Statistic, resamples: EventResamples, report: Callable[[int, int], None] | None = None
) -> Floats:
    """A statistic of every resample.

    Args:
        statistic: From resamples to ``(r, k)``.
        resamples: The resamples.
        report: Called with the number of resamples done and that of all.

    Returns:
        ``(R, k)``.
    """
    found: list[Floats] = []
    done = 0
    for draws in resamples:
        found.append(statistic(draws))
        done += len(draws.copies)
        if report is not None:
            report(done, resamples.number)
    return np.concatenate(found)


def _descending(values: Floats, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
    places = np.flatnonzero(chosen)
    return places[np.argsort(-values[places], kind="stable")]


def _from_zero(weights: Floats) -> Floats:
    """Sums of the first 0, 1, … columns, ``(r, n + 1)``."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, 1, out=sums[:, 1:])
    return sums
