"""Columns in flat files: any jets at once, in any order, or large runs of them one window after the other."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns, positions
from salt_like.data.manifest import Chunk, DamagedError, Entry, Manifest, columns_from
from salt_like.data.reading import Piece, PieceReader

Array = NDArray[Any]
CHECKED_BYTES = 1 << 28  # how much of a cache is read to compare checksums when it is opened
MARK = 1024  # jets between those whose constituents' place in the files is kept
SPARE = 16  # a buffer is larger than needed by one part in so many, as the next one may need a little more


class Held:
    """Some jets in memory: private arrays, or those of a mapped file.

    Args:
        arrays: Every array; in the place of the counts of a stream, the number of constituents before each jet and
            after the last one, ``(n + 1,)``.
    """

    def __init__(self, arrays: Mapping[Entry, Array]) -> None:
        self._arrays = arrays

    def cells(self) -> Array:
        """Cell of each jet (`Reweighting`), ``(n,)``."""
        return next(values for entry, values in self._arrays.items() if entry.part == "cells")

    def take(self, index: NDArray[np.int64], leave_out: Collection[str] = ()) -> Columns:
        """The jets at `index` (positions among these), in that order, with their constituents.

        Args:
            index: Which jets.
            leave_out: Attributes of `Columns` that are not needed and left empty.
        """
        where: dict[str, Array] = {}
        chosen: dict[Entry, Array] = {}
        for entry, values in self._arrays.items():
            if entry.part == "counts":
                first, last = values.take(index), values.take(index + 1)
                chosen[entry] = (last - first).astype(entry.dtype)
                where[entry.stream] = positions(first, last)
        for entry, values in self._arrays.items():
            if entry.part != "counts" and entry.part not in leave_out:
                rows = values.take(where[entry.per] if entry.per else index, axis=0)
                chosen[entry] = rows.astype(entry.dtype, copy=False)
        return columns_from(chosen)


class Buffers:
    """Memory that is filled again and again: the system need not find and clear new pages each time."""

    def __init__(self) -> None:
        self._found: dict[Entry, Array] = {}

    def of(self, entry: Entry, size: int) -> Array:
        """`size` bytes for the values of an entry; what was there before is lost."""
        found = self._found.get(entry)
        if found is None or found.nbytes < size:
            found = self._found[entry] = np.empty(size + size // SPARE, np.uint8)
        return found[:size]

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers."""
        return sum(found.nbytes for found in self._found.values())


class PackedColumns:
    """Columns in flat files: all of them mapped into memory, or runs of jets read into buffers.

    Files are opened when first used in a process.

    Args:
        folder: The folder of a complete cache.

    Raises:
        DamagedError: Files are missing, have another size than the manifest says, or other bytes than were written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = Manifest.read(folder)
        _check(folder, self.manifest)
        self._whole: Held | None = None
        self._marks: dict[str, tuple[Array, Array]] = {}

    def __len__(self) -> int:
        return self.manifest.jets

    def __getstate__(self) -> dict[str, Any]:
        # another process maps the files itself
        return {**self.__dict__, "_whole": None, "_marks": {}}

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(size for _, _, size in self.manifest.files())

    def whole(self) -> Held:
        """All jets, mapped into memory."""
        if self._whole is None:
            arrays = {entry: self._map(name, entry, size) for name, entry, size in self.manifest.files()}
            for entry, values in arrays.items():
                if entry.part == "counts":
                    arrays[entry] = _ends(values)
            self._whole = Held(arrays)
        return self._whole

    def take(self, index: NDArray[np.int64]) -> Columns:
        """The jets at `index` (positions in the cache), in that order, with their constituents."""
        return self.whole().take(index)

    def read(
        self,
        firsts: NDArray[np.int64],
        lasts: NDArray[np.int64],
        reader: PieceReader,
        buffers: Buffers,
        leave_out: Collection[str] = (),
    ) -> Held:
        """Runs of jets read from the disk, one after the other; other threads go on meanwhile.

        Args:
            firsts: First jet of each run.
            lasts: Jet after the last one of each run.
            reader: How they are read.
            buffers: Where they are put.
            leave_out: Attributes of `Columns` that are not read.

        Raises:
            OSError: A file cannot be read, or has become shorter.
        """
        runs = {"": (firsts, lasts)}
        arrays: dict[Entry, Array] = {}
        for name, entry, size in self.manifest.files():
            if entry.part == "counts":
                arrays[entry], begin, end = self._constituents(name, entry, size, firsts, lasts)
                runs[entry.stream] = begin, end
        pieces: list[Piece] = []
        for name, entry, _ in self.manifest.files():
            if entry.part != "counts" and entry.part not in leave_out:
                begin, end = runs[entry.per]
                content = buffers.of(entry, int((end - begin).sum()) * entry.row_bytes)
                pieces += _pieces(self.folder / name, entry, begin, end, content)
                values = content.view(entry.stored)
                arrays[entry] = values.reshape(-1, entry.width) if entry.width else values
        reader.read(pieces)
        return Held(arrays)

    def _constituents(
        self, name: str, entry: Entry, size: int, firsts: Array, lasts: Array
    ) -> tuple[Array, Array, Array]:
        """Constituents before each jet of the runs, and where those of each run begin and end in the files."""
        if name not in self._marks:
            counts = self._map(name, entry, size)
            # one number for so many jets: a number for each jet would grow with the file
            marks = [counts[start : start + MARK].sum(dtype=np.int64) for start in range(0, len(counts), MARK)]
            self._marks[name] = counts, _ends(np.array(marks, np.int64))
        counts, marked = self._marks[name]
        before = firsts // MARK * MARK  # read from the mark on
        lengths = lasts - before
        starts = np.cumsum(lengths) - lengths
        ends = _ends(counts.take(positions(before, lasts)))
        shift = marked[firsts // MARK] - ends[starts]
        begin, end = starts + firsts - before, starts + lengths
        own = np.diff(ends).take(positions(begin, end))
        return _ends(own), ends[begin] + shift, ends[end] + shift

    def _map(self, name: str, entry: Entry, size: int) -> Array:
        shape = (-1, entry.width) if entry.width else (-1,)
        if size == 0:  # an empty file cannot be mapped
            return np.empty((0, entry.width) if entry.width else 0, entry.stored)
        with (self.folder / name).open("rb") as file:
            memory = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        values: Array = np.frombuffer(memory, entry.stored).reshape(shape)
        return values


def _pieces(path: Path, entry: Entry, firsts: Array, lasts: Array, content: Array) -> Iterator[Piece]:
    """The bytes of the rows from each of `firsts` to its one of `lasts`, put one after the other."""
    starts = firsts * entry.row_bytes
    lengths = lasts * entry.row_bytes - starts
    ends = np.cumsum(lengths)
    inwards = np.argsort(firsts, kind="stable")  # from the beginning of the file to its end
    places = zip(*(values[inwards].tolist() for values in (starts, ends - lengths, ends)), strict=True)
    return (Piece(path, start, content.data[begin:end]) for start, begin, end in places)


def _ends(counts: Array) -> Array:
    """0 and the cumulative sums of `counts`, int64."""
    ends = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, dtype=np.int64, out=ends[1:])
    return ends


def _check(folder: Path, manifest: Manifest) -> None:
    budget = CHECKED_BYTES
    for number, (name, entry, size) in enumerate(manifest.files()):
        path = folder / name
        found = path.stat().st_size if path.is_file() else -1
        if found != size:
            raise DamagedError(f"{path} has {max(found, 0)} bytes instead of {size}")
        budget -= _compare(path, entry, number, manifest.chunks, budget)


def _compare(path: Path, entry: Entry, number: int, chunks: list[Chunk], budget: int) -> int:
    """Compare the checksums of as many chunks as `budget` allows, first and last first; returns the bytes read."""
    read, starts = 0, np.cumsum([0, *(chunk.length(entry) * entry.row_bytes for chunk in chunks)])
    order = sorted(range(len(chunks)), key=lambda position: min(position, len(chunks) - 1 - position))
    with path.open("rb") as file:
        for position in order:
            if read > 0 and read >= budget:
                break
            file.seek(int(starts[position]))
            content = file.read(int(starts[position + 1] - starts[position]))
            read += len(content)
            if zlib.crc32(content) != chunks[position].sums[number]:
                raise DamagedError(f"{path} does not hold what was written into it")
    return read
