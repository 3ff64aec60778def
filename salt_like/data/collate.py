"""Columns of some jets into a `Batch`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salt_like.batch import Batch
from salt_like.data.columns import Columns
from salt_like.data.shuffle import grouped
from salt_like.errors import UserError
from salt_like.grouping import list_pairs, partition_batches
from salt_like.spec import DataSpec, Label

Array = NDArray[Any]
PADDING: dict[str, float] = {"class": -1, "index": -1, "real": float("nan")}


@dataclass(frozen=True)
class Collator:
    """Makes batches of one layout.

    Args:
        spec: What the data is.
        layout: ``"packed"`` or ``"padded"``.
        buckets: Number of groups of similar multiplicity into which a packed batch is divided.
        pair_streams: Streams whose pairs of constituents are listed in a packed batch.
        length: Slots per jet of a padded batch, the same for all streams; ``None`` for each stream's own largest
            number.
    """

    spec: DataSpec
    layout: Literal["packed", "padded"] = "packed"
    buckets: int = 8
    pair_streams: Collection[str] = ()
    length: int | None = None

    def __call__(self, columns: Columns) -> Batch:
        """The batch of all jets of `columns`."""
        return self.batches(columns, [len(columns)])[0]

    def batches(self, columns: Columns, sizes: Sequence[int]) -> list[Batch]:
        """Batches of so many jets each, one after the other; faster than making each by itself."""
        if self.layout == "packed":
            return _packed(columns, sizes, self.spec, self.buckets, self.pair_streams)
        return [_padded(part, self.spec, self.length) for part in columns.split(sizes)]


def collate(
    columns: Columns,
    spec: DataSpec,
    layout: Literal["packed", "padded"] = "packed",
    buckets: int = 8,
    pair_streams: Collection[str] = (),
    length: int | None = None,
) -> Batch:
    """The batch of all jets of `columns`, arguments as in `Collator`."""
    return Collator(spec, layout, buckets, pair_streams, length)(columns)


def _packed(
    columns: Columns, sizes: Sequence[int], spec: DataSpec, buckets: int, pair_streams: Collection[str]
) -> list[Batch]:
    jets = np.cumsum([0, *sizes])
    sets = {name: _Set(counts, jets) for name, counts in columns.counts.items()}

    def cut(values: Array, stream: str = "") -> Sequence[Tensor]:
        return _split(values, sets[stream].sizes if stream in sets else sizes)

    rows = cut(columns.rows)
    weights = None if columns.weights is None else cut(columns.weights)
    inputs = {name: cut(values, name) for name, values in columns.inputs.items()}
    labels = {
        stream: {key: cut(values, stream) for key, values in labels.items()}
        for stream, labels in columns.labels.items()
    }
    groups, longest = _groups(sets, jets, spec, buckets)
    return [
        Batch(
            rows=rows[number],
            inputs={name: parts[number] for name, parts in inputs.items()},
            offsets={name: one.offsets(number) for name, one in sets.items()},
            labels={stream: {key: parts[number] for key, parts in some.items()} for stream, some in labels.items()},
            weights=None if weights is None else weights[number],
            pairs={name: list_pairs(sets[name].of(number)) for name in pair_streams},
            buckets=groups[number],
            longest={name: lengths[number] for name, lengths in longest.items()},
        )
        for number in range(len(sizes))
    ]


class _Set:
    """How many constituents of a stream the jets of several batches have."""

    def __init__(self, counts: Array, jets: Array) -> None:
        self.jets = jets.tolist()
        self.counts = counts.astype(np.int64)
        self.ends = np.concatenate([[0], np.cumsum(self.counts)])
        self.bounds = self.ends[jets]
        self.sizes: list[int] = np.diff(self.bounds).tolist()

    def of(self, batch: int) -> Tensor:
        return torch.from_numpy(self.counts[self.jets[batch] : self.jets[batch + 1]])

    def offsets(self, batch: int) -> Tensor:
        return torch.from_numpy(self.ends[self.jets[batch] : self.jets[batch + 1] + 1] - self.bounds[batch])


def _groups(
    sets: dict[str, _Set], jets: Array, spec: DataSpec, buckets: int
) -> tuple[list[tuple[Tensor, ...]], dict[str, list[tuple[int, ...]]]]:
    """Groups of similar multiplicity of each batch, and the largest multiplicity in each by stream."""
    batches = len(jets) - 1
    streams = [sets[stream.name].counts for stream in spec.set_streams]
    if buckets <= 1 or not streams or (np.diff(jets) == 0).any():
        return [()] * batches, {name: _largest(one.counts, jets, 1) for name, one in sets.items()}
    order, edges = partition_batches(sum(streams[1:], streams[0]), jets, buckets)
    groups = grouped(_split(order, np.diff(edges).tolist()), buckets)
    order = order + jets[:-1].repeat(np.diff(jets))
    longest = {name: _largest(one.counts.take(order), edges, buckets) for name, one in sets.items()}
    return [tuple(group) for group in groups], longest


def _largest(counts: Array, edges: Array, number: int) -> list[tuple[int, ...]]:
    """The largest of the counts between one edge and the next, at least 1, in groups of so many."""
    largest = np.maximum.reduceat(np.append(counts, 0), edges[:-1])
    # of no counts at all `reduceat` makes the one behind them
    whole = np.where(np.diff(edges) > 0, largest, 1).clip(min=1).tolist()
    return [tuple(group) for group in grouped(whole, number)]


def _split(values: Array, sizes: Sequence[int]) -> Sequence[Tensor]:
    parts: Sequence[Tensor] = torch.from_numpy(values).split(sizes)
    return parts


def _padded(columns: Columns, spec: DataSpec, length: int | None) -> Batch:
    valid = {name: _slots(columns, name, _length(spec, name, columns, length)) for name in columns.counts}
    kinds = {(label.stream, label.key): label for label in spec.labels}
    return Batch(
        rows=torch.from_numpy(columns.rows),
        inputs={name: _grid(values, valid.get(name), 0.0) for name, values in columns.inputs.items()},
        valid={name: torch.from_numpy(mask) for name, mask in valid.items()},
        labels={
            stream: {
                key: _grid(values, valid.get(stream), _padding(kinds.get((stream, key)), values))
                for key, values in labels.items()
            }
            for stream, labels in columns.labels.items()
        },
        weights=None if columns.weights is None else torch.from_numpy(columns.weights),
    )


def _length(spec: DataSpec, name: str, columns: Columns, length: int | None) -> int:
    counts = columns.counts[name]
    longest = int(counts.max(initial=0))
    if length is None:
        # a file may hold more constituents than the one that the spec was made from
        return max(longest, 1, *(stream.length for stream in spec.streams if stream.name == name))
    if longest > length:
        row = columns.rows[int(counts.argmax())]
        raise UserError(
            f"the jet in row {row} has {longest} constituents of '{name}', more than the {length} slots of the batch\n"
            f"give it more slots, or drop constituents: data.max_constituents.{name}: {length}"
        )
    return length


def _slots(columns: Columns, name: str, length: int) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = np.arange(length) < columns.counts[name][:, None]
    return mask


def _grid(values: Array, valid: NDArray[np.bool_] | None, padding: float) -> Tensor:
    if valid is None:
        return torch.from_numpy(values)
    grid = np.full((*valid.shape, *values.shape[1:]), padding, values.dtype)
    grid[valid] = values
    return torch.from_numpy(grid)


def _padding(label: Label | None, values: Array) -> float:
    if label is not None:
        return PADDING[label.kind]
    return PADDING["real"] if values.dtype.kind == "f" else PADDING["class"]
