"""Rejection against signal efficiency, and against the fractions of a discriminant's background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.metric import plain
from salt_like.evaluation.rejection import Point, apply, discriminant
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.working_points import fixed
from salt_like.spec import Discriminant

CURVE = tuple(round(0.01 * percent, 2) for percent in range(20, 101))
SCAN_EFFICIENCY = 0.70
SCAN = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True)
class Scan:
    """Rejections at one signal efficiency against the fraction of one background class.

    Args:
        scanned: The class.
        fractions: Its fractions; those of the others keep their proportions and make the sum 1.
        points: The cut that each fraction gives, made on these jets, and what it does.
    """

    scanned: str
    fractions: tuple[float, ...]
    points: tuple[Point, ...]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        pairs = zip(self.fractions, self.points, strict=True)
        return {
            "class": self.scanned,
            "efficiency": SCAN_EFFICIENCY,
            "points": [{"fraction": fraction, **point.plain()} for fraction, point in pairs],
        }


def curve(
    values: Floats,
    labels: NDArray[np.integer],
    classes: Sequence[str],
    signal: str,
    weights: Floats | None = None,
) -> tuple[Point, ...]:
    """Rejections at signal efficiencies from 20 to 100 % in steps of 1 %, each cut made on these jets.

    Args:
        values: Discriminant, ``(n,)``.
        labels: Class index, ``(n,)``; negative ones are left out.
        classes: Class names in order of the index.
        signal: Class that is kept.
        weights: ``(n,)``, ``None`` for 1.
    """
    chosen = labels == classes.index(signal)
    points = fixed(values[chosen], None if weights is None else weights[chosen], CURVE)
    return tuple(apply(points, values, labels, classes, signal, weights))


def plain_curve(points: Sequence[Point]) -> dict[str, Any]:
    """A curve as arrays, for JSON.

    Args:
        points: As `curve` returns them.
    """
    names = list(points[0].rejections) if points else []
    columns = ("value", "low", "high", "limit", "passing")
    found: dict[str, Any] = plain(
        {
            "efficiency": [point.efficiency for point in points],
            "cut": [point.cut for point in points],
            "signal_efficiency": [point.signal_efficiency for point in points],
            "rejections": {
                name: {column: [getattr(point.rejections[name], column) for point in points] for column in columns}
                for name in names
            },
        }
    )
    return found


def scanned_class(background: Mapping[str, float]) -> str | None:
    """The class whose fraction is worth a scan: the one with the second largest; ``None`` where there is only one."""
    ordered = sorted(background, key=lambda name: -background[name])
    return ordered[1] if len(ordered) > 1 else None


def with_fraction(background: Mapping[str, float], name: str, fraction: float) -> dict[str, float]:
    """The same mixture with another fraction of one class; the others keep their proportions and make the sum 1.

    Args:
        background: Class → fraction, not all of them that class.
        name: The class.
        fraction: Its new fraction, between 0 and 1.
    """
    rest = sum(one for other, one in background.items() if other != name)
    return {other: fraction if other == name else (1 - fraction) * one / rest for other, one in background.items()}


def scan(
    wanted: Discriminant,
    probabilities: Mapping[str, Floats],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    weights: Floats | None = None,
) -> Scan | None:
    """Rejections at 70 % signal efficiency against the second largest fraction of a discriminant.

    Args:
        wanted: The discriminant.
        probabilities: Class → ``(n,)``.
        labels: Class index, ``(n,)``; negative ones are left out.
        classes: Class names in order of the index.
        weights: ``(n,)``, ``None`` for 1.

    Returns:
        ``None`` where there is only one background or no signal.
    """
    name = scanned_class(wanted.background)
    chosen = labels == classes.index(wanted.signal)
    if name is None or not chosen.any():
        return None
    found = []
    for fraction in SCAN:
        values = discriminant(probabilities, wanted.signal, with_fraction(wanted.background, name, fraction))
        points = fixed(values[chosen], None if weights is None else weights[chosen], (SCAN_EFFICIENCY,))
        found += apply(points, values, labels, classes, wanted.signal, weights)
    return Scan(name, SCAN, tuple(found)) if len(found) == len(SCAN) else None
