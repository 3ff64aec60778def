"""Reads prediction files: whole columns of jets, constituents chunk by chunk."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from salt_like.data.events import event_hash
from salt_like.errors import UserError, nearest
from salt_like.evaluation.bins import Bins
from salt_like.evaluation.contents import Contents
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.statistics import Floats
from salt_like.spec import Label, Output

JETS_PER_CHUNK = 10_000
GROUPS = 20  # of jets, for errors by leaving out one group after the other


@dataclass(frozen=True)
class Constituents:
    """The constituents that the model saw, of some consecutive jets.

    Args:
        fields: ``(T,)`` structured.
        jet: Number of the jet of each, from 0, ``(T,)``.
        group: Group of each jet, ``(jets,)``.
        slot: Place of each in the array of its jet, ``(T,)``.
        jet_weights: Weight of each jet, ``(jets,)``; ``None`` for 1.
        first: Number of the first of these jets among all jets of the file.
    """

    fields: NDArray[np.void]
    jet: NDArray[np.int64]
    group: NDArray[np.int64]
    slot: NDArray[np.int64]
    jet_weights: Floats | None = None
    first: int = 0

    @property
    def rows(self) -> slice:
        """Where these jets are among all jets of the file."""
        return slice(self.first, self.first + len(self.group))

    @property
    def weights(self) -> Floats | None:
        """Weight of each constituent, that of its jet, ``(T,)``; ``None`` for 1."""
        return None if self.jet_weights is None else self.jet_weights[self.jet]


class PredictionFile:
    """A prediction file, or its jets in a range.

    Args:
        path: The file.

    Raises:
        UserError: It is missing or not a prediction file of this project.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.range: Range | None = None
        self._inside: NDArray[np.bool_] | None = None
        self._read: dict[str, NDArray[Any]] = {}  # columns of all jets
        try:
            with h5py.File(path, "r", locking=False) as file:
                self.contents = Contents.from_attributes(file.attrs)
                self.jets = self._all = len(file[self.contents.spec.global_stream.name])
                self.fields = {name: tuple(data.dtype.names) for name, data in file.items()}
        except (OSError, KeyError) as error:
            raise UserError(f"not a prediction file of this project: {path}\nfound: {error}") from error

    def within(self, wanted: Range | None) -> PredictionFile:
        """The jets of this file in a range; this file for ``None``.

        Raises:
            UserError: The file has no such field.
        """
        if wanted is None:
            return self
        if wanted.field not in self.jet_fields:
            raise UserError(
                f"no field '{wanted.field}' of the jets to make ranges of{nearest(wanted.field, self.jet_fields)}"
                f"\nin {self.path}"
            )
        view = copy.copy(self)
        view.range = wanted
        view._inside = wanted.contains(self._columns([wanted.field])[wanted.field])
        view.jets = int(view._inside.sum())
        return view

    def in_bins(self, bins: Bins) -> list[PredictionFile]:
        """The jets of each bin; the outer ones are open.

        Args:
            bins: Bins of a field of the jets.
        """
        edges = (-math.inf, *bins.edges[1:-1], math.inf)
        return [self.within(Range(bins.field, low, high)) for low, high in pairwise(edges)]

    def columns(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Columns of the global stream, ``(N,)`` each."""
        found = self._columns(names)
        return found if self._inside is None else {name: values[self._inside] for name, values in found.items()}

    def _columns(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        wanted = list(dict.fromkeys(names))
        new = [name for name in wanted if name not in self._read]
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in new}
        with h5py.File(self.path, "r", locking=False) as file:
            for start in range(0, max(self._all, 1) if new else 0, JETS_PER_CHUNK):  # types also of no jets
                rows = file[self._jets][start : start + JETS_PER_CHUNK]
                for name in new:
                    columns[name].append(rows[name])
        self._read.update({name: np.concatenate(parts) for name, parts in columns.items()})
        return {name: self._read[name] for name in wanted}

    def constituents(self, stream: str, names: Sequence[str] | None = None) -> Iterator[Constituents]:
        """The constituents of a stream that the model saw, some jets at a time.

        Args:
            stream: The stream.
            names: Fields that are kept; ``None`` for all.
        """
        groups, weights, first = self.groups(), self.weights(), 0
        with h5py.File(self.path, "r", locking=False) as file:
            for start in range(0, self._all, JETS_PER_CHUNK):
                rows = file[stream][start : start + JETS_PER_CHUNK]
                if self._inside is not None:
                    rows = rows[self._inside[start : start + JETS_PER_CHUNK]]
                jet, slot = np.nonzero(rows["valid"])
                kept = rows[jet, slot] if names is None else rows[jet, slot][list(names)]
                piece = slice(first, first + len(rows))
                own = None if weights is None else weights[piece]
                yield Constituents(kept, jet, groups[piece], slot, own, first)
                first += len(rows)

    def arrays(self, name: str) -> Iterator[NDArray[np.void]]:
        """The rows of an array of objects, ``(n, Q)``, for the same jets at a time as `constituents`."""
        with h5py.File(self.path, "r", locking=False) as file:
            for start in range(0, self._all, JETS_PER_CHUNK):
                rows = file[name][start : start + JETS_PER_CHUNK]
                yield rows if self._inside is None else rows[self._inside[start : start + JETS_PER_CHUNK]]

    def groups(self) -> NDArray[np.int64]:
        """Group of each jet; jets of one event are in the same group where the file identifies events."""
        events = self.events()
        if events is None:
            return np.arange(self.jets) % GROUPS
        return (events % np.uint64(GROUPS)).astype(np.int64)

    def events(self) -> NDArray[np.uint64] | None:
        """A number for the event of each jet, ``(N,)``; ``None`` where the file does not identify events."""
        event = [name for name in self.contents.spec.event if name in self.jet_fields]
        if not event:
            return None
        columns = self.columns(event)
        rows = np.zeros(self.jets, [(name, columns[name].dtype) for name in event])
        for name in event:
            rows[name] = columns[name]
        return event_hash(rows, event)

    def flavours(self) -> tuple[tuple[str, ...], NDArray[np.integer]] | None:
        """Classes of the jets and the class index of each jet, ``(N,)``, negative for none; of the first such label."""
        for label in self.contents.spec.labels:
            column = self.column_of(label) if label.stream == self._jets else ""
            if label.stream == self._jets and label.kind == "class" and column in self.jet_fields:
                return label.classes, decode(label, self.columns([column])[column])
        return None

    def weights(self) -> Floats | None:
        """Weight of each jet, ``(N,)``; ``None`` for 1.

        Raises:
            UserError: Those of the whole file do not sum to something positive.
        """
        name = self.contents.weight
        if name is None:
            return None
        weights: Floats = self.columns([name])[name].astype(np.float64)
        if self.jets and self._inside is None and not weights.sum() > 0:
            raise UserError(
                f"the weights '{name}' of the {self.jets} jets of sample '{self.contents.sample}' sum to "
                f"{weights.sum():g}: no metric can be weighted by them\nin {self.contents.sources[0]}"
            )
        return weights

    def column_of(self, label: Label) -> str:
        """Column that holds a label: under its key where a map or a condition made it, else the source's field."""
        return label.key if label.key in self.fields[label.stream] else label.name

    @property
    def inside(self) -> NDArray[np.bool_]:
        """True for the jets of the file that are in the range, ``(jets of the whole file,)``."""
        return np.ones(self._all, bool) if self._inside is None else self._inside

    @property
    def jet_fields(self) -> tuple[str, ...]:
        """Fields of the jets."""
        return self.fields[self._jets]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Everything that the file has from its model."""
        contents = self.contents
        said = [output for task in contents.tasks for output in task.outputs]
        said += [Output(self._jets, one.name, "discriminant") for one in contents.spec.discriminants]
        return tuple(one for one in said if one.column(contents.model) in self.fields.get(one.stream, ()))

    @property
    def _jets(self) -> str:
        return self.contents.spec.global_stream.name


def decode(label: Label, raw: NDArray[Any]) -> NDArray[Any]:
    """Class indices from the values of a column that `PredictionFile.column_of` named; negative for ignored.

    Args:
        label: A label of kind ``"class"``.
        raw: Values, ``(n,)``.
    """
    values = raw.astype(np.int64)
    if label.key != label.name:
        return values
    ignored = np.isin(values, label.ignore)
    if label.values:
        known = np.array(sorted(label.values), np.int64)
        place = np.searchsorted(known[:, 0], values).clip(max=len(known) - 1)
        values = np.where(known[place, 0] == values, known[place, 1], -1)
    inside = (values >= 0) & (values < len(label.classes)) & ~ignored
    return np.where(inside, values, -1)
