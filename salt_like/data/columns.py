"""Some jets as packed NumPy arrays: what passes from the reader to the cache and the loader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """Some jets in packed arrays: everything that training, testing and prediction need of them.

    Constituents (``T`` of all ``n`` jets) stand one jet after the other; ``counts`` says how many belong to each jet.

    Args:
        rows: Row in the sample's files as if they were one file, before any selection, ``(n,)`` int64.
        inputs: Raw values in the file's units, float32: ``(n, F)`` for the global stream, ``(T, F)`` for sets.
        counts: Constituents of each jet after selection, order and truncation, per set stream ``(n,)`` int32.
        labels: Per stream and label key ``(n,)`` or ``(T,)``: class index int64 (-1: ignored), real float32 (NaN: no
            target) or index int64 (negative: none).
        weights: Weight of each jet, ``(n,)`` float32; ``None`` when all are 1.
        events: Hash of the fields that identify the event, ``(n,)`` uint64; ``None`` when the file has none.
        positions: Slot of each kept constituent in the file's row, per set stream ``(T,)`` int32.
        cells: Cell of class and kinematics (`Reweighting`), ``(n,)`` int64, -1 for none; ``None`` without reweighting.
    """

    rows: Array
    inputs: dict[str, Array]
    counts: dict[str, Array] = field(default_factory=dict)
    labels: dict[str, dict[str, Array]] = field(default_factory=dict)
    weights: Array | None = None
    events: Array | None = None
    positions: dict[str, Array] = field(default_factory=dict)
    cells: Array | None = None

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def select(self, index: Array | slice) -> Columns:
        """The jets at `index` (positions, a mask or a slice), in that order, with their constituents."""
        where = {stream: constituents_of(counts, index) for stream, counts in self.counts.items()}
        return self._map(lambda stream, values: values[index] if stream is None else values[where[stream]])

    @staticmethod
    def concatenate(parts: Sequence[Columns]) -> Columns:
        """The jets of all `parts`, one after the other; the parts have the same streams and labels."""
        first = parts[0]
        if len(parts) == 1:
            return first
        return Columns(
            rows=np.concatenate([part.rows for part in parts]),
            inputs={name: np.concatenate([part.inputs[name] for part in parts]) for name in first.inputs},
            counts={name: np.concatenate([part.counts[name] for part in parts]) for name in first.counts},
            labels={
                stream: {key: np.concatenate([part.labels[stream][key] for part in parts]) for key in labels}
                for stream, labels in first.labels.items()
            },
            weights=_joined([part.weights for part in parts]),
            events=_joined([part.events for part in parts]),
            positions={name: np.concatenate([part.positions[name] for part in parts]) for name in first.positions},
            cells=_joined([part.cells for part in parts]),
        )

    def split(self, sizes: Sequence[int]) -> list[Columns]:
        """The jets in groups of these sizes, one after the other; the arrays are shared."""
        jets = np.cumsum([0, *sizes])
        edges: dict[str | None, Array] = {None: jets}
        for stream, counts in self.counts.items():
            edges[stream] = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])[jets]

        def part(number: int) -> Columns:
            return self._map(lambda stream, values: values[edges[stream][number] : edges[stream][number + 1]])

        return [part(number) for number in range(len(sizes))]

    def _map(self, take: Callable[[str | None, Array], Array]) -> Columns:
        """Apply `take` to each array, given the set stream by whose constituents it runs (``None``: by jets)."""

        def runs_by(stream: str) -> str | None:
            return stream if stream in self.counts else None

        return Columns(
            rows=take(None, self.rows),
            inputs={name: take(runs_by(name), values) for name, values in self.inputs.items()},
            counts={name: take(None, values) for name, values in self.counts.items()},
            labels={
                stream: {key: take(runs_by(stream), values) for key, values in labels.items()}
                for stream, labels in self.labels.items()
            },
            weights=None if self.weights is None else take(None, self.weights),
            events=None if self.events is None else take(None, self.events),
            positions={name: take(name, values) for name, values in self.positions.items()},
            cells=None if self.cells is None else take(None, self.cells),
        )


def constituents_of(counts: Array, index: Array | slice) -> Array:
    """Packed positions of the constituents of the jets at `index`, jet by jet, ``(T',)`` int64."""
    ends = np.cumsum(counts, dtype=np.int64)
    return positions((ends - counts)[index], ends[index])


def positions(first: Array, last: Array) -> Array:
    """All whole numbers from each `first` up to its `last`, one range after the other, int64."""
    counts = last - first
    ends = np.cumsum(counts)
    flat: Array = np.repeat(first - (ends - counts), counts)
    flat += np.arange(flat.shape[0])
    return flat


def _joined(parts: Sequence[Array | None]) -> Array | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None
