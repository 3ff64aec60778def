"""Reads fields of the source again, to be copied into prediction files with their own types."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from salt_like.data.files import Rows, Source

BLOCK = 5_000  # rows read at a time


def read_rows(source: Source, stream: str, rows: NDArray[np.int64], names: Collection[str]) -> Rows:
    """Some fields of some jets.

    Args:
        source: Files or arrays.
        stream: Name of the dataset.
        rows: Row numbers in all parts as if they were one, ascending, ``(n,)``.
        names: Fields.

    Returns:
        ``(n,)`` for one row per jet, ``(n, L)`` for constituents.
    """
    header = source.header(stream)
    tail = (header.capacity,) if header.capacity else ()
    result = np.zeros((len(rows), *tail), np.dtype([(name, header.dtype[name]) for name in names]))
    start = 0
    for part, (_, length) in enumerate(source.parts):
        done, last = (int(edge) for edge in np.searchsorted(rows, [start, start + length]))
        while done < last:
            first = int(rows[done]) - start
            end = min(int(np.searchsorted(rows, rows[done] + BLOCK)), last)
            block = source.read(stream, part, first, int(rows[end - 1]) - start + 1)
            chosen = block[rows[done:end] - start - first]
            for name in names:
                result[name][done:end] = chosen[name]
            done = end
        start += length
    return result
