"""Shares of the classes: in each file, and in the part that each worker of a loader would read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.checks.finding import Check, Finding, Options
from salt_like.checks.reading import Piece, global_stream, numeric, place, whole
from salt_like.data import conventions
from salt_like.data.source import Header, Source

ABSENT = Check(
    "class-absent", "warning", "a class without jets", "leave the class out of data.labels, or add files that have it"
)
ABSENT_FROM_FILE = Check(
    "class-absent-from-file",
    "warning",
    "a class is missing in one of several files",
    "name samples of different composition (data.train: {a: …, b: …}); train fit mixes the jets of all files",
)
IN_ONE_FILE = Check(
    "class-in-one-file",
    "warning",
    "all jets of a class are in one of several files",
    "what tells files apart then tells classes apart (pile-up, calibration, generator): take it from several",
)
UNEVEN = Check(
    "class-order",
    "warning",
    "classes are not spread evenly over the rows",
    "train fit shuffles jet by jet; a loader that gives each worker a stretch of rows needs a shuffled file",
)
EXPECTED = 5  # jets by the sample's mean: with fewer expected, none is no surprise
FAR = 0.1  # difference of shares between a worker and the sample
SURE = 4.0  # standard deviations


def jet_label(source: Source, options: Options) -> tuple[str, dict[int, str]] | None:
    """The label of the jets and its classes by raw value: the first one that the file or the conventions name.

    Args:
        source: The files of a sample.
        options: What is ignored.
    """
    main = global_stream(source)
    if main is None:
        return None
    header = source.headers[main]
    names = [name for name in numeric(header) if not options.ignored(main, name)]
    named = [(name, class_names(header, name)) for name in names]
    given = [(name, classes) for name, classes in named if name in header.attributes and classes]
    return next(iter(given + [(name, classes) for name, classes in named if classes]), None)


def class_names(header: Header, field: str) -> dict[int, str]:
    """Raw value → class of a label, from the file's attribute or the conventions; empty for what is no label."""
    for name in conventions.aliases(field):
        given = header.attributes.get(name)
        if isinstance(given, list):
            return dict(enumerate(map(str, given)))
    known = (
        conventions.LABEL_CLASSES[name] for name in conventions.aliases(field) if name in conventions.LABEL_CLASSES
    )
    return next(known, {})


@dataclass
class Classes:
    """The class of every jet of a sample.

    Args:
        source: The files of the sample.
        label: Field of the global stream.
        names: Raw value → class.
    """

    source: Source
    label: str
    names: Mapping[int, str]

    def __post_init__(self) -> None:
        self.main = global_stream(self.source) or ""
        self.known = np.array(sorted(self.names), np.int64)
        self._classes: list[NDArray[np.int16]] = []

    def update(self, piece: Piece) -> None:
        """Adds a piece."""
        raw = whole(piece.rows[self.main][self.label])
        index = np.searchsorted(self.known, raw).clip(max=len(self.known) - 1)
        self._classes.append(np.where(self.known[index] == raw, index, -1).astype(np.int16))

    def counts(self, edges: Sequence[int]) -> NDArray[np.int64]:
        """Jets of each class between these rows of the sample, ``(len(edges) - 1, C)``."""
        every = np.concatenate(self._classes) if self._classes else np.zeros(0, np.int16)
        parts = [every[start:stop] for start, stop in pairwise(edges)]
        return np.stack([np.bincount(part[part >= 0], minlength=len(self.known)) for part in parts]).astype(np.int64)

    @property
    def per_file(self) -> NDArray[np.int64]:
        """Jets of each class in each file, ``(files, C)``."""
        return self.counts(np.cumsum([0, *(rows for _, rows in self.source.parts)]).tolist())

    def class_name(self, index: int) -> str:
        """Name of a class by position."""
        return self.names[int(self.known[index])]

    def findings(self, sample: str, options: Options) -> list[Finding]:
        """Classes that are missing or unevenly spread."""
        where, counts = f"{self.main}.{self.label}", self.per_file
        total, jets = counts.sum(0), counts.sum()
        found = [
            Finding(ABSENT, sample, where, self.class_name(int(index)), number=0, total=int(jets))
            for index in np.flatnonzero(total == 0)
            if jets
        ]
        expected = counts.sum(1, keepdims=True) * total / max(int(jets), 1)
        gone = (counts == 0) & (expected >= EXPECTED)
        for index in np.flatnonzero(gone.any(0)):
            having = np.flatnonzero(counts[:, index])
            check, chosen = (
                (IN_ONE_FILE, having) if len(having) == 1 else (ABSENT_FROM_FILE, np.flatnonzero(gone[:, index]))
            )
            found += [self._in_file(check, sample, int(index), int(part), counts) for part in chosen]
        return found + self._uneven(sample, options.workers)

    def _in_file(self, check: Check, sample: str, index: int, part: int, counts: NDArray[np.int64]) -> Finding:
        return Finding(
            check,
            sample,
            f"{self.main}.{self.label}",
            self.class_name(index),
            number=int(counts[part, index]),
            total=int(counts[part].sum()),
            file=self.source.parts[part][0],
        )

    def _uneven(self, sample: str, workers: int) -> list[Finding]:
        """The worker and class that are furthest from the sample's share, if that is far."""
        rows = self.source.rows
        if workers < 2 or rows < workers:
            return []
        edges = [rows * worker // workers for worker in range(workers + 1)]
        counts = self.counts(edges)
        jets = counts.sum(1, keepdims=True)
        share, mean = counts / np.maximum(jets, 1), counts.sum(0) / max(int(counts.sum()), 1)
        error = np.sqrt(mean * (1 - mean) / np.maximum(jets, 1))
        far = np.abs(share - mean) * (np.abs(share - mean) > FAR + SURE * error)
        if not far.any():
            return []
        worker, index = np.unravel_index(int(far.argmax()), far.shape)
        start, stop = edges[int(worker)], edges[int(worker) + 1]
        row, file = place(self.source, start)
        return [
            Finding(
                UNEVEN,
                sample,
                f"{self.main}.{self.label}",
                self.class_name(int(index)),
                number=int(counts[worker, index]),
                total=int(jets[worker, 0]),
                row=row,
                file=file,
                detail=f"worker {worker + 1} of {workers}, {stop - start} rows; in all {mean[index]:.1%}",
            )
        ]

    def plain(self) -> dict[str, Any]:
        """Jets of each class in each file, for a JSON file."""
        classes = [self.class_name(index) for index in range(len(self.known))]
        files = zip(self.source.parts, self.per_file.tolist(), strict=True)
        return {
            "label": f"{self.main}.{self.label}",
            "files": {part[0]: dict(zip(classes, counts, strict=True)) for part, counts in files},
        }
