"""Writing columns into the flat files of a cache, chunk by chunk."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.manifest import Chunk, DamagedError, Entry, Manifest, entries_of, shrunk

Array = NDArray[Any]
SHRUNK = ("counts", "labels", "positions", "cells")


def rechunked(parts: Iterable[Columns], size: int) -> Iterator[Columns]:
    """The same jets in pieces of exactly `size`, the last one smaller."""
    waiting: list[Columns] = []
    number = 0
    for part in parts:
        waiting.append(part)
        number += len(part)
        if number >= size:
            joined = Columns.concatenate(waiting)
            full = number // size * size
            for start in range(0, full, size):
                yield joined.select(slice(start, start + size))
            waiting, number = [joined.select(slice(full, number))], number - full
    if number:
        yield Columns.concatenate(waiting)


class Writer:
    """Appends chunks to a folder; what a former, interrupted writer finished is kept.

    Args:
        folder: Where the files are; need not exist.
        about: What the cache is made from, for people.
        shuffle: Shuffle the jets of each chunk among themselves.
    """

    def __init__(self, folder: Path, about: dict[str, Any], shuffle: bool) -> None:
        self.folder = folder
        self.shuffle = shuffle
        self.manifest = Manifest([], [], 0, about)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.manifest = replace(Manifest.read(folder), about=about)
            self._cut_back()
        except DamagedError:
            shutil.rmtree(folder)
            folder.mkdir()
            self.manifest = Manifest([], [], 0, about)

    def append(self, columns: Columns) -> None:
        """Write one more chunk; it counts only once it is complete on the disk."""
        next_row = int(columns.rows.max()) + 1
        if self.shuffle:
            # the same order whenever the cache is written; an epoch's own shuffling comes on top
            random = np.random.default_rng([len(self.manifest.chunks), len(columns)])
            columns = columns.select(random.permutation(len(columns)))
        arrays = entries_of(columns)
        if not self.manifest.chunks:
            self.manifest = replace(self.manifest, entries=[_stored(entry, arrays[entry]) for entry in arrays])
        self._widen(arrays)
        sums = []
        for number, (entry, values) in enumerate(zip(self.manifest.entries, arrays.values(), strict=True)):
            content = np.ascontiguousarray(values, entry.stored).tobytes()
            with (self.folder / entry.file(number)).open("ab") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            sums.append(zlib.crc32(content))
        lengths = {stream: int(counts.sum()) for stream, counts in columns.counts.items()}
        chunks = [*self.manifest.chunks, Chunk(len(columns), lengths, sums)]
        self.manifest = replace(self.manifest, chunks=chunks, next_row=next_row)
        self.manifest.write(self.folder)

    def close(self) -> None:
        """Say that nothing more comes; a cache without any jets is complete too."""
        self.manifest.write(self.folder)

    def _cut_back(self) -> None:
        """Remove what was written after the last complete chunk."""
        for name, _, size in self.manifest.files():
            path = self.folder / name
            if not path.is_file() or path.stat().st_size < size:
                raise DamagedError(f"{path} is shorter than {size} bytes")
            os.truncate(path, size)

    def _widen(self, arrays: dict[Entry, Array]) -> None:
        """Rewrite files whose type of integers is too small for the next chunk."""
        for number, (entry, values) in enumerate(zip(self.manifest.entries, arrays.values(), strict=True)):
            needed = _stored(entry, values).stored
            if np.dtype(needed).itemsize <= np.dtype(entry.stored).itemsize:
                continue
            wide = replace(entry, stored=needed)
            chunks = []
            with (
                (self.folder / entry.file(number)).open("rb") as old,
                (self.folder / wide.file(number)).open("wb") as new,
            ):
                for chunk in self.manifest.chunks:
                    content = old.read(chunk.length(entry) * entry.row_bytes)
                    content = np.frombuffer(content, entry.stored).astype(needed).tobytes()
                    new.write(content)
                    sums = [*chunk.sums]
                    sums[number] = zlib.crc32(content)
                    chunks.append(replace(chunk, sums=sums))
            entries = [*self.manifest.entries]
            entries[number] = wide
            self.manifest = replace(self.manifest, entries=entries, chunks=chunks)
            # an interruption before this line finds the narrow file complete, after it the wide one
            self.manifest.write(self.folder)
            (self.folder / entry.file(number)).unlink()


def _stored(entry: Entry, values: Array) -> Entry:
    return replace(entry, stored=shrunk(values) if entry.part in SHRUNK else values.dtype.name)


def stored_bytes(columns: Columns) -> int:
    """Bytes that these jets take in the files."""
    arrays = entries_of(columns)
    return sum(_stored(entry, values).row_bytes * values.shape[0] for entry, values in arrays.items())
