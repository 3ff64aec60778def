"""What was found, what was expected, and whether they agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from salt_like.evaluation.table import with_error
from salt_like.simulation.check.sums import Estimate

OK, OUTSIDE, FEW, MISSING, NONE = "ok", "outside", "not enough jets", "field missing", ""
SIGNIFICANT = 3.0  # standard errors beyond the band
FEWEST = 20.0  # effective entries


@dataclass(frozen=True)
class Band:
    """Where a number is expected.

    Args:
        low: Lowest value that is expected, minus infinity for none.
        high: Highest value that is expected, infinity for none.
        why: Where the expectation comes from.
    """

    low: float
    high: float
    why: str = ""

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:g}"
        if math.isinf(self.low):
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if math.isinf(self.high) else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Row:
    """One line of the report.

    Args:
        name: What was measured.
        value: The number, NaN for none.
        error: Its standard error; 0 for an exact count.
        unit: Its unit, empty for a pure number.
        band: Where it is expected, ``None`` where nothing is.
        verdict: `OK`, `OUTSIDE`, `FEW`, `MISSING` or `NONE`.
        entries: Effective number of entries.
        note: What else the reader must know.
    """

    name: str
    value: float = math.nan
    error: float = math.nan
    unit: str = ""
    band: Band | None = None
    verdict: str = NONE
    entries: float = math.nan
    note: str = ""

    @property
    def shown(self) -> str:
        """The value with its error, in as many digits as mean something."""
        if math.isnan(self.value):
            return ""
        if self.error == 0:
            return f"{self.value:,.0f}" if self.value.is_integer() else f"{self.value:.4g}"
        return with_error(self.value, self.error)

    @property
    def expected(self) -> str:
        """The band in words."""
        return "" if self.band is None else str(self.band)

    def plain(self) -> dict[str, Any]:
        """The row as values that JSON knows."""
        band = self.band
        return {
            "name": self.name,
            "value": _finite(self.value),
            "error": _finite(self.error),
            "unit": self.unit,
            "low": None if band is None else _finite(band.low),
            "high": None if band is None else _finite(band.high),
            "verdict": self.verdict,
            "entries": _finite(self.entries),
            "note": self.note,
        }


@dataclass(frozen=True)
class Grid:
    """A table of numbers without expectation.

    Args:
        title: What it shows.
        headings: One per column.
        rows: Cells as text.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Section:
    """Lines of the report that belong together.

    Args:
        title: What they are about.
        rows: Lines with values, bands and verdicts.
        grids: Further tables.
    """

    title: str
    rows: list[Row] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)


def judged(
    name: str, found: Estimate, band: Band | None = None, unit: str = "", scale: float = 1.0, note: str = ""
) -> Row:
    """A line with its verdict.

    It is outside when it lies further from its band than three standard errors. It is ok when it lies within and its
    error is smaller than the band is wide. Everything between is not decided by so few jets.

    Args:
        name: What was measured.
        found: The number.
        band: Where it is expected, in the unit shown; ``None`` for a line without verdict.
        unit: The unit shown.
        scale: By which the number is multiplied to have that unit.
        note: What else the reader must know.
    """
    value, error = found.value * scale, found.error * scale
    row = Row(name, value, error, unit, band, NONE, found.entries, note)
    if band is None or (row.entries > 0 and math.isnan(value)):
        return row if band is None else _with(row, FEW)
    return _with(row, verdict(value, error, found.entries, band))


def exact(name: str, value: float, band: Band | None = None, unit: str = "", note: str = "") -> Row:
    """A line with a number that has no statistical error, such as a count of what must not occur."""
    found = NONE if band is None else OK if band.low <= value <= band.high else OUTSIDE
    return Row(name, float(value), 0.0, unit, band, found, note=note)


def missing(name: str, fields: Sequence[str]) -> Row:
    """A line that the file has no fields for."""
    return Row(name, verdict=MISSING, note=", ".join(fields))


def verdict(value: float, error: float, entries: float, band: Band) -> str:
    """The verdict on a number with a statistical error."""
    if entries < FEWEST or not math.isfinite(value) or not math.isfinite(error):
        return FEW
    beyond = max(band.low - value, value - band.high)
    if beyond > SIGNIFICANT * error:
        return OUTSIDE
    return OK if beyond <= 0 and error < band.high - band.low else FEW


def _with(row: Row, found: str) -> Row:
    return Row(row.name, row.value, row.error, row.unit, row.band, found, row.entries, row.note)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
