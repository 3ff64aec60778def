"""Sums over events and weighted quantiles, from which resamples follow without looking at every row again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.resampling import Draws
from salt_like.evaluation.statistics import Floats, quantiles


def add_by_event(sums: Floats, event: NDArray[np.integer], columns: Sequence[NDArray[np.generic]]) -> None:
    """Add rows to the sums of their events, in place.

    Args:
        sums: ``(E, len(columns))``.
        event: Event of each row, ``(n,)``.
        columns: ``(n,)`` each.
    """
    which, place = np.unique(event, return_inverse=True)
    for number, column in enumerate(columns):
        sums[which, number] += np.bincount(place.reshape(-1), column, minlength=len(which))


class Quantiles:
    """Quantiles of weighted rows in resamples, as `statistics.quantiles` defines them.

    Args:
        values: ``(m,)``.
        levels: Probabilities between 0 and 1.
        event: Event of each row, ``(m,)``.
        own: Weight of each row, ``(m,)``; ``None`` for 1.
    """

    def __init__(
        self, values: Floats, levels: Sequence[float], event: NDArray[np.integer], own: Floats | None = None
    ) -> None:
        order = np.argsort(values, kind="stable")
        self._values, self._event = values[order], event[order]
        self._own = None if own is None else own[order]
        self._levels = np.array(levels)
        self._rises = own is None or bool((own >= 0).all())

    def __call__(self, draws: Draws) -> Floats:
        """For each resample, ``(r, levels)``; NaN where the weights do not sum to something positive."""
        found = np.full((len(draws.copies), len(self._levels)), np.nan)
        for number, copies in enumerate(draws.copies):  # one by one, as there may be many more rows than jets
            weights = copies[self._event] if self._own is None else copies[self._event] * self._own
            if not weights.sum() > 0:
                continue
            found[number] = self._between(weights) if self._rises else quantiles(self._values, self._levels, weights)
        return found

    def _between(self, weights: Floats) -> Floats:
        """Without negative weights a quantile lies between two rows, which are found without removing the others."""
        sums = np.cumsum(weights)
        at = self._levels * sums[-1]
        here = np.searchsorted(sums, at, side="left")  # the row within whose weight the quantile lies
        before = np.where(here > 0, sums[here - 1], 0.0)
        # rows without weight repeat a sum: the first of equal sums is that of a row with weight
        last = np.searchsorted(sums, before, side="left")
        following = np.minimum(np.searchsorted(sums, sums[here], side="right"), len(sums) - 1)
        upper = np.where(sums[here] - weights[here] / 2 >= at, here, following)
        lower = np.where(upper == here, np.where(before > 0, last, here), here)
        # beyond the last row with weight there is only that one
        upper = np.where(weights[upper] > 0, upper, here)
        low, high = (sums[one] - weights[one] / 2 for one in (lower, upper))
        share = np.where(high > low, np.clip((at - low) / np.where(high > low, high - low, 1), 0, 1), 0.0)
        found: Floats = self._values[lower] + share * (self._values[upper] - self._values[lower])
        return found
