"""Single variables: constant, spiked at a default value, NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.checks.finding import Check, Finding, Options
from salt_like.checks.reading import Piece, numeric
from salt_like.data.source import Header, Source
from salt_like.data.truth import truth_of

NOT_A_NUMBER = Check(
    "nan",
    "warning",
    "NaN in variables",
    "as inputs they are refused: drop these jets or constituents (data.select), or, if NaN stands for not measured, "
    "data: {defaults: {{paste}}}",
)
INFINITE = Check("inf", "error", "infinite values", "find out who divides by 0; until then data.select leaves them out")
CONSTANT = Check(
    "constant", "warning", "the same value everywhere", "it tells a network nothing: leave it out of data.inputs"
)
SPIKE = Check(
    "default",
    "warning",
    "one value stands out: a default for not measured?",
    "if so, keep it out of mean and width: data: {defaults: {{paste}}}",
)

FEWEST = 20  # entries: with fewer, nothing can be said about a distribution
CONTINUOUS = 50  # different values: with fewer it may be a count, where one value is often common
SEVERAL = 10  # different values besides a known default
OUTSTANDING = 10.0  # times more common than the second most common value
RARE = 1e-3  # share from which on a value far outside is no mere outlier
FAR = 2.0  # widths of all the rest
KNOWN_DEFAULTS = (-999.0, -9999.0, -99.0, 999.0, 9999.0)


def defaults(values: NDArray[Any], max_share: float = 0.05) -> list[float]:
    """Values that look like defaults, most common first.

    A value is taken for one when it holds `max_share` of the entries of a continuous variable and ten times more than
    any other, when it is repeated and lies more than twice the width of all the rest away from them, or when it is the
    lowest or highest and one of the usual ones (-999, -99, …; -1 where all others are not negative).

    Args:
        values: Entries of a variable, ``(n,)``.
        max_share: See above.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < FEWEST:
        return []
    different, counts = np.unique(finite.astype(np.float64), return_counts=True)
    found: list[float] = []
    while len(different) > 1 and len(found) < 3:
        suspect = _spike(different, counts, len(finite), max_share)
        if suspect is None:
            break
        found.append(float(different[suspect]))
        different, counts = np.delete(different, suspect), np.delete(counts, suspect)
    return found


def _spike(different: NDArray[np.float64], counts: NDArray[np.intp], entries: int, max_share: float) -> int | None:
    top = int(counts.argmax())
    second = np.delete(counts, top).max()
    if len(different) > CONTINUOUS and counts[top] >= max(max_share * entries, 5, OUTSTANDING * second):
        return top
    for end, rest in ((0, different[1:]), (len(different) - 1, different[:-1])):
        if counts[end] < max(RARE * entries, 3):
            continue
        width = rest[-1] - rest[0]
        gap = max(rest[0] - different[end], different[end] - rest[-1])
        is_known = different[end] in KNOWN_DEFAULTS or (different[end] == -1 and rest[0] >= 0)
        if (len(rest) >= 3 and gap > FAR * width) or (is_known and len(rest) >= SEVERAL):
            return end
    return None


@dataclass
class Tally:
    """Number of entries of one kind, and the first of them."""

    number: int = 0
    part: int = 0
    file: str = ""
    row: int | None = None

    def add(self, chosen: NDArray[np.bool_], jets: NDArray[np.intp], piece: Piece) -> None:
        """Counts entries.

        Args:
            chosen: Which entries are meant, ``(n,)``.
            jets: Row within the piece that each entry belongs to, ``(n,)``.
            piece: Where they come from.
        """
        number = int(chosen.sum())
        if number and self.row is None:
            self.part, self.file, self.row = piece.part, piece.file, piece.start + int(jets[chosen.argmax()])
        self.number += number


@dataclass
class FieldTally:
    """What one field has that an input should not have."""

    entries: int = 0
    nan: Tally = field(default_factory=Tally)
    infinite: Tally = field(default_factory=Tally)
    low: float = np.inf
    high: float = -np.inf
    defaults: dict[float, Tally] = field(default_factory=dict)

    def update(self, values: NDArray[Any], jets: NDArray[np.intp], piece: Piece) -> None:
        """Adds the entries of a piece."""
        self.entries += len(values)
        for default, tally in self.defaults.items():
            tally.add(values == values.dtype.type(default), jets, piece)
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            if not finite.all():
                self.nan.add(np.isnan(values), jets, piece)
                self.infinite.add(np.isinf(values), jets, piece)
                values = values[finite]
        if len(values):
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))


class Values:
    """Collects what is wrong with single variables.

    Fields that know the truth may be anything but infinite: NaN is how they say that there is none.

    Args:
        source: The files of a sample.
        suspects: Stream and field → values that look like defaults, to be counted exactly.
        options: What is ignored.
    """

    def __init__(self, source: Source, suspects: Mapping[tuple[str, str], Sequence[float]], options: Options) -> None:
        self.truth = {name: set(truth_of(header)) for name, header in source.headers.items()}
        self.fields = {
            (stream, name): FieldTally(defaults={one: Tally() for one in suspects.get((stream, name), ())})
            for stream, header in source.headers.items()
            for name in checked(header, options)
        }

    def update(self, piece: Piece) -> None:
        """Adds a piece."""
        packed = {}
        for stream, rows in piece.rows.items():
            real = piece.real(stream) if rows.ndim == 2 else None
            jets = np.arange(len(rows)) if real is None else np.nonzero(real)[0]
            packed[stream] = (rows if real is None else rows[real], jets)
        for (stream, name), tally in self.fields.items():
            rows, jets = packed[stream]
            tally.update(rows[name], jets, piece)

    def findings(self, sample: str) -> Iterable[Finding]:
        """What was found."""
        for (stream, name), one in self.fields.items():
            where, is_truth = f"{stream}.{name}", name in self.truth[stream]
            if one.infinite.number:
                yield _finding(INFINITE, sample, where, "inf", one.infinite, one.entries)
            if is_truth:
                continue
            if one.nan.number:
                yield _finding(NOT_A_NUMBER, sample, where, "NaN", one.nan, one.entries, f"{name}: .nan")
            is_finite = not one.nan.number and not one.infinite.number
            if one.entries >= FEWEST and is_finite and one.low == one.high:
                yield Finding(CONSTANT, sample, where, f"{one.low:g}", one.entries, one.entries)
            for value, tally in one.defaults.items():
                if tally.number and one.low < one.high:
                    yield _finding(SPIKE, sample, where, f"{value:g}", tally, one.entries, f"{name}: {value:g}")


def checked(header: Header, options: Options) -> list[str]:
    """Fields of a stream that are looked at."""
    return [name for name in numeric(header) if not options.ignored(header.name, name)]


def _finding(check: Check, sample: str, where: str, value: str, tally: Tally, total: int, paste: str = "") -> Finding:
    return Finding(check, sample, where, value, tally.number, total, row=tally.row, file=tally.file, paste=paste)
