"""What data files contain, read once from beginning to end, and what is wrong with them."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.atomic import write_atomically
from salt_like.checks.finding import Options
from salt_like.checks.reading import Piece, pieces
from salt_like.checks.run import check
from salt_like.cli import inspect_checks
from salt_like.cli.table import Table, number
from salt_like.data import conventions
from salt_like.data.files import Files, Header

MOST_CLASSES = 100  # of a field that is known to be a class label
MOST_VALUES = 10  # of one that might be
VALID = "valid"


@dataclass
class FieldSummary:
    """What the real entries of one field are like.

    Args:
        name: The field.
        kind: Its type in the file.
        entries: Number of entries seen.
        nan: How many are NaN.
        infinite: How many are infinite.
        low: Smallest finite value.
        high: Largest finite value.
        total: Sum of the finite values.
        values: Value → number of entries for class labels, ``None`` for other fields.
        most_values: With more different values it is no class label.
    """

    name: str
    kind: str
    entries: int = 0
    nan: int = 0
    infinite: int = 0
    low: float = np.inf
    high: float = -np.inf
    total: float = 0.0
    values: dict[int, int] | None = None
    most_values: int = MOST_VALUES

    @property
    def mean(self) -> float:
        """Mean of the finite values."""
        finite = self.entries - self.nan - self.infinite
        return self.total / finite if finite else np.nan

    @property
    def constant(self) -> bool:
        """True when every entry is the same number."""
        return self.entries > 0 and self.nan == self.infinite == 0 and self.low == self.high

    def update(self, values: NDArray[Any]) -> None:
        """Adds some entries."""
        self.entries += len(values)
        if values.dtype.kind == "f":
            self.nan += int(np.isnan(values).sum())
            self.infinite += int(np.isinf(values).sum())
            values = values[np.isfinite(values)]
        if not len(values):
            return
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        self.total += float(values.sum(dtype=np.float64))
        if self.values is not None:
            for value, entries in zip(*np.unique(values, return_counts=True), strict=True):
                self.values[int(value)] = self.values.get(int(value), 0) + int(entries)
            if len(self.values) > self.most_values:
                self.values = None


@dataclass
class StreamSummary:
    """What one stream of a file is like.

    Args:
        header: What the file says about it.
        fields: Its fields.
        multiplicities: Number of jets with 0, 1, 2, … constituents; empty for a stream with one row per jet.
        numeric: Names of the fields that are numbers.
    """

    header: Header
    fields: dict[str, FieldSummary]
    multiplicities: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def update(self, rows: NDArray[np.void]) -> None:
        """Adds some rows of the file."""
        if self.header.capacity:
            real = rows[VALID].astype(bool) if VALID in self.header.fields else np.ones(rows.shape, bool)
            found = np.bincount(real.sum(axis=1), minlength=self.header.capacity + 1)
            self.multiplicities = found + (self.multiplicities if len(self.multiplicities) else 0)
            rows = rows[real]
        for name, summary in self.fields.items():
            summary.update(rows[name])


class Summary:
    """What each stream of some files is like.

    Args:
        files: The files.
    """

    def __init__(self, files: Files) -> None:
        self.streams = {name: StreamSummary(header, _fields(header)) for name, header in files.headers.items()}

    def update(self, piece: Piece) -> None:
        """Adds some rows of each stream."""
        for name, rows in piece.rows.items():
            self.streams[name].update(rows)


def summarise(path: Path) -> tuple[Files, dict[str, StreamSummary]]:
    """Reads a file.

    Args:
        path: HDF5 file with one structured array per stream.

    Raises:
        UserError: It cannot be read.
    """
    files = Files([path])
    summary = Summary(files)
    for piece in pieces(files, "reading"):
        summary.update(piece)
    files.close()
    return files, summary.streams


def inspect(given: Mapping[str, Files], options: Options, written: Path | None) -> tuple[list[Table | str], bool]:
    """What samples contain, and what is wrong with them.

    Args:
        given: Name → files of each sample. Of a single one everything is shown, of several what differs.
        options: Of the checks.
        written: Where to write everything that was found as JSON.

    Returns:
        Tables, and True where a check found an error.

    Raises:
        UserError: A file cannot be read, or an option names a field that does not exist.
    """
    files = next(iter(given.values()))
    summary = Summary(files)
    found = check(given, options, summary.update) if len(given) == 1 else check(given, options)
    for one in given.values():
        one.close()
    if written is not None:
        machine = inspect_checks.plain(found)
        if len(given) == 1:
            machine["streams"] = inspect_checks.finite(
                {
                    name: {
                        "fields": [{**dataclasses.asdict(field), "mean": field.mean} for field in one.fields.values()],
                        "multiplicities": one.multiplicities.tolist(),
                    }
                    for name, one in summary.streams.items()
                }
            )
        with write_atomically(written) as path:
            path.write_text(json.dumps(machine, indent=1) + "\n", encoding="utf-8")
    parts = tables(_said(files), files, summary.streams) if len(given) == 1 else []
    return parts + inspect_checks.tables(found), found.failed


def _fields(header: Header) -> dict[str, FieldSummary]:
    numeric = [name for name in header.fields if header.dtype[name].kind in "fiub" and header.dtype[name].shape == ()]
    found = {}
    for name in numeric:
        if name != VALID:
            known = _has_class_names(header, name)
            might = header.dtype[name].kind in "iu" and (known or is_truth(name))
            most = MOST_CLASSES if known else MOST_VALUES
            found[name] = FieldSummary(name, str(header.dtype[name]), values={} if might else None, most_values=most)
    return found


def _has_class_names(header: Header, name: str) -> bool:
    aliases = conventions.aliases(name)
    return any(one in header.attributes or one in conventions.LABEL_CLASSES for one in aliases)


def is_truth(name: str) -> bool:
    """True for a field that knows the truth or the event, by the field's naming conventions."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in conventions.TRUTH_FIELDS)


def tables(title: str, files: Files, streams: Mapping[str, StreamSummary]) -> list[Table | str]:
    """Tables of everything in some files.

    Args:
        title: What messages call them.
        files: The files.
        streams: What each stream is like.
    """
    units = f", units: {files.attributes['units']}" if "units" in files.attributes else ""
    parts: list[Table | str] = [f"{title}: {files.rows} jets, {len(streams)} streams{units}"]
    for name, summary in streams.items():
        parts.append(_table(name, summary))
        labels = {one.name: one.values for one in summary.fields.values() if one.values and not one.constant}
        parts += [_classes(summary.header, label, values) for label, values in labels.items()]
    sets = {name: one for name, one in streams.items() if one.header.capacity}
    if sets:
        parts.append(_multiplicities(sets))
    return parts


def _said(files: Files) -> str:
    more = f" and {len(files.paths) - 1} more files" if len(files.paths) > 1 else ""
    return f"{files.paths[0]}{more}"


def _table(name: str, summary: StreamSummary) -> Table:
    shape = f"at most {summary.header.capacity} per jet" if summary.header.capacity else "one row per jet"
    rows = [
        [one.name, one.kind, *_range(one), str(one.nan), str(one.infinite), _notes(one)]
        for one in summary.fields.values()
    ]
    headings = ["field", "type", "lowest", "mean", "highest", "NaN", "inf", "note"]
    return Table(f"stream {name} ({shape})", headings, rows, frozenset({0, 1, 7}))


def _range(one: FieldSummary) -> list[str]:
    return ["-"] * 3 if one.low > one.high else [number(value) for value in (one.low, one.mean, one.high)]


def _notes(one: FieldSummary) -> str:
    notes = ["constant"] * one.constant + ["truth"] * is_truth(one.name)
    return ", ".join(notes + ["no finite entry"] * (one.low > one.high))


def _classes(header: Header, label: str, values: dict[int, int]) -> Table:
    named = header.attributes.get(label)
    names: dict[int, str] = dict(enumerate(map(str, named))) if isinstance(named, list) else {}
    for other in conventions.aliases(label):
        names = names or conventions.LABEL_CLASSES.get(other, {})
    total = sum(values.values())
    present = sorted({*values, *names})
    rows = [
        [str(value), names.get(value, ""), str(values.get(value, 0)), f"{values.get(value, 0) / total:.2%}"]
        for value in present
    ]
    return Table(f"classes of {header.name}.{label}", ["value", "class", "entries", "share"], rows, frozenset({1}))


def _multiplicities(streams: dict[str, StreamSummary]) -> Table:
    rows = []
    for name, summary in streams.items():
        counts = summary.multiplicities
        jets, numbers = int(counts.sum()), np.arange(len(counts))
        present = np.flatnonzero(counts)
        if not jets:
            continue
        median = int(np.searchsorted(np.cumsum(counts), jets / 2))
        rows.append(
            [
                name,
                str(present[0]),
                str(median),
                f"{float((counts * numbers).sum() / jets):.2f}",
                str(present[-1]),
                f"{counts[0] / jets:.2%}",
                f"{counts[-1] / jets:.2%}",
            ]
        )
    headings = ["stream", "lowest", "median", "mean", "highest", "jets with none", "jets at the limit"]
    return Table("constituents per jet", headings, rows)
