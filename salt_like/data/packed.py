"""Columns in flat files that are mapped into memory: any jets at once, in any order."""

from __future__ import annotations

import mmap
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.manifest import Chunk, DamagedError, Entry, Manifest, columns_from

Array = NDArray[Any]
CHECKED_BYTES = 1 << 28  # how much of a cache is read to compare checksums when it is opened
PREFETCHED_BYTES = 1 << 24  # arrays smaller than this stay in memory without being asked


class PackedColumns:
    """Columns in flat files, mapped into memory when first used in a process.

    Args:
        folder: The folder of a complete cache.

    Raises:
        DamagedError: Files are missing, have another size than the manifest says, or other bytes than were written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = Manifest.read(folder)
        _check(folder, self.manifest)
        self._arrays: dict[Entry, Array] | None = None
        self._maps: list[tuple[mmap.mmap, Entry]] = []
        self._random = False

    def __len__(self) -> int:
        return self.manifest.jets

    def __getstate__(self) -> dict[str, Any]:
        # another process maps the files itself
        return {**self.__dict__, "_arrays": None, "_maps": [], "_random": False}

    def take(self, index: NDArray[np.int64]) -> Columns:
        """The jets at `index` (positions in the cache), in that order, with their constituents."""
        arrays = self._open()
        where: dict[str, Array] = {}
        chosen: dict[Entry, Array] = {}
        for entry, values in arrays.items():
            if entry.part == "counts":
                first, last = values[index], values[index + 1]
                chosen[entry] = (last - first).astype(entry.dtype)
                where[entry.stream] = _flat(first, last)
        for entry, values in arrays.items():
            if entry.part != "counts":
                rows = values.take(where[entry.per] if entry.per else index, axis=0)
                chosen[entry] = rows.astype(entry.dtype, copy=False)
        return columns_from(chosen)

    def prefetch(self, firsts: NDArray[np.int64], lasts: NDArray[np.int64]) -> None:
        """Ask the system to read runs of jets, so that a later `take` need not wait for the disk.

        Args:
            firsts: First jet of each run.
            lasts: Jet after the last one of each run.
        """
        if len(firsts) == 0:
            return
        arrays = self._open()
        if not self._random:
            # what is not asked for here is not worth reading: some systems read megabytes around each missing page
            for memory, _ in self._maps:
                if len(memory) >= PREFETCHED_BYTES:
                    memory.madvise(mmap.MADV_RANDOM)
            self._random = True
        ends = {entry.stream: values for entry, values in arrays.items() if entry.part == "counts"}
        for memory, entry in self._maps:
            if len(memory) < PREFETCHED_BYTES:
                continue
            rows = (ends[entry.per][firsts], ends[entry.per][lasts]) if entry.per else (firsts, lasts)
            starts = rows[0] * entry.row_bytes // mmap.PAGESIZE * mmap.PAGESIZE
            lengths = rows[1] * entry.row_bytes - starts
            for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
                if length > 0:
                    memory.madvise(mmap.MADV_WILLNEED, start, length)

    def array(self, part: str, stream: str = "", key: str = "") -> Array | None:
        """One array of all jets as it is stored, without reading it; ``None`` when the cache has none."""
        for entry, values in self._open().items():
            if (entry.part, entry.stream, entry.key) == (part, stream, key):
                return values
        return None

    def _open(self) -> dict[Entry, Array]:
        if self._arrays is None:
            self._maps = []
            self._arrays = {entry: self._map(name, entry, size) for name, entry, size in self.manifest.files()}
            for entry in self.manifest.entries:
                if entry.part == "counts":
                    counts = self._arrays[entry]
                    self._arrays[entry] = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        return self._arrays

    def _map(self, name: str, entry: Entry, size: int) -> Array:
        shape = (-1, entry.width) if entry.width else (-1,)
        if size == 0:  # an empty file cannot be mapped
            return np.empty((0, entry.width) if entry.width else 0, entry.stored)
        with (self.folder / name).open("rb") as file:
            memory = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        self._maps.append((memory, entry))
        values: Array = np.frombuffer(memory, entry.stored).reshape(shape)
        return values


def _flat(first: Array, last: Array) -> Array:
    """Positions of all constituents between `first` and `last` of each jet, jet by jet."""
    counts = last - first
    ends = np.cumsum(counts)
    flat: Array = np.repeat(first - (ends - counts), counts)
    flat += np.arange(flat.shape[0])
    return flat


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
