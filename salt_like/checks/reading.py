"""Files read in pieces of bounded size: all of it, or blocks spread evenly over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.source import Header, Rows, Source, main_stream
from salt_like.data.watch import watch

BYTES_AT_ONCE = 48 << 20  # of all streams together, before copies are made of them
MOST_ROWS = 20_000
BLOCKS = 100  # that a drawn part of a sample consists of
VALID = "valid"


@dataclass(frozen=True)
class Piece:
    """Some neighbouring rows of one file.

    Args:
        part: Number of the file within its sample.
        file: Its path.
        start: First row within the file.
        rows: Stream → rows, ``(n,)`` or ``(n, N)``; a stream that is shorter than the file's jets may have fewer.
    """

    part: int
    file: str
    start: int
    rows: Mapping[str, Rows]

    def real(self, stream: str) -> NDArray[np.bool_]:
        """Which constituents are real, ``(n, N)``."""
        rows = self.rows[stream]
        if VALID in (rows.dtype.names or ()):
            return np.asarray(rows[VALID], bool)
        return np.ones(rows.shape, bool)


def pieces(source: Source, what: str) -> Iterator[Piece]:
    """All rows of all streams, a piece at a time.

    Args:
        source: The files of a sample.
        what: What is being done, for the progress bar.
    """
    step = _rows_at_once(source.headers)
    longest = [max(lengths[part] for lengths in source.lengths.values()) for part in range(len(source.parts))]
    total, done = sum(longest), 0
    with watch(what) as progress:
        for part, length in enumerate(longest):
            for start in range(0, length, step):
                stop = min(start + step, length)
                yield _piece(source, part, start, stop)
                done += stop - start
                progress(done, total)


def drawn(source: Source, most: int, what: str) -> Iterator[Piece]:
    """Blocks spread evenly over all files, or all rows where there are no more than `most`.

    Args:
        source: The files of a sample.
        most: Number of jets wanted.
        what: What is being done, for the progress bar.
    """
    if source.rows <= most:
        yield from pieces(source, what)
        return
    size = min(-(-most // BLOCKS), _rows_at_once(source.headers))
    number = -(-most // size)
    ends = np.cumsum([rows for _, rows in source.parts])
    with watch(what) as progress:
        for block in range(number):
            first = block * source.rows // number
            part = int(np.searchsorted(ends, first, "right"))
            begin = first - int(ends[part] - source.parts[part][1])
            yield _piece(source, part, begin, min(begin + size, source.parts[part][1]))
            progress((block + 1) * size, number * size)


def global_stream(source: Source) -> str | None:
    """The stream with one row per jet, if there is one."""
    main = main_stream(source.headers)
    single = [name for name in of_jets(source) if not source.headers[name].capacity]
    return main if main in single else next(iter(single), None)


def of_jets(source: Source) -> list[str]:
    """Streams that have as many rows as there are jets, in every file."""
    lengths = source.lengths[main_stream(source.headers)]
    return [name for name, others in source.lengths.items() if others == lengths]


def place(source: Source, row: int) -> tuple[int, str]:
    """Row within its file, and the file, of a row of a sample."""
    for name, rows in source.parts:
        if row < rows:
            return row, name
        row -= rows
    raise IndexError(row)


def numeric(header: Header) -> list[str]:
    """Fields that hold one number each, without the mask."""
    kinds = header.dtype
    return [name for name in header.fields if name != VALID and kinds[name].kind in "fiub" and kinds[name].shape == ()]


def whole(values: NDArray[Any]) -> NDArray[np.int64]:
    """Labels as whole numbers; what is no number becomes a value that no label has."""
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    return np.where(np.isfinite(values), values, np.iinfo(np.int32).min).astype(np.int64)


def _rows_at_once(headers: Mapping[str, Header]) -> int:
    width = sum(header.dtype.itemsize * max(header.capacity, 1) for header in headers.values())
    return int(np.clip(BYTES_AT_ONCE // max(width, 1), 1, MOST_ROWS))


def _piece(source: Source, part: int, start: int, stop: int) -> Piece:
    rows = {
        name: source.read(name, part, min(start, lengths[part]), min(stop, lengths[part]))
        for name, lengths in source.lengths.items()
    }
    return Piece(part, source.parts[part][0], start, rows)
