"""How far the distributions of two samples are apart, variable by variable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.checks.drawn import Draw, Key
from salt_like.checks.finding import Check, Finding, Options
from salt_like.data.conventions import IDENTITY_FIELDS

DIFFERENT = Check(
    "ks",
    "error",
    "distributions differ between two samples",
    "find out which sample is meant (process mix, selection, units, version of the calibration), or allow it: --max-ks",
)
MISSING = Check(
    "not-in-both", "warning", "in one of two samples only, not compared", "write both files with the same fields"
)
CHANCE = 1.358  # the distance of two samples times the root of their effective size is below this in 95 % of cases


@dataclass(frozen=True)
class Difference:
    """How far one variable is apart in two samples.

    Args:
        stream: Stream.
        field: Field, empty for the number of constituents.
        distance: Largest difference of the two cumulative distributions (Kolmogorov-Smirnov), 0 to 1.
        chance: What two samples of this many events from one distribution stay below in 95 % of cases.
        medians: Median of each.
        is_truth: True for a field that knows the truth.
    """

    stream: str
    field: str
    distance: float
    chance: float
    medians: tuple[float, float]
    is_truth: bool

    @property
    def excess(self) -> float:
        """Distance beyond chance."""
        return max(self.distance - self.chance, 0.0)

    @property
    def where(self) -> str:
        """What people call the variable."""
        return f"{self.stream}.{self.field}" if self.field else f"number of {self.stream}"


def distance(
    first: NDArray[Any],
    second: NDArray[Any],
    first_weights: NDArray[np.float64] | None = None,
    second_weights: NDArray[np.float64] | None = None,
) -> float:
    """Largest difference of two cumulative distributions, the statistic of Kolmogorov and Smirnov.

    NaN counts as a value below all others, so that samples with different shares of it differ.

    Args:
        first: Values, ``(n,)``.
        second: Values, ``(m,)``.
        first_weights: ``(n,)``, ``None`` for 1.
        second_weights: ``(m,)``, ``None`` for 1.
    """
    values, sums = zip(_cumulative(first, first_weights), _cumulative(second, second_weights), strict=True)
    grid = np.concatenate(values)
    shares = [one[np.searchsorted(value, grid, "right")] for value, one in zip(values, sums, strict=True)]
    return float(np.abs(shares[0] - shares[1]).max())


def _cumulative(
    values: NDArray[Any], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wide = values.astype(np.float64)
    wide = np.where(np.isnan(wide), -np.inf, wide)
    if weights is None:
        return np.sort(wide), np.arange(len(wide) + 1) / len(wide)
    order = np.argsort(wide, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    return wide[order], sums / sums[-1]


def differences(first: Draw, second: Draw, is_weighted: bool) -> list[Difference]:
    """Every variable that both have, the one that differs most first.

    Jets of one event, and constituents of one jet, are not independent of each other: the size by which chance is
    judged is the number of events.

    Args:
        first: Jets of one sample.
        second: Jets of another one.
        is_weighted: True where jets have weights.
    """
    found = []
    for key in _common(first, second):
        pair = [_column(one, key, is_weighted) for one in (first, second)]
        (mine, my_weights, my_size), (theirs, their_weights, their_size) = pair
        if not len(mine) or not len(theirs):
            continue
        far = distance(mine, theirs, my_weights, their_weights)
        chance = min(CHANCE * np.sqrt(1 / my_size + 1 / their_size), 1.0)
        medians = (_median(mine), _median(theirs))
        found.append(Difference(*key, far, float(chance), medians, key in first.truth))
    return sorted(found, key=lambda one: (-one.excess, -one.distance))


def _common(first: Draw, second: Draw) -> list[Key]:
    return [key for key in first.values if key in second.values and key[1] not in IDENTITY_FIELDS]


def _column(one: Draw, key: Key, is_weighted: bool) -> tuple[NDArray[Any], NDArray[np.float64] | None, float]:
    """Values, their weights, and the number of independent ones."""
    jets = one.jets_of(key)
    return one.values[key], one.weights[jets] if is_weighted else None, one.size(key, is_weighted)


def _median(values: NDArray[Any]) -> float:
    finite = values[np.isfinite(values)].astype(np.float64)
    return float(np.median(finite)) if len(finite) else float("nan")


def findings(pair: str, found: Sequence[Difference], options: Options) -> list[Finding]:
    """Those over the threshold.

    Args:
        pair: What messages call the two samples.
        found: All differences.
        options: The threshold.
    """
    return [
        Finding(
            DIFFERENT,
            pair,
            one.where,
            value=f"{one.distance:.3f}",
            detail=f"KS, by chance < {one.chance:.3f}; medians {one.medians[0]:.4g}, {one.medians[1]:.4g}",
        )
        for one in found
        if one.excess > options.max_ks
    ]


def missing(pair: str, first: Draw, second: Draw) -> list[Finding]:
    """Streams and fields that one of two samples lacks.

    Args:
        pair: What messages call the two samples.
        first: Jets of one sample.
        second: Jets of another one.
    """
    found = []
    for here, there in ((first, second), (second, first)):
        streams = {stream for stream, _ in there.values}
        gone = dict.fromkeys(stream for stream, _ in here.values if stream not in streams)
        names = list(gone) + [
            f"{key[0]}.{key[1]}" for key in here.values if key[0] in streams and key not in there.values
        ]
        if names:
            found.append(Finding(MISSING, pair, here.name, number=len(names), detail=_some(names)))
    return found


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
