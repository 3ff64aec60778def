"""Columns of some jets into a `Batch`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salt_like.batch import Batch
from salt_like.data.columns import Columns
from salt_like.errors import UserError
from salt_like.sets import list_pairs, partition
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
        return collate(columns, self.spec, self.layout, self.buckets, self.pair_streams, self.length)


def collate(
    columns: Columns,
    spec: DataSpec,
    layout: Literal["packed", "padded"] = "packed",
    buckets: int = 8,
    pair_streams: Collection[str] = (),
    length: int | None = None,
) -> Batch:
    """The batch of all jets of `columns`, arguments as in `Collator`."""
    if layout == "packed":
        return _packed(columns, spec, buckets, pair_streams)
    return _padded(columns, spec, length)


def _packed(columns: Columns, spec: DataSpec, buckets: int, pair_streams: Collection[str]) -> Batch:
    counts = {name: torch.from_numpy(_wide(values)) for name, values in columns.counts.items()}
    groups = _groups(counts, spec, buckets)
    return Batch(
        rows=torch.from_numpy(columns.rows),
        inputs={name: torch.from_numpy(values) for name, values in columns.inputs.items()},
        offsets={name: torch.cat([count.new_zeros(1), count.cumsum(0)]) for name, count in counts.items()},
        labels={
            stream: {key: torch.from_numpy(values) for key, values in labels.items()}
            for stream, labels in columns.labels.items()
        },
        weights=None if columns.weights is None else torch.from_numpy(columns.weights),
        pairs={name: list_pairs(counts[name]) for name in pair_streams},
        buckets=groups,
        longest={name: _longest(count, groups) for name, count in counts.items()},
    )


def _groups(counts: dict[str, Tensor], spec: DataSpec, buckets: int) -> tuple[Tensor, ...]:
    streams = [counts[stream.name] for stream in spec.set_streams]
    if buckets <= 1 or not streams or streams[0].shape[0] == 0:
        return ()
    return partition(torch.stack(streams).sum(0), buckets)


def _longest(count: Tensor, groups: tuple[Tensor, ...]) -> tuple[int, ...]:
    values = count.numpy()
    return tuple(max(int(values[group.numpy()].max(initial=1)), 1) for group in groups) or (
        max(int(values.max(initial=1)), 1),
    )


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


def _wide(count: Array) -> NDArray[np.int64]:
    return count.astype(np.int64)
