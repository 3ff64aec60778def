"""The layout of an exported graph: the slots of all jets as rows, so that linear layers are plain matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from salt_like.sets import Layout, triangle


class Slots(Layout):
    """A fixed number of slots per jet, one jet after the other: values are ``(B N, ...)``.

    The same sets as `Padded` has, for the same numbers with fewer operations: runtimes join a bias and an activation
    with the product of two matrices, not with one of three axes; what masks are needed is made once and used by all
    layers; and none is made where all slots are real.

    Args:
        jets: Number of jets B; in a graph, what stands for it.
        slots: Number of slots N of each.
        real: True for real constituents, ``(B, N)`` bool; ``None`` where all are.
        never_empty: Whether it is known that each jet has a real constituent.

    Values are finite at padding, as the tagger blanks what the caller has put there.
    """

    def __init__(self, jets: int, slots: int, real: Tensor | None, never_empty: bool = False) -> None:
        self._jets = jets
        self._slots = slots
        self._real = real
        self._never_empty = never_empty
        self._hidden: Tensor | None = None

    @property
    def counts(self) -> Tensor:
        return self._flags().sum(1)

    @property
    def valid(self) -> Tensor:
        return self._flags().flatten()

    def sum(self, x: Tensor) -> Tensor:
        return self._grid(self.blank(x)).sum(1)

    def max(self, x: Tensor) -> Tensor:
        lowest = torch.finfo(x.dtype).min
        grid = self._masked(self._grid(x), lowest)
        if self._never_empty:
            return grid.amax(1)
        floor = x.new_full((self._jets, 1, *x.shape[1:]), lowest)
        some = self._flags().any(1).reshape(-1, *[1] * (x.dim() - 1))
        return torch.where(some, torch.cat([grid, floor], 1).amax(1), 0.0)

    def softmax(self, scores: Tensor) -> Tensor:
        grid = self._grid(scores)
        if self._real is None:
            return self._rows(grid.softmax(1))
        added = self._added().reshape(self._jets, self._slots, *[1] * (scores.dim() - 1))
        return self._rows(self._masked((grid + added).softmax(1), 0.0))  # a jet without any has the same at all slots

    def spread(self, vectors: Tensor) -> Tensor:
        return self._rows(vectors[:, None].expand(-1, self._slots, *vectors.shape[1:]))

    def grids(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self._grid(x),)

    def grid_valid(self) -> tuple[Tensor, ...]:
        return (self._flags(),)

    def from_grids(self, grids: Sequence[Tensor]) -> Tensor:
        return self._rows(grids[0])

    def attend(self, qkv: Tensor, bias: Sequence[Tensor] | None = None, dropout: float = 0.0) -> Tensor:
        del dropout  # graphs are never trained
        grid = self._grid(qkv).permute(2, 0, 3, 1, 4)
        query, key, value = (grid[number] for number in range(3))  # (B, H, N, D)
        scores = (query @ key.transpose(-1, -2)) * qkv.shape[-1] ** -0.5
        if bias is not None:
            scores = scores + bias[0]
        if self._real is not None:
            scores = scores + self._added()[:, None, None, :]
        return self._rows((scores.softmax(-1) @ value).transpose(1, 2))

    def weighted_sum(self, weights: Tensor, x: Tensor) -> Tensor:
        if x.dim() != 2 or weights.shape[1:] != (1,):
            return super().weighted_sum(weights, x)
        return (self._grid(weights).transpose(1, 2) @ self._grid(x)).squeeze(1)

    @property
    def ranks(self) -> Tensor:
        return (self._flags().long().cumsum(1) - 1).flatten()

    def jets_to_grids(self, vectors: Tensor) -> tuple[Tensor, ...]:
        return (vectors,)

    def jets_from_grids(self, parts: Sequence[Tensor]) -> Tensor:
        return parts[0]

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, second = triangle(self._slots, x.device)
        grid, flags = self._grid(x), self._flags()
        ends = [self._rows(grid.index_select(1, end)) for end in (first, second)]
        real = flags.index_select(1, first) & flags.index_select(1, second)
        return ends[0], ends[1], real.flatten()

    def pair_grids(self, flags: Tensor) -> tuple[Tensor, ...]:
        slots = torch.arange(self._slots, device=flags.device)
        small, large = torch.minimum(slots, slots[:, None]), torch.maximum(slots, slots[:, None])
        # where in the list of pairs; beyond its end for the diagonal
        number = self._slots * (self._slots - 1) // 2
        places = torch.where(small == large, number, small + large * (large - 1) // 2)
        listed = torch.cat([flags.reshape(self._jets, number), flags.new_zeros(self._jets, 1)], 1)
        return (listed.index_select(1, places.flatten()).reshape(self._jets, self._slots, self._slots),)

    def to_padded(self, x: Tensor, length: int) -> Tensor:
        grid, missing = self._grid(self.blank(x)), length - self._slots
        if missing <= 0:
            return grid[:, :length]
        return torch.cat([grid, grid.new_zeros(self._jets, missing, *x.shape[1:])], 1)

    def merge(self, others: Sequence[Layout]) -> tuple[Layout, tuple[Tensor, ...]]:
        parts = [self, *(layout for layout in others if isinstance(layout, Slots))]
        if len(parts) != len(others) + 1:
            raise TypeError("slots cannot be merged with another layout")
        where, total = [], 0
        for part in parts:
            where.append(torch.arange(total, total + part._slots))
            total = total + part._slots
        real = None if all(part._real is None for part in parts) else torch.cat([part._flags() for part in parts], 1)
        return Slots(self._jets, total, real, any(part._never_empty for part in parts)), tuple(where)

    def place(self, parts: Sequence[Tensor], where: Sequence[Tensor]) -> Tensor:
        if self._one:
            return torch.cat(list(parts))
        grids = [
            part.reshape(self._jets, index.shape[0], *part.shape[1:]) for part, index in zip(parts, where, strict=True)
        ]
        return self._rows(torch.cat(grids, 1))  # merged slots stand in the order of the parts

    def take(self, x: Tensor, where: Tensor) -> Tensor:
        return x.index_select(0, where) if self._one else self._rows(self._grid(x).index_select(1, where))

    def constant(self, number: int) -> Layout:
        return Slots(self._jets, number, None, number > 0)

    def repeat(self, values: Tensor) -> Tensor:
        return values if self._one else self._rows(values.expand(self._jets, *values.shape))

    def blank(self, x: Tensor) -> Tensor:
        if self._real is None:
            return x
        return torch.where(self._real.reshape(-1, *[1] * (x.dim() - 1)), x, torch.zeros_like(x[:1]))

    def finite(self, x: Tensor) -> Tensor:
        return x

    @property
    def _one(self) -> bool:
        """Whether there is only one jet, whatever comes."""
        return isinstance(self._jets, int) and self._jets == 1

    def _flags(self) -> Tensor:
        if self._real is None:
            return torch.ones(self._jets, self._slots, dtype=torch.bool)
        return self._real

    def _added(self) -> Tensor:
        """What makes a softmax ignore padding, ``(B, N)``; finite, so that a jet without constituents is no NaN."""
        if self._hidden is None:
            assert self._real is not None
            self._hidden = torch.where(self._real, 0.0, torch.finfo(torch.float32).min)
        return self._hidden

    def _masked(self, grid: Tensor, value: float) -> Tensor:
        if self._real is None:
            return grid
        return torch.where(self._real.reshape(*self._real.shape, *[1] * (grid.dim() - 2)), grid, value)

    def _grid(self, x: Tensor) -> Tensor:
        return x.reshape(self._jets, self._slots, *x.shape[1:])

    @staticmethod
    def _rows(grid: Tensor) -> Tensor:
        return grid.flatten(0, 1)
