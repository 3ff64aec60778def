"""What the loader yields and the training step receives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Some jets with their constituents; never modified after creation.

    Each stream of constituents comes in one of two layouts. *Packed*: values ``(T, F)`` of all constituents one jet
    after the other, with an entry in ``offsets``. *Padded*: values ``(B, N, F)`` with an entry in ``valid``.

    Args:
        rows: Row numbers in the source, ``(B,)`` int64.
        inputs: Raw values in the file's units per stream: ``(B, F)`` global, ``(T, F)`` packed, ``(B, N, F)`` padded.
        offsets: Where each jet's constituents begin and end, per packed stream, ``(B + 1,)`` int64.
        valid: True for real constituents, per padded stream, ``(B, N)`` bool.
        labels: Truth per stream and field, shaped as the inputs without ``F``. Class labels are class indices with -1
            for "ignore", real ones are NaN where there is no target, padding is -1 or NaN.
        weights: Weight of each jet in the loss, ``(B,)``; ``None`` for 1.
        pairs: Unordered pairs of constituents of the same jet per packed stream, ``(2, P)`` positions in ``T``.
        buckets: A partition of the jets into groups of similar multiplicity, each ``(B_k,)`` int64; empty for one.
        longest: For each packed stream the largest number of constituents in each bucket (one entry without buckets).
        layouts: For each stream whose values are in a layout of their own (`salt_like.sets.Layout`) that layout.
    """

    rows: Tensor
    inputs: Mapping[str, Tensor]
    offsets: Mapping[str, Tensor] = field(default_factory=dict)
    valid: Mapping[str, Tensor] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    weights: Tensor | None = None
    pairs: Mapping[str, Tensor] = field(default_factory=dict)
    buckets: tuple[Tensor, ...] = ()
    longest: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    layouts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of jets ``B``."""
        return self.rows.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with `function` applied to every tensor."""
        return replace(
            self,
            rows=function(self.rows),
            inputs=_map(self.inputs, function),
            offsets=_map(self.offsets, function),
            valid=_map(self.valid, function),
            labels={stream: _map(labels, function) for stream, labels in self.labels.items()},
            weights=None if self.weights is None else function(self.weights),
            pairs=_map(self.pairs, function),
            buckets=tuple(function(bucket) for bucket in self.buckets),
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory; called by torch's loader."""
        return self.map(lambda tensor: tensor.pin_memory())


def _map(tensors: Mapping[str, Tensor], function: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    return {name: function(tensor) for name, tensor in tensors.items()}
