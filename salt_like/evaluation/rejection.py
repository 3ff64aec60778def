"""Background rejection at fixed signal efficiency, from log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.metric import plain
from salt_like.evaluation.statistics import (
    Floats,
    binomial_error,
    clopper_pearson,
    effective_entries,
    upper_limit,
)
from salt_like.evaluation.working_points import WorkingPoint

FEWEST = 10  # with fewer (effective) passing jets there is a limit and no point


def discriminant(probabilities: Mapping[str, Floats], signal: str, background: Mapping[str, float]) -> Floats:
    """``ln(p_signal / sum_i f_i p_i)``, computed from log-probabilities and not clipped.

    Args:
        probabilities: Class → ``(n,)``.
        signal: Class in the numerator.
        background: Class → fraction.

    Returns:
        ``(n,)``; ``-inf`` where the signal's probability is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        over = np.log(probabilities[signal].astype(np.float64))
        under = np.full(len(over), -np.inf)
        for name, fraction in background.items():
            if fraction > 0:
                under = np.logaddexp(under, np.log(probabilities[name].astype(np.float64)) + np.log(fraction))
        return np.where(np.isneginf(over), -np.inf, over - under)


@dataclass(frozen=True)
class Rejection:
    """One over the fraction of background jets that pass a cut.

    Args:
        value: The rejection; where `limit` is set, its lower limit at 95 % confidence.
        low: Lower end of the interval of one standard deviation.
        high: Upper end.
        limit: True when too few jets pass for a value.
        passing: Effective number of background jets that pass.
        total: Effective number of background jets.
    """

    value: float
    low: float
    high: float
    limit: bool
    passing: float
    total: float

    def __str__(self) -> str:
        if self.total <= 0:
            return "no jets"
        if self.limit:
            return f"> {self.value:.3g}"
        up, down = self.high - self.value, self.value - self.low
        # without an upper end where the cut could be so tight that no jet passes
        largest = max(up if np.isfinite(up) else 0.0, down, 1e-3)
        digits = max(0, 1 - int(np.floor(np.log10(largest))))
        return f"{self.value:.{digits}f} +{up:.{digits}f} -{down:.{digits}f}"


@dataclass(frozen=True)
class Point:
    """What a working point does on a sample.

    Args:
        made: The working point.
        signal_efficiency: Signal efficiency on this sample.
        signal_error: Its standard deviation.
        rejections: Background class → rejection.
    """

    made: WorkingPoint
    signal_efficiency: float
    signal_error: float
    rejections: dict[str, Rejection]

    @property
    def efficiency(self) -> float:
        """Signal efficiency that the cut was made for."""
        return self.made.efficiency

    @property
    def cut(self) -> float:
        """The cut, that of the lowest bin where it is not the same everywhere."""
        return self.made.cuts[0]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        cuts = {"cut": self.cut} if self.made.kind == "fixed" else {"cuts": self.made.cuts, "edges": self.made.edges}
        found: dict[str, Any] = plain(
            {
                "efficiency": self.efficiency,
                **cuts,
                "signal_efficiency": self.signal_efficiency,
                "signal_error": self.signal_error,
                "rejections": {name: asdict(one) for name, one in self.rejections.items()},
            }
        )
        return found


def apply(
    points: Sequence[WorkingPoint],
    values: Floats,
    labels: NDArray[np.integer],
    classes: Sequence[str],
    signal: str,
    weights: Floats | None = None,
    at: Floats | None = None,
) -> list[Point]:
    """Signal efficiency and background rejections of cuts on a sample.

    Args:
        points: Cuts, from this or from another sample; all of the same bins.
        values: Discriminant, ``(n,)``.
        labels: Class index, ``(n,)``; negative ones are left out.
        classes: Class names in order of the index.
        signal: Class that is kept; every other one is a background.
        weights: ``(n,)``, ``None`` for 1.
        at: Variable of the bins of flat working points, ``(n,)``.
    """
    if not points:
        return []
    weights = np.ones(len(values)) if weights is None else weights.astype(np.float64)
    bins = points[0].bins(at, len(values))
    kinds = {
        name: _Class(values[labels == index], weights[labels == index], bins[labels == index], len(points[0].cuts))
        for index, name in enumerate(classes)
    }
    results = []
    for point in points:
        kept = kinds[signal].share(point.cuts)
        error = binomial_error(kept, kinds[signal].entries)
        rejections = {name: _rejection(point, jets) for name, jets in kinds.items() if name != signal}
        results.append(Point(point, kept, error, rejections))
    return results


class _Class:
    """The jets of one class, sorted once, so that any number of cuts is cheap.

    Args:
        values: Discriminant, ``(n,)``.
        weights: ``(n,)``.
        bins: Bin of each jet, ``(n,)``.
        number: Number of bins.
    """

    def __init__(self, values: Floats, weights: Floats, bins: NDArray[np.intp], number: int) -> None:
        self.entries = effective_entries(weights)
        self.total = float(weights.sum())
        self._sorted: list[Floats] = []
        self._above: list[Floats] = []  # sum of the weights from each jet upwards
        for one in range(number):
            order = np.argsort(values[bins == one], kind="stable")
            sums = np.cumsum(weights[bins == one][order][::-1])[::-1]
            self._sorted.append(values[bins == one][order])
            self._above.append(np.append(sums, 0.0))

    def passing(self, cuts: Sequence[float]) -> Floats:
        """Share of all jets of the class that stands in each bin at or above its cut, ``(bins,)``."""
        bins = zip(self._sorted, self._above, cuts, strict=True)
        found = [above[np.searchsorted(values, cut)] for values, above, cut in bins]
        return np.array(found) / self.total if self.total > 0 else np.full(len(found), np.nan)

    def share(self, cuts: Sequence[float]) -> float:
        """Share of the jets at or above the cut of their bin."""
        return float(self.passing(cuts).sum())


def _rejection(point: WorkingPoint, jets: _Class) -> Rejection:
    if not jets.total > 0:
        return Rejection(float("nan"), float("nan"), float("nan"), True, 0.0, 0.0)
    each = jets.passing(point.cuts)
    mistag, total = float(each.sum()), jets.entries
    passing = mistag * total
    if passing < FEWEST:
        limit = 1 / upper_limit(passing, total)
        return Rejection(limit, limit, float("inf"), True, passing, total)
    low, high = clopper_pearson(passing, total)
    # the cuts of the bins move independently of one another
    tighter, looser = (each - jets.passing([pair[side] for pair in point.shifted]) for side in (0, 1))
    low = mistag - float(np.hypot(mistag - low, np.linalg.norm(tighter)))
    high = min(1.0, mistag + float(np.hypot(high - mistag, np.linalg.norm(looser))))
    return Rejection(1 / mistag, 1 / high, 1 / low if low > 0 else float("inf"), False, passing, total)
