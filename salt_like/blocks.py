"""Attention within many small sets at once, for the packed layout.

The matrix products of a single jet are far too small to be fast (8 tracks, 16 channels a head). So jets of similar
multiplicity stand side by side in rows, and a mask keeps each jet to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# jets side by side in a row where a jet has at most so many slots: rows of 14 to 26 slots are the fastest on a CPU core
SIDE = ((3, 8), (6, 4), (13, 2))
LOWEST = -3.0e38  # a finite stand-in for -inf in float32: exp() of it is 0, and differences with it are never NaN


@dataclass(frozen=True)
class Places:
    """Where the heads of constituents stand in the slots, for one number of heads H and S slots in all buckets.

    In a bucket the order is row, head, slot, so that each head of a row is a matrix without further copies.

    Args:
        gather: Which of the ``3 T H`` query, key and value vectors is in each slot, ``(3 S H,)``.
        head: Which of the ``T H`` heads is in each slot, ``(S H,)``.
        back: Slot of each of the ``T H`` heads, ``(T H,)``.
        back_three: Slot of each of the ``3 T H`` query, key and value vectors, ``(3 T H,)``.
    """

    gather: Tensor
    head: Tensor
    back: Tensor
    back_three: Tensor


@dataclass(frozen=True)
class Blocks:
    """Rows of slots, and which constituent is in which slot.

    Args:
        indices: Constituent in each slot per bucket, ``(R_k, W_k)``; any one in a slot that is not used.
        masks: Added to the scores per bucket, ``(R_k, 1, W_k, W_k)``: 0 within a jet, `LOWEST` between jets.
        slots: Slot of each constituent when the rows of all buckets stand one after the other, ``(T,)``.
    """

    indices: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    slots: Tensor
    _places: dict[int, Places] = field(default_factory=dict)

    def attend(self, qkv: Tensor, dropout: float = 0.0) -> Tensor:
        """Attention within each jet: query, key and value ``(T, 3, H, D)`` → ``(T, H, D)``, ``T`` at least 1."""
        if dropout == 0:
            return _attend(qkv, self)
        results = []
        for index, mask in zip(self.indices, self.masks, strict=True):
            rows = qkv.index_select(0, index.flatten()).unflatten(0, index.shape)
            query, key, value = rows.permute(2, 0, 3, 1, 4).unbind()  # (R, H, W, D)
            mixed = F.scaled_dot_product_attention(query, key, value, mask.to(qkv.dtype), dropout)
            results.append(mixed.transpose(1, 2).flatten(0, 1))
        return torch.cat(results).index_select(0, self.slots)

    def places(self, heads: int) -> Places:
        """Where heads stand; made once for each number of heads."""
        if heads not in self._places:
            self._places[heads] = self._make_places(heads)
        return self._places[heads]

    def parts(self, heads: int) -> Iterator[tuple[Tensor, slice, slice]]:
        """Mask of each bucket, its part of the ``S H`` slots and that of all weights one after the other."""
        slot, weight = 0, 0
        for mask in self.masks:
            rows, _, width, _ = mask.shape
            slots, weights = slice(slot, slot + rows * heads * width), slice(weight, weight + rows * heads * width**2)
            yield mask, slots, weights
            slot, weight = slots.stop, weights.stop

    def _make_places(self, heads: int) -> Places:
        device = self.slots.device
        ladder, three = torch.arange(heads, device=device), torch.arange(3, device=device)
        inside, places, start = [], [], 0
        for index in self.indices:
            rows, width = index.shape
            inside.append((index[:, None, :] * heads + ladder[None, :, None]).flatten())
            place = torch.arange(start, start + rows * heads * width, device=device).reshape(rows, heads, width)
            places.append(place.transpose(1, 2).reshape(rows * width, heads))
            start += rows * heads * width
        head = torch.cat(inside)
        back = torch.cat(places).index_select(0, self.slots)  # (T, H)
        # vector c of head h of constituent t is row (3 t + c) H + h
        gather = head + 2 * heads * (head // heads) + heads * three[:, None]
        back_three = back[:, None, :] + start * three[:, None]
        return Places(gather.flatten(), head, back.flatten(), back_three.flatten())


def make_blocks(offsets: Tensor, total: int, buckets: Sequence[Tensor], longest: Sequence[int]) -> Blocks:
    """Put the jets of each bucket into rows.

    Args:
        offsets: Where each jet's constituents begin and end, ``(B + 1,)``.
        total: Number of constituents of all jets.
        buckets: A partition of the jets, each ``(B_k,)``.
        longest: Largest number of constituents in each bucket.
    """
    indices, masks = [], []
    first, start = torch.zeros_like(offsets[:-1]), 0  # first slot of each jet
    for jets, length in zip(buckets, longest, strict=True):
        number = jets.shape[0]
        # a plain number, also where the length is a symbol of a compiled graph
        side = next((side for most, side in SIDE if length <= most), 1)
        rows = (number + side - 1) // side
        width = side * length
        begin, end = offsets.index_select(0, jets)[:, None], offsets.index_select(0, jets + 1)[:, None]
        index = begin + torch.arange(length, device=offsets.device)  # (B_k, N_k)
        owner = torch.where(index < end, begin, -1)  # empty slots attend to each other: finite, and read by no one
        spare = (rows * side - number) * length
        index = F.pad(index.clamp(max=max(total - 1, 0)).flatten(), (0, spare)).reshape(rows, width)
        owner = F.pad(owner.flatten(), (0, spare), value=-1).reshape(rows, width)
        apart = owner[:, :, None] != owner[:, None, :]
        masks.append(torch.zeros(apart.shape, device=offsets.device).masked_fill(apart, LOWEST)[:, None])
        indices.append(index)
        first = first.index_copy(0, jets, start + torch.arange(number, device=offsets.device) * length)
        start = start + rows * width
    counts = offsets[1:] - offsets[:-1]
    ladder = torch.arange(total, device=offsets.device)
    slots = torch.repeat_interleave(first - offsets[:-1], counts, output_size=total) + ladder
    return Blocks(tuple(indices), tuple(masks), slots)


def mix(qkv: Tensor, blocks: Blocks) -> tuple[Tensor, Tensor, Tensor]:
    """Attention within the rows of all buckets.

    Args:
        qkv: Query, key and value of all constituents, ``(T, 3, H, D)``.
        blocks: Rows of slots.

    Returns:
        The result of each constituent, ``(T, H, D)``, and what its gradient needs: query, key and value in slots
        ``(3, S H, D)`` and the weights of all buckets one after the other, each ``(R H, W, W)`` with the keys first.
    """
    total, _, heads, width = qkv.shape
    places = blocks.places(heads)
    flat = qkv.reshape(-1, width).index_select(0, places.gather).view(3, -1, width)
    mixed = torch.empty_like(flat[0])
    weights = flat.new_empty(sum(mask.numel() for mask in blocks.masks) * heads)
    with torch.autocast(qkv.device.type, enabled=False):
        for mask, slots, region in blocks.parts(heads):
            rows, _, size, _ = mask.shape
            query, key, value = flat[:, slots].view(3, rows * heads, size, width).unbind()
            # keys before queries: a softmax over the last but one axis is vectorised over the last one
            scores = torch.bmm(key, query.transpose(1, 2)).view(rows, heads, size, size)
            torch.add(mask.to(scores.dtype), scores, alpha=width**-0.5, out=scores)
            part = weights[region].view(rows, heads, size, size)
            torch.softmax(scores, -2, out=part)
            part = part.flatten(0, 1)
            torch.bmm(part.transpose(1, 2), value, out=mixed[slots].view(rows * heads, size, width))
    return mixed.index_select(0, places.back).view(total, heads, width), flat, weights


def mix_backward(gradient: Tensor, flat: Tensor, weights: Tensor, blocks: Blocks) -> Tensor:
    """Gradient of `mix` with respect to query, key and value of all constituents, ``(T, 3, H, D)``.

    Args:
        gradient: Gradient of the result of each constituent, ``(T, H, D)``.
        flat: Second result of `mix`.
        weights: Third result of `mix`.
        blocks: Rows of slots.
    """
    total, heads, width = gradient.shape
    places, scale = blocks.places(heads), width**-0.5
    above = gradient.reshape(-1, width).index_select(0, places.head)
    result = torch.empty_like(flat)
    for mask, slots, region in blocks.parts(heads):
        rows, _, size, _ = mask.shape
        shape = (rows * heads, size, width)
        query, key, value = flat[:, slots].view(3, *shape).unbind()
        d_query, d_key, d_value = result[:, slots].view(3, *shape).unbind()
        part, d_mixed = weights[region].view(rows * heads, size, size), above[slots].view(shape)
        d_weights = torch.bmm(value, d_mixed.transpose(1, 2))
        d_scores = torch._softmax_backward_data(d_weights, part, 1, part.dtype)
        torch.baddbmm(d_query, d_scores.transpose(1, 2), key, beta=0, alpha=scale, out=d_query)
        torch.baddbmm(d_key, d_scores, query, beta=0, alpha=scale, out=d_key)
        torch.bmm(part, d_mixed, out=d_value)
    return result.view(-1, width).index_select(0, places.back_three).view(total, 3, heads, width)


class _Attend(torch.autograd.Function):
    """Gather into rows, attention, and gather back, with a backward that gathers too.

    Automatic differentiation would add up the gradients of each gather, and copy more. What goes into and comes out of
    empty slots is dropped on both ways, which is exact since no constituent attends to them.
    """

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, blocks: Blocks) -> Tensor:
        mixed, *kept = mix(qkv, blocks)
        ctx.blocks = blocks
        ctx.save_for_backward(*kept)
        return mixed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        flat, weights = ctx.saved_tensors
        return mix_backward(gradient, flat, weights, ctx.blocks), None


_attend: Callable[..., Tensor] = _Attend.apply
