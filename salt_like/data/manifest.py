"""What is in the flat files of a cache."""

from __future__ import annotations

import json
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
    add("cells", columns.cells)
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
        cells=whole.get("cells"),
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


def shrunk(values: Array) -> str:
    """The smallest type of integers that holds all `values`; their own type for other numbers."""
    if values.dtype.kind != "i":
        return str(values.dtype.name)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    fits: Callable[[str], bool] = lambda name: np.iinfo(name).min <= low and high <= np.iinfo(name).max  # noqa: E731
    return next(name for name in ("int8", "int16", "int32", "int64") if fits(name))
