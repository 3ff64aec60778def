"""Columns in flat files that are mapped into memory: any jets at once, in any order."""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns

Array = NDArray[Any]
MANIFEST = "manifest.json"
VERSION = 1
CHECKED_BYTES = 1 << 28  # how much of a cache is read to compare checksums when it is opened
PREFETCHED_BYTES = 1 << 24  # arrays smaller than this stay in memory without being asked


class DamagedError(Exception):
    """A cache whose files are not what its manifest says."""


@dataclass(frozen=True)
class Entry:
    """One array of `Columns`.

    Args:
        part: Attribute of `Columns`, such as ``"inputs"``.
        stream: Stream, empty for arrays of jets that belong to none.
        key: Label key, empty for other arrays.
        per: Set stream by whose constituents the array runs, empty when it runs by jets.
        dtype: Type of the array in `Columns`.
        stored: Type in the file.
        width: Number of variables, 0 for arrays of one dimension.
    """

    part: str
    stream: str
    key: str
    per: str
    dtype: str
    stored: str
    width: int = 0

    @property
    def row_bytes(self) -> int:
        """Bytes of one jet or constituent in the file."""
        return int(np.dtype(self.stored).itemsize * max(self.width, 1))

    def file(self, number: int) -> str:
        """Name of the file of the entry with this number."""
        words = "".join(c if c.isalnum() else "-" for c in f"{self.part} {self.stream} {self.key}".strip())[:60]
        return f"{number:02d}.{words}.{self.stored}"


def entries_of(columns: Columns) -> dict[Entry, Array]:
    """Every array of `columns` with its description, types as they are."""
    found: dict[Entry, Array] = {}

    def add(part: str, values: Array | None, stream: str = "", key: str = "", runs: bool = True) -> None:
        if values is not None:
            per = stream if runs and stream in columns.counts else ""
            width = values.shape[1] if values.ndim == 2 else 0
            found[Entry(part, stream, key, per, values.dtype.name, values.dtype.name, width)] = values

    add("rows", columns.rows)
    add("weights", columns.weights)
    add("events", columns.events)
    for stream, values in columns.counts.items():
        add("counts", values, stream, runs=False)
    for stream, values in columns.inputs.items():
        add("inputs", values, stream)
    for stream, labels in columns.labels.items():
        for key, values in labels.items():
            add("labels", values, stream, key)
    for stream, values in columns.positions.items():
        add("positions", values, stream)
    return found


def columns_from(arrays: Mapping[Entry, Array]) -> Columns:
    """The inverse of `entries_of`."""
    parts: dict[str, dict[str, Any]] = {"inputs": {}, "counts": {}, "labels": {}, "positions": {}}
    whole: dict[str, Array] = {}
    for entry, values in arrays.items():
        if entry.part == "labels":
            parts["labels"].setdefault(entry.stream, {})[entry.key] = values
        elif entry.stream:
            parts[entry.part][entry.stream] = values
        else:
            whole[entry.part] = values
    return Columns(
        rows=whole["rows"],
        inputs=parts["inputs"],
        counts=parts["counts"],
        labels=parts["labels"],
        weights=whole.get("weights"),
        events=whole.get("events"),
        positions=parts["positions"],
    )


@dataclass(frozen=True)
class Chunk:
    """Some jets of a cache that were written together.

    Args:
        jets: Number of jets.
        lengths: Number of constituents per set stream.
        sums: Checksum of this chunk's bytes in each file, in the order of the entries.
    """

    jets: int
    lengths: dict[str, int]
    sums: list[int]

    def length(self, entry: Entry) -> int:
        """Number of rows of an array."""
        return self.lengths[entry.per] if entry.per else self.jets


@dataclass(frozen=True)
class Manifest:
    """What is in the files of a cache.

    Args:
        entries: The arrays, one file each.
        chunks: The chunks, as they stand in every file.
        next_row: Row of the source at which to continue an interrupted writing.
        about: What the cache was made from, for people.
    """

    entries: list[Entry]
    chunks: list[Chunk]
    next_row: int
    about: dict[str, Any]

    @property
    def jets(self) -> int:
        """Number of jets."""
        return sum(chunk.jets for chunk in self.chunks)

    def rows(self, entry: Entry) -> int:
        """Number of rows of an array."""
        return sum(chunk.length(entry) for chunk in self.chunks)

    def files(self) -> Iterator[tuple[str, Entry, int]]:
        """Name, entry and size in bytes of every file."""
        for number, entry in enumerate(self.entries):
            yield entry.file(number), entry, self.rows(entry) * entry.row_bytes

    def write(self, folder: Path) -> None:
        """Write this description into the folder, in one step."""
        text = json.dumps({"version": VERSION, **asdict(self)})
        document = {"sum": zlib.crc32(text.encode()), "text": text}
        temporary = folder / f"{MANIFEST}.new"
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(folder / MANIFEST)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The description of the cache in a folder.

        Raises:
            DamagedError: It is missing, incomplete or of another version.
        """
        try:
            document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            plain = json.loads(document["text"])
            if zlib.crc32(document["text"].encode()) != document["sum"] or plain.pop("version") != VERSION:
                raise DamagedError(f"{folder / MANIFEST} is damaged or of another version")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"{folder / MANIFEST} cannot be read: {error}") from error
        plain["entries"] = [Entry(**entry) for entry in plain["entries"]]
        plain["chunks"] = [Chunk(**chunk) for chunk in plain["chunks"]]
        return cls(**plain)


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

    def __len__(self) -> int:
        return self.manifest.jets

    def __getstate__(self) -> dict[str, Any]:
        # another process maps the files itself
        return {**self.__dict__, "_arrays": None, "_maps": [], "_starts": None}

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
        arrays = self._open()
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


def shrunk(values: Array) -> str:
    """The smallest type of integers that holds all `values`; their own type for other numbers."""
    if values.dtype.kind != "i":
        return str(values.dtype.name)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    fits: Callable[[str], bool] = lambda name: np.iinfo(name).min <= low and high <= np.iinfo(name).max  # noqa: E731
    return next(name for name in ("int8", "int16", "int32", "int64") if fits(name))
