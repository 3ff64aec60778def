"""Batches from a worker process to the training: one block of shared memory for all of their tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from salt_like.batch import Batch

Step: TypeAlias = "Batch | tuple[Batch, ...]"
ALIGNMENT = 64  # bytes; where a tensor may start


@dataclass(frozen=True)
class Slot:
    """Where a tensor lies.

    Args:
        start: First byte.
        stop: Byte after the last one.
        shape: Shape of the tensor.
        dtype: Type of its elements.
    """

    start: int
    stop: int
    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class Parcel:
    """Steps whose tensors lie in one buffer: handing over each of them by itself takes longer than making them.

    Args:
        steps: The steps with a `Slot` in the place of each tensor.
        buffer: The bytes of all tensors.
    """

    steps: list[Any]
    buffer: Tensor

    @classmethod
    def of(cls, steps: list[Step]) -> Parcel:
        """The parcel of some steps."""
        tensors: list[tuple[Slot, Tensor]] = []
        size = 0

        def place(tensor: Tensor) -> Any:
            nonlocal size
            slot = Slot(size, size + tensor.numel() * tensor.element_size(), tuple(tensor.shape), tensor.dtype)
            tensors.append((slot, tensor))
            size = -(-slot.stop // ALIGNMENT) * ALIGNMENT
            return slot

        described = [_map(step, place) for step in steps]
        parcel = cls(described, torch.empty(size, dtype=torch.uint8))
        for slot, tensor in tensors:
            parcel._view(slot).copy_(tensor)
        return parcel

    def open(self) -> list[Step]:
        """The steps; their tensors share the buffer."""
        return [_map(step, self._view) for step in self.steps]

    def pin_memory(self) -> Parcel:
        """The same in page-locked memory; called by torch's loader."""
        return Parcel(self.steps, self.buffer.pin_memory())

    def _view(self, slot: Slot) -> Tensor:
        return self.buffer[slot.start : slot.stop].view(slot.dtype).view(slot.shape)


def _map(step: Any, function: Any) -> Any:
    return tuple(batch.map(function) for batch in step) if isinstance(step, tuple) else step.map(function)
