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
    ratio,
    upper_limit,
)

EFFICIENCIES = (0.60, 0.65, 0.70, 0.77, 0.85, 0.90)
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
        digits = max(0, 1 - int(np.floor(np.log10(max(self.high - self.value, self.value - self.low, 1e-3)))))
        return f"{self.value:.{digits}f} +{self.high - self.value:.{digits}f} -{self.value - self.low:.{digits}f}"


@dataclass(frozen=True)
class WorkingPoint:
    """A cut on a discriminant.

    Args:
        efficiency: Signal efficiency that it was made for.
        cut: Jets with at least this value pass.
        shifted: Cuts if the efficiency were off by one standard deviation of the quantile, down and up.
    """

    efficiency: float
    cut: float
    shifted: tuple[float, float]


@dataclass(frozen=True)
class Point:
    """What a working point does on a sample.

    Args:
        efficiency: Signal efficiency that the cut was made for.
        cut: Jets with at least this value pass.
        signal_efficiency: Signal efficiency on this sample.
        signal_error: Its standard deviation.
        rejections: Background class → rejection.
    """

    efficiency: float
    cut: float
    signal_efficiency: float
    signal_error: float
    rejections: dict[str, Rejection]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return plain(asdict(self))  # type: ignore[no-any-return]


def working_points(
    signal: Floats, weights: Floats | None = None, efficiencies: Sequence[float] = EFFICIENCIES
) -> list[WorkingPoint]:
    """Cuts that let these fractions of the signal pass.

    Args:
        signal: Discriminant of signal jets, ``(n,)``.
        weights: ``(n,)``, ``None`` for 1.
        efficiencies: Fractions of the signal.
    """
    if len(signal) == 0:
        return []
    order = np.argsort(-signal, kind="stable")
    weights = np.ones(len(signal)) if weights is None else weights.astype(np.float64)
    values = signal[order]
    passed = np.maximum.accumulate(np.cumsum(weights[order])) / weights.sum()  # rises also with negative weights
    entries = effective_entries(weights)

    def cut(efficiency: float) -> float:
        # the rounding of the sum must not ask for one more jet
        return float(values[min(int(np.searchsorted(passed, efficiency - 1e-12)), len(values) - 1)])

    points = []
    for efficiency in efficiencies:
        error = binomial_error(efficiency, entries)
        points.append(
            WorkingPoint(efficiency, cut(efficiency), (cut(max(efficiency - error, 0.0)), cut(efficiency + error)))
        )
    return points


def apply(
    points: Sequence[WorkingPoint],
    values: Floats,
    labels: NDArray[np.integer],
    classes: Sequence[str],
    signal: str,
    weights: Floats | None = None,
) -> list[Point]:
    """Signal efficiency and background rejections of cuts on a sample.

    Args:
        points: Cuts, from this or from another sample.
        values: Discriminant, ``(n,)``.
        labels: Class index, ``(n,)``; negative ones are left out.
        classes: Class names in order of the index.
        signal: Class that is kept; every other one is a background.
        weights: ``(n,)``, ``None`` for 1.
    """
    weights = np.ones(len(values)) if weights is None else weights.astype(np.float64)
    kinds = {name: labels == index for index, name in enumerate(classes)}
    results = []
    for point in points:
        chosen = kinds[signal]
        kept = _fraction(values[chosen], weights[chosen], point.cut)
        error = binomial_error(kept, effective_entries(weights[chosen]))
        rejections = {
            name: _rejection(point, values[jets], weights[jets]) for name, jets in kinds.items() if name != signal
        }
        results.append(Point(point.efficiency, point.cut, kept, error, rejections))
    return results


def _fraction(values: Floats, weights: Floats, cut: float) -> float:
    return ratio(np.array([weights[values >= cut].sum(), weights.sum()]))


def _rejection(point: WorkingPoint, values: Floats, weights: Floats) -> Rejection:
    total = effective_entries(weights)
    if not weights.sum() > 0:
        return Rejection(float("nan"), float("nan"), float("nan"), True, 0.0, 0.0)
    mistag = _fraction(values, weights, point.cut)
    passing = mistag * total
    if passing < FEWEST:
        limit = 1 / upper_limit(passing, total)
        return Rejection(limit, limit, float("inf"), True, passing, total)
    low, high = clopper_pearson(passing, total)
    tighter, looser = (_fraction(values, weights, cut) for cut in point.shifted)
    low = mistag - float(np.hypot(mistag - low, mistag - tighter))
    high = min(1.0, mistag + float(np.hypot(high - mistag, looser - mistag)))
    return Rejection(1 / mistag, 1 / high, 1 / low if low > 0 else float("inf"), False, passing, total)
