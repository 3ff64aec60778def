"""Attention within many small sets at once, for the packed layout.

The matrix products of a single jet are far too small to be fast (8 tracks, 16 channels a head). So jets of similar
multiplicity stand side by side in rows, and a mask keeps each jet to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# jets side by side in a row where a jet has at most so many slots: rows of 14 to 26 slots are the fastest on a CPU core
SIDE = ((3, 8), (6, 4), (13, 2))
LOWEST = -3.0e38  # a finite stand-in for -inf in float32: exp() of it is 0, and differences with it are never NaN


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

    def attend(self, qkv: Tensor, dropout: float = 0.0) -> Tensor:
        """Attention within each jet: query, key and value ``(T, 3, H, D)`` → ``(T, H, D)``, ``T`` at least 1."""
        if dropout == 0:
            return _attend(qkv, self.slots, len(self.indices), *self.indices, *self.masks)
        results = []
        for index, mask in zip(self.indices, self.masks, strict=True):
            rows = qkv.index_select(0, index.flatten()).unflatten(0, index.shape)
            query, key, value = rows.permute(2, 0, 3, 1, 4).unbind()  # (R, H, W, D)
            mixed = F.scaled_dot_product_attention(query, key, value, mask.to(qkv.dtype), dropout)
            results.append(mixed.transpose(1, 2).flatten(0, 1))
        return torch.cat(results).index_select(0, self.slots)


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


def mix(qkv: Tensor, index: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Attention within the rows of one bucket.

    Args:
        qkv: Query, key and value of all constituents, ``(T, 3, H, D)``.
        index: Constituent in each slot, ``(R, W)``.
        mask: Added to the scores, ``(R, 1, W, W)``.

    Returns:
        The result in each slot, ``(R W, H, D)``, and what its gradient needs: query, key and value in rows
        ``(3, R H, W, D)`` and the weights ``(R H, W, W)``.
    """
    heads, width = qkv.shape[-2:]
    rows, slots = index.shape
    with torch.autocast(qkv.device.type, enabled=False):
        grid = qkv.index_select(0, index.flatten()).view(rows, slots, 3, heads, width)
        flat = grid.permute(2, 0, 3, 1, 4).reshape(3, rows * heads, slots, width)
        query, key, value = flat.unbind()
        scores = torch.bmm(query, key.transpose(1, 2)).view(rows, heads, slots, slots)
        weights = scores.mul_(width**-0.5).add_(mask.to(scores.dtype)).softmax(-1).flatten(0, 1)
        mixed = torch.bmm(weights, value).view(rows, heads, slots, width)
    return mixed.transpose(1, 2).reshape(rows * slots, heads, width), flat, weights


def mix_backward(gradient: Tensor, index: Tensor, flat: Tensor, weights: Tensor) -> Tensor:
    """Gradient of `mix` with respect to query, key and value in each slot, ``(R W, 3, H, D)``.

    Args:
        gradient: Gradient of the result of each constituent, ``(T, H, D)``.
        index: Constituent in each slot, ``(R, W)``.
        flat: Second result of `mix`.
        weights: Third result of `mix`.
    """
    heads, width = gradient.shape[-2:]
    rows, slots = index.shape
    query, key, value = flat.unbind()
    grid = gradient.index_select(0, index.flatten()).view(rows, slots, heads, width)
    grid = grid.transpose(1, 2).reshape(rows * heads, slots, width)
    d_weights = torch.bmm(grid, value.transpose(1, 2))
    d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype) * width**-0.5
    d_query, d_key = torch.bmm(d_scores, key), torch.bmm(d_scores.transpose(1, 2), query)
    parts = torch.stack([d_query, d_key, torch.bmm(weights.transpose(1, 2), grid)])
    parts = parts.view(3, rows, heads, slots, width).permute(1, 3, 0, 2, 4)  # (R, W, 3, H, D)
    return parts.reshape(rows * slots, 3, heads, width)


class _Attend(torch.autograd.Function):
    """Gather into rows, attention, and gather back, with a backward that gathers too.

    Automatic differentiation would add up the gradients of each gather, and copy more. What goes into and comes out of
    empty slots is dropped on both ways, which is exact since no constituent attends to them.
    """

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, slots: Tensor, number: int, *rows: Tensor) -> Tensor:
        mixed = [mix(qkv, index, mask) for index, mask in zip(rows[:number], rows[number:], strict=True)]
        ctx.number = number
        ctx.save_for_backward(slots, *rows[:number], *(kept for _, *both in mixed for kept in both))
        return torch.cat([result for result, *_ in mixed]).index_select(0, slots)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        slots, *rest = ctx.saved_tensors
        indices, saved = rest[: ctx.number], rest[ctx.number :]
        results = [mix_backward(gradient, *one) for one in zip(indices, saved[::2], saved[1::2], strict=True)]
        return torch.cat(results).index_select(0, slots), *[None] * (2 + 2 * ctx.number)


_attend: Callable[..., Tensor] = _Attend.apply
