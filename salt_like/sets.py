"""Sets of constituents in two layouts, and every operation that cares about the layout.

*Packed* holds the constituents of all jets one after the other, ``(T, ...)``; *padded* holds a fixed number of slots
per jet, ``(B, N, ...)``. Layers that act on the last axis work on either. What needs to know which constituents belong
to which jet is here, once per layout, behind the interface `Layout`.

An empty set has defined values: sum, mean and maximum are 0, and attention never produces NaN.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from salt_like.batch import Batch
from salt_like.blocks import Blocks, make_blocks
from salt_like.rows import add_rows, compiled, inverse, take_rows


class Layout(ABC):
    """Which constituents belong to which jet.

    ``x`` below stands for values per constituent, ``(T, D)`` packed or ``(B, N, D)`` padded.
    """

    @property
    @abstractmethod
    def counts(self) -> Tensor:
        """Number of real constituents of each jet, ``(B,)``."""

    @property
    @abstractmethod
    def valid(self) -> Tensor:
        """True for real constituents, ``(T,)`` or ``(B, N)``."""

    @property
    @abstractmethod
    def ranks(self) -> Tensor:
        """Number of each constituent among those of its jet, from 0, ``(T,)`` or ``(B, N)``; anything at padding."""

    @abstractmethod
    def sum(self, x: Tensor) -> Tensor:
        """Sum over the constituents of each jet, ``(B, D)``."""

    @abstractmethod
    def max(self, x: Tensor) -> Tensor:
        """Largest value over the constituents of each jet, ``(B, D)``; 0 for jets without any."""

    @abstractmethod
    def softmax(self, scores: Tensor) -> Tensor:
        """Softmax over the constituents of each jet, shaped as `scores`; 0 at padding."""

    @abstractmethod
    def spread(self, vectors: Tensor) -> Tensor:
        """Give each constituent the vector of its jet: ``(B, D)`` → ``(T, D)`` or ``(B, N, D)``."""

    @abstractmethod
    def grids(self, x: Tensor) -> tuple[Tensor, ...]:
        """Values in one or more padded grids ``(B_k, N_k, ...)`` that together hold every jet once."""

    @abstractmethod
    def grid_valid(self) -> tuple[Tensor, ...]:
        """True for real constituents in each of the `grids`, ``(B_k, N_k)``."""

    @abstractmethod
    def from_grids(self, grids: Sequence[Tensor]) -> Tensor:
        """The inverse of `grids`."""

    @abstractmethod
    def jets_to_grids(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """What each jet has one of, ``(B, ...)``, in the order of the jets in the `grids`, ``(B_k, ...)`` each."""

    @abstractmethod
    def jets_from_grids(self, parts: Sequence[Tensor]) -> Tensor:
        """The inverse of `jets_to_grids`."""

    @abstractmethod
    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both ends of every unordered pair of different constituents, and whether the pair is real.

        Returns:
            ``(P, D), (P, D), (P,)`` packed or ``(B, P, D), (B, P, D), (B, P)`` padded with ``P = N(N-1)/2``.
        """

    @abstractmethod
    def pair_grids(self, flags: Tensor) -> tuple[Tensor, ...]:
        """Flags of pairs, as `pairs` lists them, as symmetric matrices ``(B_k, N_k, N_k)`` for each of the `grids`.

        False on the diagonal and where there is no pair; flags of pairs that are not real are taken as they are.
        """

    @abstractmethod
    def to_padded(self, x: Tensor, length: int) -> Tensor:
        """Values in a grid of `length` slots, ``(B, length, ...)``, 0 at padding."""

    @abstractmethod
    def merge(self, others: Sequence[Layout]) -> tuple[Layout, tuple[Tensor, ...]]:
        """One layout for the constituents of several, jet by jet, and where each one's constituents went.

        Returns:
            The merged layout, and per layout the positions for `place` and `take`.
        """

    @abstractmethod
    def place(self, parts: Sequence[Tensor], where: Sequence[Tensor]) -> Tensor:
        """Values of several parts in this merged layout."""

    @abstractmethod
    def take(self, x: Tensor, where: Tensor) -> Tensor:
        """Values of one part out of this merged layout."""

    @abstractmethod
    def constant(self, number: int) -> Layout:
        """The layout of a set with `number` real constituents in each jet."""

    @abstractmethod
    def repeat(self, values: Tensor) -> Tensor:
        """The same constituents ``(n, D)`` in each jet: ``(B n, D)`` or ``(B, n, D)``, as ``constant(n)`` lays out."""

    @abstractmethod
    def blank(self, x: Tensor) -> Tensor:
        """The same values with 0 at padding, whatever was there; its gradient at padding is 0 too."""

    def finite(self, x: Tensor) -> Tensor:
        """The same values with something finite at padding, which may be as large as that of constituents."""
        return self.blank(x)

    def weighted_sum(self, weights: Tensor, x: Tensor) -> Tensor:
        """Sum of ``weights * x`` over the constituents of each jet, ``(B, D)``, with weights that are 0 at padding.

        Args:
            weights: ``(T, 1)`` or ``(B, N, 1)``.
            x: Values that are finite at padding too.
        """
        return self.sum(weights * x)

    def attend(self, qkv: Tensor, bias: Sequence[Tensor] | None = None, dropout: float = 0.0) -> Tensor:
        """See `self_attention`."""
        results = []
        for number, (grid, valid) in enumerate(zip(self.grids(qkv), self.grid_valid(), strict=True)):
            query, key, value = grid.permute(2, 0, 3, 1, 4).unbind()  # (B, H, N, D)
            # a jet without constituents attends to its padding, whose result nobody reads, not to nothing (NaN)
            mask = (valid | ~valid.any(1, keepdim=True))[:, None, None, :]
            if bias is not None:
                mask = torch.where(mask, bias[number], torch.finfo(bias[number].dtype).min)
            result = F.scaled_dot_product_attention(query, key, value, mask, dropout)
            results.append(result.transpose(1, 2))
        return self.from_grids(results)

    def mean(self, x: Tensor) -> Tensor:
        """Mean over the constituents of each jet, ``(B, D)``; 0 for jets without any."""
        counts = self.counts.clamp(min=1).to(x.dtype)
        total = self.sum(x)
        return total / counts.reshape(-1, *[1] * (total.dim() - 1))


class Padded(Layout):
    """A fixed number of slots per jet.

    Args:
        valid: True for real constituents, ``(B, N)`` bool.
    """

    def __init__(self, valid: Tensor) -> None:
        self._valid = valid

    @property
    def counts(self) -> Tensor:
        return self._valid.sum(1)

    @property
    def valid(self) -> Tensor:
        return self._valid

    @property
    def ranks(self) -> Tensor:
        return self._valid.long().cumsum(1) - 1

    def sum(self, x: Tensor) -> Tensor:
        return self._masked(x, 0.0).sum(1)

    def max(self, x: Tensor) -> Tensor:
        some = self._valid.any(1).reshape(-1, *[1] * (x.dim() - 2))
        largest = self._largest(x)
        return torch.where(some, largest, torch.zeros_like(largest))

    def softmax(self, scores: Tensor) -> Tensor:
        scores = self._masked(scores, 0.0)
        weights = self._masked((scores - self._largest(scores.detach())[:, None]).exp(), 0.0)
        return weights / weights.sum(1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)

    def spread(self, vectors: Tensor) -> Tensor:
        return vectors[:, None].expand(-1, self._valid.shape[1], *vectors.shape[1:])

    def grids(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x,)

    def grid_valid(self) -> tuple[Tensor, ...]:
        return (self._valid,)

    def from_grids(self, grids: Sequence[Tensor]) -> Tensor:
        return grids[0]

    def jets_to_grids(self, vectors: Tensor) -> tuple[Tensor, ...]:
        return (vectors,)

    def jets_from_grids(self, parts: Sequence[Tensor]) -> Tensor:
        return parts[0]

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        number = self._valid.shape[1]
        first, second = triangle(number, x.device)
        real = self._valid[:, first] & self._valid[:, second]
        return x[:, first], x[:, second], real

    def pair_grids(self, flags: Tensor) -> tuple[Tensor, ...]:
        jets, number = self._valid.shape
        first, second = triangle(number, flags.device)
        upper = flags.new_zeros(jets, number * number).index_copy(1, first * number + second, flags)
        matrix = upper.reshape(jets, number, number)
        return (matrix | matrix.transpose(1, 2),)

    def to_padded(self, x: Tensor, length: int) -> Tensor:
        x = self._masked(x, 0)
        missing = length - x.shape[1]
        if missing <= 0:
            return x[:, :length]
        return torch.cat([x, x.new_zeros(x.shape[0], missing, *x.shape[2:])], 1)

    def merge(self, others: Sequence[Layout]) -> tuple[Layout, tuple[Tensor, ...]]:
        masks = [layout.valid for layout in (self, *others)]
        starts, start = [], 0
        for mask in masks:
            starts.append(torch.arange(start, start + mask.shape[1], device=mask.device))
            start = start + mask.shape[1]
        return Padded(torch.cat(masks, 1)), tuple(starts)

    def place(self, parts: Sequence[Tensor], where: Sequence[Tensor]) -> Tensor:
        del where  # merged slots stand in the order of the parts
        return torch.cat(list(parts), 1)

    def take(self, x: Tensor, where: Tensor) -> Tensor:
        return x.index_select(1, where)

    def constant(self, number: int) -> Layout:
        return Padded(self._valid.new_ones(self._valid.shape[0], number))

    def repeat(self, values: Tensor) -> Tensor:
        return values.expand(self._valid.shape[0], *values.shape)

    def blank(self, x: Tensor) -> Tensor:
        return self._masked(x, 0.0)

    def _largest(self, x: Tensor) -> Tensor:
        lowest = torch.finfo(x.dtype).min
        floor = x.new_full((x.shape[0], 1, *x.shape[2:]), lowest)
        return torch.cat([self._masked(x, lowest), floor], 1).amax(1)

    def _masked(self, x: Tensor, value: float) -> Tensor:
        mask = self._valid.reshape(*self._valid.shape, *[1] * (x.dim() - 2))
        return torch.where(mask, x, torch.full_like(x, value))


class Packed(Layout):
    """Constituents of all jets one after the other.

    Args:
        offsets: Where each jet's constituents begin and end, ``(B + 1,)`` int64.
        total: Number of constituents ``T`` of all jets (known from a shape, so that no device is asked).
        longest: Largest number of constituents of a jet in each bucket.
        buckets: A partition of the jets into groups of similar multiplicity, each ``(B_k,)``; empty for one group.
        listed: Unordered pairs of constituents of the same jet, ``(2, P)``; ``None`` when no one asked for pairs.
    """

    def __init__(
        self,
        offsets: Tensor,
        total: int,
        longest: tuple[int, ...],
        buckets: tuple[Tensor, ...] = (),
        listed: Tensor | None = None,
    ) -> None:
        self.offsets = offsets
        self.total = total
        self.longest = longest
        self.buckets = buckets or (torch.arange(offsets.shape[0] - 1, device=offsets.device),)
        self.listed = listed
        self._blocks: Blocks | None = None
        self._grids: tuple[Tensor, tuple[Tensor, ...]] | None = None
        self._ladder = torch.arange(total, device=offsets.device)
        self.segments = torch.searchsorted(offsets[1:].contiguous(), self._ladder, right=True)

    @property
    def counts(self) -> Tensor:
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def blocks(self) -> Blocks:
        """Where attention puts the constituents; made at the first use."""
        if self._blocks is None:
            self._blocks = make_blocks(self.offsets, self.total, self.buckets, self.longest)
        return self._blocks

    @property
    def valid(self) -> Tensor:
        return torch.ones_like(self.segments, dtype=torch.bool)

    @property
    def ranks(self) -> Tensor:
        return self._ladder - self.offsets.index_select(0, self.segments)

    def sum(self, x: Tensor) -> Tensor:
        return add_rows(x, self.segments, self.offsets.shape[0] - 1)

    def max(self, x: Tensor) -> Tensor:
        index = self.segments.reshape(-1, *[1] * (x.dim() - 1)).expand_as(x)
        # a start that no value equals: an equal one would take its share of the gradient, even with include_self=False
        start = x.new_full((self.offsets.shape[0] - 1, *x.shape[1:]), -torch.inf)
        largest = start.scatter_reduce(0, index, x, "amax", include_self=False)
        some = (self.counts > 0).reshape(-1, *[1] * (x.dim() - 1))
        return torch.where(some, largest, torch.zeros_like(largest))

    def softmax(self, scores: Tensor) -> Tensor:
        largest = self.max(scores.detach()).index_select(0, self.segments)
        weights = (scores - largest).exp()
        return weights / take_rows(self.sum(weights), self.segments)

    def spread(self, vectors: Tensor) -> Tensor:
        return take_rows(vectors, self.segments)

    def grids(self, x: Tensor) -> tuple[Tensor, ...]:
        # padding repeats some real constituent: finite values without a copy; grid_valid() says what is real
        _, indices = self._places()
        if self.total == 0:
            return tuple(x.new_zeros(*index.shape, *x.shape[1:]) for index in indices)
        return tuple(take_rows(x, index.flatten()).reshape(*index.shape, *x.shape[1:]) for index in indices)

    def grid_valid(self) -> tuple[Tensor, ...]:
        return tuple(
            torch.arange(length, device=self.offsets.device) < self.counts.index_select(0, jets)[:, None]
            for jets, length in zip(self.buckets, self.longest, strict=True)
        )

    def from_grids(self, grids: Sequence[Tensor]) -> Tensor:
        flat = [grid.flatten(0, 1) for grid in grids]
        return take_rows(flat[0] if len(flat) == 1 else torch.cat(flat), self._places()[0])

    def jets_to_grids(self, vectors: Tensor) -> tuple[Tensor, ...]:
        return tuple(take_rows(vectors, jets) for jets in self.buckets)

    def jets_from_grids(self, parts: Sequence[Tensor]) -> Tensor:
        return take_rows(torch.cat(list(parts)), inverse(torch.cat(self.buckets)))

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.listed is None:
            raise ValueError("the batch lists no pairs for this stream: the task's `reads` must ask for them")
        first, second = self.listed.unbind()
        return take_rows(x, first), take_rows(x, second), torch.ones_like(first, dtype=torch.bool)

    def pair_grids(self, flags: Tensor) -> tuple[Tensor, ...]:
        if self.listed is None:
            raise ValueError("the batch lists no pairs for this stream: the task's `reads` must ask for them")
        sizes = [(jets.shape[0], length) for jets, length in zip(self.buckets, self.longest, strict=True)]
        # where each jet's matrix begins in the flattened matrices, and its number of columns
        starts, columns, start = torch.zeros_like(self.offsets[:-1]), torch.zeros_like(self.offsets[:-1]), 0
        for jets, length in zip(self.buckets, self.longest, strict=True):
            starts = starts.index_copy(0, jets, start + torch.arange(jets.shape[0], device=jets.device) * length**2)
            columns = columns.index_copy(0, jets, torch.full_like(jets, length))
            start = start + jets.shape[0] * length**2
        slot = self.ranks
        row = starts.index_select(0, self.segments) + slot * columns.index_select(0, self.segments)
        first, second = self.listed.unbind()
        flat = flags.new_zeros(start)
        for one, other in ((first, second), (second, first)):
            flat = flat.index_copy(0, row.index_select(0, one) + slot.index_select(0, other), flags)
        grids = flat.split([jets * length**2 for jets, length in sizes])
        return tuple(grid.reshape(jets, length, length) for grid, (jets, length) in zip(grids, sizes, strict=True))

    def to_padded(self, x: Tensor, length: int) -> Tensor:
        slots = torch.arange(length, device=x.device)
        valid = slots < self.counts[:, None]
        ghost = torch.cat([x, x.new_zeros(1, *x.shape[1:])])
        index = torch.where(valid, self.offsets[:-1, None] + slots, self.total)
        return take_rows(ghost, index.flatten()).reshape(*index.shape, *x.shape[1:])

    def merge(self, others: Sequence[Layout]) -> tuple[Layout, tuple[Tensor, ...]]:
        parts = [self, *(layout for layout in others if isinstance(layout, Packed))]
        if len(parts) != len(others) + 1:
            raise TypeError("packed and padded sets cannot be merged")
        offsets = torch.stack([part.offsets for part in parts]).sum(0)
        first, where = offsets[:-1], []
        for part in parts:
            where.append((first - part.offsets[:-1]).index_select(0, part.segments) + part._ladder)
            first = first + part.counts
        longest = tuple(sum(lengths) for lengths in zip(*(part.longest for part in parts), strict=True))
        return Packed(offsets, sum(part.total for part in parts), longest, self.buckets), tuple(where)

    def place(self, parts: Sequence[Tensor], where: Sequence[Tensor]) -> Tensor:
        return take_rows(torch.cat(list(parts)), inverse(torch.cat(list(where))))

    def take(self, x: Tensor, where: Tensor) -> Tensor:
        return take_rows(x, where)

    def constant(self, number: int) -> Layout:
        jets = self.offsets.shape[0] - 1
        offsets = torch.arange(jets + 1, device=self.offsets.device) * number
        return Packed(offsets, jets * number, (number,) * len(self.buckets), self.buckets)

    def repeat(self, values: Tensor) -> Tensor:
        jets = self.offsets.shape[0] - 1
        return values.expand(jets, *values.shape).reshape(jets * values.shape[0], *values.shape[1:])

    def blank(self, x: Tensor) -> Tensor:
        return x

    def attend(self, qkv: Tensor, bias: Sequence[Tensor] | None = None, dropout: float = 0.0) -> Tensor:
        if bias is not None:
            return super().attend(qkv, bias, dropout)
        if self.total == 0:
            return qkv.select(-3, 2)
        if compiled is not None and dropout == 0 and torch.compiler.is_compiling():
            attended: Tensor = compiled.attend(qkv, self.offsets, self.buckets, self.longest)
            return attended
        return self.blocks.attend(qkv, dropout)

    def _places(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Slot of each constituent in the flattened grids, and the constituent in each slot; made at the first use."""
        if self._grids is None:
            firsts, start = [], 0  # first slot of each jet, bucket by bucket
            for jets, length in zip(self.buckets, self.longest, strict=True):
                firsts.append(start + torch.arange(jets.shape[0], device=self.offsets.device) * length)
                start = start + jets.shape[0] * length
            slots = torch.cat(firsts).index_select(0, inverse(torch.cat(self.buckets)))
            places = (slots - self.offsets[:-1]).index_select(0, self.segments) + self._ladder
            self._grids = places, tuple(self._index(*one) for one in zip(self.buckets, self.longest, strict=True))
        return self._grids

    def _index(self, jets: Tensor, length: int) -> Tensor:
        slots = torch.arange(length, device=self.offsets.device)
        return (self.offsets[:-1].index_select(0, jets)[:, None] + slots).clamp(max=max(self.total - 1, 0))


@dataclass(frozen=True)
class Tokens:
    """Embedded constituents of one or more streams, and which of them are whose.

    Args:
        values: ``(T, D)`` packed or ``(B, L, D)`` padded.
        layout: Which tokens belong to which jet.
        parts: Per stream its own layout and its positions in `layout`.
        columns: Raw values of the variables that the encoder reads, ``(T,)`` or ``(B, L)`` by name; 0 for what is no
            constituent.
    """

    values: Tensor
    layout: Layout
    parts: Mapping[str, tuple[Layout, Tensor]]
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def merged(
        cls,
        streams: Mapping[str, tuple[Tensor, Layout]],
        columns: Mapping[str, Mapping[str, Tensor]] | None = None,
    ) -> Tokens:
        """Tokens of several streams, jet by jet.

        Args:
            streams: Values and layout per stream, in the order in which they shall stand.
            columns: Raw values by name of the variable and, for every stream, by name of the stream.
        """
        values = [value for value, _ in streams.values()]
        layouts = [layout for _, layout in streams.values()]
        layout, where = layouts[0].merge(layouts[1:])
        parts = {name: (own, index) for name, own, index in zip(streams, layouts, where, strict=True)}

        def together(values: Sequence[Tensor]) -> Tensor:
            return layout.place(values, where) if len(values) > 1 else values[0]

        raw = {name: together([column[stream] for stream in streams]) for name, column in (columns or {}).items()}
        return cls(together(values), layout, parts, raw)

    def of(self, stream: str) -> tuple[Tensor, Layout]:
        """Values and layout of one stream alone."""
        layout, where = self.parts[stream]
        return (self.values, layout) if len(self.parts) == 1 else (self.layout.take(self.values, where), layout)

    def joined(self, stream: str, values: Tensor, layout: Layout) -> Tokens:
        """These tokens and those of one more stream.

        Raises:
            ValueError: A stream of this name is there already.
        """
        if stream in self.parts:
            raise ValueError(f"stream must be a new name, got '{stream}', which the tokens already have")
        merged, (old, new) = self.layout.merge([layout])
        parts = {name: (own, old.index_select(0, where)) for name, (own, where) in self.parts.items()}
        columns = {
            name: merged.place([column, column.new_zeros(values.shape[:-1])], [old, new])
            for name, column in self.columns.items()
        }
        return Tokens(
            merged.place([self.values, values], [old, new]), merged, {**parts, stream: (layout, new)}, columns
        )

    def with_values(self, values: Tensor) -> Tokens:
        """The same structure with other values (of any width)."""
        return Tokens(values, self.layout, self.parts, self.columns)


def layout_of(batch: Batch, stream: str) -> Layout:
    """The layout of one stream of constituents of a batch, be they inputs or only labels."""
    if stream in batch.layouts:
        layout: Layout = batch.layouts[stream]
        return layout
    if stream in batch.valid:
        return Padded(batch.valid[stream])
    values = batch.inputs[stream] if stream in batch.inputs else next(iter(batch.labels[stream].values()))
    total = values.shape[0]
    return Packed(batch.offsets[stream], total, batch.longest[stream], batch.buckets, batch.pairs.get(stream))


def self_attention(qkv: Tensor, layout: Layout, bias: Sequence[Tensor] | None = None, dropout: float = 0.0) -> Tensor:
    """Scaled dot-product attention within each jet (arXiv:1706.03762).

    Args:
        qkv: Query, key and value of each constituent, ``(T, 3, H, D)`` or ``(B, N, 3, H, D)``.
        layout: Which constituents belong to which jet.
        bias: Added to the scores, one ``(B_k, H, N_k, N_k)`` for each of the layout's grids.
        dropout: Probability of dropping an attention weight.

    Returns:
        ``(T, H, D)`` or ``(B, N, H, D)``; finite but without meaning at padding.
    """
    return layout.attend(qkv, bias, dropout)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    bias: Sequence[Tensor] | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """The same as `self_attention` with query, key and value apart, each ``(T, H, D)`` or ``(B, N, H, D)``."""
    return self_attention(torch.stack([query, key, value], -3), layout, bias, dropout)


def triangle(number: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both ends of every unordered pair of `number` slots, smaller one first, in the order of `list_pairs`.

    Not `torch.triu_indices`, which would make exported graphs hold for one number of slots only.
    """
    rank = torch.arange(number * (number - 1) // 2, device=device)
    # float32 is exact as long as 8 times the rank is below 2**24, that is up to 2000 slots. With 1 in place of 5 the
    # root would be a whole number at the first pair of each slot, and onnxruntime 1.17 finds less than that sometimes
    larger = ((1 + (5 + 8 * rank).float().sqrt()) / 2).floor().long()
    return rank - larger * (larger - 1) // 2, larger
