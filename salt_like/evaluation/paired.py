"""One number of two taggers on the same jets: what is compared, its interval, and what that says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.rejection import FEWEST
from salt_like.evaluation.resampling import Interval, Statistic, interval
from salt_like.evaluation.statistics import Floats

FEWEST_EVENTS = 10  # resamples of fewer events do not show how far a number would move
Change = Literal["difference", "ratio", "rejection"]


class LeftOutError(Exception):
    """Why a task that both taggers have is not compared."""


@dataclass(frozen=True)
class Compared:
    """One number of both.

    Args:
        name: What was measured.
        first: Of A.
        second: Of B.
        change: B/A, or B - A.
        neutral: The change when both are equal: 1 or 0.
        higher_is_better: True where a larger number is the better one; ``None`` where one nearer to `ideal` is.
        passing: Effective number of background jets that pass in the one with fewer; ``None`` where that is no limit.
        events: Number of events that the number is measured on.
        unit: Unit of the two numbers and of their difference.
        ideal: What it should be, such as 0 for a bias.
        distance: How much further B is from the ideal than A; ``None`` without one.
        detail: True for one of many numbers, which a short table leaves out.
    """

    name: str
    first: float
    second: float
    change: Interval
    neutral: float
    higher_is_better: bool | None
    passing: float | None = None
    events: int | None = None
    unit: str = ""
    ideal: float | None = None
    distance: Interval | None = None
    detail: bool = False

    @property
    def conclusive(self) -> bool:
        """False where too few jets pass, or too few events hold what is measured."""
        enough = self.passing is None or self.passing >= FEWEST
        return math.isfinite(self.change.value) and enough and (self.events is None or self.events >= FEWEST_EVENTS)

    @property
    def verdict(self) -> str:
        """What the 95 % interval says."""
        if not self.conclusive:
            return self._inconclusive()
        if _holds(self.change, self.neutral):
            return "no difference shown"
        if self.distance is not None:
            if _holds(self.distance, 0.0):
                return "different, neither shown to be better"
            return "B is better" if self.distance.high95 < 0 else "A is better"
        return "B is better" if (self.change.low95 > self.neutral) == self.higher_is_better else "A is better"

    def _inconclusive(self) -> str:
        if self.passing is not None and self.passing < FEWEST:
            return f"inconclusive: only {self.passing:.0f} jets pass"
        if self.events is not None and 0 < self.events < FEWEST_EVENTS:
            return f"inconclusive: only {self.events} event{'s' if self.events > 1 else ''}"
        return "inconclusive: nothing to measure"


def _holds(one: Interval, value: float) -> bool:
    """False only where the value is known to be outside."""
    return not (one.low95 > value or one.high95 < value)


@dataclass(frozen=True)
class Row:
    """A number that is compared.

    Args:
        name: What it is.
        change: Difference B - A, ratio B/A, or the ratio of rejections, for which passing shares are measured.
        higher_is_better: True where a larger number is the better one; ``None`` with an ideal.
        ideal: What the number should be.
        entries: Effective number of background jets, of a rejection.
        events: Number of events that it is measured on, in the one with fewer.
        unit: Unit of the number.
        detail: True for one of many numbers, which a short table leaves out.
    """

    name: str
    change: Change = "difference"
    higher_is_better: bool | None = True
    ideal: float | None = None
    entries: float = 0.0
    events: int | None = None
    unit: str = ""
    detail: bool = False

    def changes(self, first: Floats, second: Floats) -> Floats:
        """The change between two values of A and B, ``(R,)``; exactly the neutral one where they are equal."""
        with np.errstate(all="ignore"):
            if self.change == "difference":
                return second - first
            if self.change == "ratio":
                return np.where(first == second, 1.0, second / first)
            return first / second

    def compared(self, first: float, second: float, resampled: tuple[Floats, Floats]) -> Compared:
        """The number of both with the interval of its change.

        Args:
            first: Of A on the jets as they are; for a rejection the passing share.
            second: Of B.
            resampled: Of A and of B in each resample, ``(R,)`` each.
        """
        here = float(self.changes(np.array([first]), np.array([second]))[0])
        change = interval(here, self.changes(*resampled))
        if self.change == "rejection":
            passing = min(first, second) * self.entries
            with np.errstate(divide="ignore"):
                one, other = (float(np.float64(1) / share) for share in (first, second))
            passing = 0.0 if math.isnan(passing) else passing
            return Compared(self.name, one, other, change, 1.0, True, passing, self.events, detail=self.detail)
        distance = None
        if self.ideal is not None:
            one, other = (np.abs(values - self.ideal) for values in resampled)
            distance = interval(abs(second - self.ideal) - abs(first - self.ideal), other - one)
        return Compared(
            self.name,
            first,
            second,
            change,
            1.0 if self.change == "ratio" else 0.0,
            self.higher_is_better,
            None,
            self.events,
            self.unit,
            self.ideal,
            distance,
            self.detail,
        )


@dataclass(frozen=True)
class Pair:
    """A task of both taggers.

    Args:
        name: Its name in A.
        stream: Stream whose rows it describes.
        rows: What is compared.
        sides: Of A and of B, from resamples to what each row needs, ``(r, rows)``.
        notes: What one must know to read it.
        of_jets: True for a classification of jets.
    """

    name: str
    stream: str
    rows: tuple[Row, ...]
    sides: tuple[Statistic, Statistic]
    notes: tuple[str, ...] = ()
    of_jets: bool = False


def require_finite(
    values: NDArray[Any], used: NDArray[np.bool_], name: str, side: str, jet: NDArray[np.integer]
) -> None:
    """Leave out a task that says something which is no number.

    Args:
        values: What it says, ``(n,)``.
        used: True for the rows that are compared, ``(n,)``.
        name: The column.
        side: ``"A"`` or ``"B"``.
        jet: Jet of each row, ``(n,)``.

    Raises:
        LeftOutError: It does.
    """
    wrong = used & ~np.isfinite(values)
    if wrong.any():
        raise LeftOutError(f"{name} of {side} is no number in jet {jet[wrong.argmax()]}")
