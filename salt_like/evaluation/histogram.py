"""Shares of entries in equal bins, with their errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from salt_like.evaluation.metric import plain
from salt_like.evaluation.statistics import Floats, effective_entries

BINS, FEW_BINS = 50, 25
MANY = 20_000  # values from which there are more bins
TAILS = 0.005  # share of the entries that may lie outside on either side


@dataclass(frozen=True)
class Histogram:
    """How some entries are distributed.

    Args:
        edges: Of the bins, ``(bins + 1,)``.
        shares: Share of all entries in each bin, ``(bins,)``; the last bin holds its upper edge.
        errors: Standard deviations, ``(bins,)``.
        below: Share below the first edge, and of what is not a number.
        above: Share above the last edge.
        entries: Effective number of entries.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    errors: tuple[float, ...]
    below: float
    above: float
    entries: float

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return plain(asdict(self))  # type: ignore[no-any-return]


def edges_around(values: Floats) -> Floats:
    """Edges of 25 or 50 equal bins that leave out half a percent of the values on either side.

    Args:
        values: ``(n,)``; those that are not finite do not count.

    Returns:
        ``(bins + 1,)``, rising.
    """
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = np.quantile(finite, [TAILS, 1 - TAILS]) if len(finite) else (0.0, 1.0)
    if not high > low:  # all the same
        low, high = low - 0.5, high + 0.5
    edges: Floats = np.linspace(low, high, (BINS if len(finite) >= MANY else FEW_BINS) + 1)
    return edges


def histogram(values: Floats, edges: Floats, weights: Floats | None = None) -> Histogram | None:
    """Shares of entries in bins.

    Args:
        values: ``(n,)``; may be infinite.
        edges: ``(bins + 1,)``, rising.
        weights: ``(n,)``, ``None`` for 1.

    Returns:
        ``None`` unless the weights sum to something positive.
    """
    weights = np.ones(len(values)) if weights is None else weights.astype(np.float64)
    total = float(weights.sum())
    if not total > 0:
        return None
    number = len(edges) - 1
    place = np.searchsorted(edges, values, side="right")
    place[values == edges[-1]] = number
    place[np.isnan(values)] = 0
    sums = np.bincount(place, weights, minlength=number + 2) / total
    squares = np.bincount(place, weights**2, minlength=number + 2)
    return Histogram(
        tuple(edges.tolist()),
        tuple(sums[1:-1].tolist()),
        tuple((np.sqrt(squares[1:-1]) / total).tolist()),
        float(sums[0]),
        float(sums[-1]),
        effective_entries(weights),
    )
