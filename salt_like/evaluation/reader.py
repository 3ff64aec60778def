"""Reads prediction files: whole columns of jets, constituents chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from salt_like.data.events import event_hash
from salt_like.errors import UserError
from salt_like.evaluation.contents import Contents
from salt_like.evaluation.statistics import Floats
from salt_like.spec import Label

JETS_PER_CHUNK = 10_000
GROUPS = 20  # of jets, for errors by leaving out one group after the other


@dataclass(frozen=True)
class Constituents:
    """The constituents that the model saw, of some consecutive jets.

    Args:
        fields: ``(T,)`` structured.
        jet: Number of the jet of each, from 0, ``(T,)``.
        group: Group of each jet, ``(jets,)``.
        jet_weights: Weight of each jet, ``(jets,)``; ``None`` for 1.
    """

    fields: NDArray[np.void]
    jet: NDArray[np.int64]
    group: NDArray[np.int64]
    jet_weights: Floats | None = None

    @property
    def weights(self) -> Floats | None:
        """Weight of each constituent, that of its jet, ``(T,)``; ``None`` for 1."""
        return None if self.jet_weights is None else self.jet_weights[self.jet]


class PredictionFile:
    """A prediction file.

    Args:
        path: The file.

    Raises:
        UserError: It is missing or not a prediction file of this project.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with h5py.File(path, "r", locking=False) as file:
                self.contents = Contents.from_attributes(file.attrs)
                self.jets = len(file[self.contents.spec.global_stream.name])
                self.fields = {name: tuple(data.dtype.names) for name, data in file.items()}
        except (OSError, KeyError) as error:
            raise UserError(f"not a prediction file of this project: {path}\nfound: {error}") from error

    def columns(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Columns of the global stream, ``(N,)`` each."""
        stream = self.contents.spec.global_stream.name
        wanted = list(dict.fromkeys(names))
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in wanted}
        with h5py.File(self.path, "r", locking=False) as file:
            for start in range(0, self.jets, JETS_PER_CHUNK):
                rows = file[stream][start : start + JETS_PER_CHUNK]
                for name in wanted:
                    columns[name].append(rows[name])
        return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in columns.items()}

    def constituents(self, stream: str, names: Sequence[str] | None = None) -> Iterator[Constituents]:
        """The constituents of a stream that the model saw, some jets at a time.

        Args:
            stream: The stream.
            names: Fields that are kept; ``None`` for all.
        """
        groups, weights = self.groups(), self.weights()
        with h5py.File(self.path, "r", locking=False) as file:
            for start in range(0, self.jets, JETS_PER_CHUNK):
                piece = slice(start, start + JETS_PER_CHUNK)
                rows = file[stream][piece]
                jet, slot = np.nonzero(rows["valid"])
                kept = rows[jet, slot] if names is None else rows[jet, slot][list(names)]
                yield Constituents(kept, jet, groups[piece], None if weights is None else weights[piece])

    def groups(self) -> NDArray[np.int64]:
        """Group of each jet; jets of one event are in the same group where the file identifies events."""
        event = [name for name in self.contents.spec.event if name in self.fields[self._jets]]
        if not event:
            return np.arange(self.jets) % GROUPS
        columns = self.columns(event)
        rows = np.zeros(self.jets, [(name, columns[name].dtype) for name in event])
        for name in event:
            rows[name] = columns[name]
        return (event_hash(rows, event) % np.uint64(GROUPS)).astype(np.int64)

    def weights(self) -> Floats | None:
        """Weight of each jet, ``(N,)``; ``None`` for 1.

        Raises:
            UserError: They do not sum to something positive.
        """
        name = self.contents.weight
        if name is None:
            return None
        weights: Floats = self.columns([name])[name].astype(np.float64)
        if self.jets and not weights.sum() > 0:
            raise UserError(
                f"the weights '{name}' of the {self.jets} jets of sample '{self.contents.sample}' sum to "
                f"{weights.sum():g}: no metric can be weighted by them\nin {self.contents.sources[0]}"
            )
        return weights

    def column_of(self, label: Label) -> str:
        """Column that holds a label: under its key where a map or a condition made it, else the source's field."""
        return label.key if label.key in self.fields[label.stream] else label.name

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
