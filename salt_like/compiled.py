"""Operations on packed sets that `torch.compile` takes as they are.

Attention: traced step by step, it makes hundreds of small kernels whose compilation takes minutes and gains nothing
over the matrix products it already consists of. Rows that are added up or written where an index says: torch's compiler
may read them before they are complete, when it puts loops of equal size into one (seen with 2.13), and gradients are
then silently wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op, get_ctx

from salt_like.assignment import solve
from salt_like.blocks import Blocks, make_blocks, mix, mix_backward


class _Last:
    """The blocks made last: all layers of a step, forward and backward, ask for the same ones."""

    def __init__(self) -> None:
        self._asked: tuple[Any, ...] = ()
        self._blocks: Blocks | None = None

    def __call__(self, offsets: Tensor, total: int, buckets: Sequence[Tensor], longest: Sequence[int]) -> Blocks:
        # comparing values on another device would wait for it
        if self._blocks is None or not offsets.is_cpu or not self._same(offsets, buckets, longest):
            self._blocks = make_blocks(offsets, total, buckets, longest)
            # copies: what belongs to a compiled graph is overwritten by its next run
            self._asked = (offsets.clone(), tuple(bucket.clone() for bucket in buckets), tuple(longest))
        return self._blocks

    def _same(self, offsets: Tensor, buckets: Sequence[Tensor], longest: Sequence[int]) -> bool:
        before, groups, lengths = self._asked
        if tuple(longest) != lengths or len(groups) != len(buckets) or not torch.equal(before, offsets):
            return False
        return all(torch.equal(one, other) for one, other in zip(groups, buckets, strict=True))


_blocks = _Last()


def attend(qkv: Tensor, offsets: Tensor, buckets: Sequence[Tensor], longest: Sequence[int]) -> Tensor:
    """Attention within each jet, ``(T, 3, H, D)`` → ``(T, H, D)``; see `salt_like.blocks.Blocks.attend`."""
    attended: Tensor = attend_and_keep(qkv, offsets, buckets, longest)[0]
    return attended


@custom_op("salt_like::attend", mutates_args=())
def attend_and_keep(
    qkv: Tensor, offsets: Tensor, buckets: Sequence[Tensor], longest: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, and what its gradient needs; see `salt_like.blocks.mix`."""
    return mix(qkv, _blocks(offsets, qkv.shape[0], buckets, longest))


@attend_and_keep.register_fake
def _(qkv: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    total, _three, heads, width = qkv.shape
    slots, weights = get_ctx().new_dynamic_size(), get_ctx().new_dynamic_size()
    return qkv.new_empty(total, heads, width), qkv.new_empty(3, slots, width), qkv.new_empty(weights)


@custom_op("salt_like::attend_backward", mutates_args=())
def attend_backward(
    gradient: Tensor,
    flat: Tensor,
    weights: Tensor,
    offsets: Tensor,
    buckets: Sequence[Tensor],
    longest: Sequence[int],
) -> Tensor:
    """Gradient of `attend` with respect to `qkv`."""
    return mix_backward(gradient, flat, weights, _blocks(offsets, gradient.shape[0], buckets, longest))


@attend_backward.register_fake
def _(gradient: Tensor, *_: Any) -> Tensor:
    total, heads, width = gradient.shape
    return gradient.new_empty(total, 3, heads, width)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, offsets, buckets, longest = inputs
    ctx.mark_non_differentiable(*output[1:])
    ctx.save_for_backward(*output[1:], offsets, *buckets)
    ctx.longest = longest


def _backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Any, ...]:
    flat, weights, offsets, *buckets = ctx.saved_tensors
    result = attend_backward(gradient, flat, weights, offsets, buckets, ctx.longest)
    return result, None, [None] * len(buckets), None


attend_and_keep.register_autograd(_backward, setup_context=_keep)


@custom_op("salt_like::add_rows", mutates_args=())
def add_rows(values: Tensor, index: Tensor, number: int) -> Tensor:
    """Sum of the rows of each index, ``(T, ...)`` and ``(T,)`` → ``(number, ...)``."""
    return values.new_zeros(number, *values.shape[1:]).index_add(0, index, values)


@add_rows.register_fake
def _(values: Tensor, _index: Tensor, number: int) -> Tensor:
    return values.new_empty(number, *values.shape[1:])


def _keep_index(ctx: Any, inputs: tuple[Any, ...], **_: Any) -> None:
    ctx.save_for_backward(inputs[1])


def _spread_back(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    return gradient.index_select(0, *ctx.saved_tensors), None, None


add_rows.register_autograd(_spread_back, setup_context=_keep_index)


def take_rows(x: Tensor, index: Tensor) -> Tensor:
    """``x.index_select(0, index)``, whose gradient is `add_rows`."""
    taken: Tensor = _TakeRows.apply(x, index)  # type: ignore[no-untyped-call]
    return taken


class _TakeRows(torch.autograd.Function):
    # no operation of its own: the compiler may join the taking, which is safe, with what reads it

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.number = x.shape[0]
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return add_rows(gradient.contiguous(), index, ctx.number), None


@custom_op("salt_like::invert", mutates_args=())
def invert(permutation: Tensor) -> Tensor:
    """The permutation that undoes this one, ``(T,)``."""
    places = torch.arange(permutation.shape[0], device=permutation.device)
    return torch.empty_like(permutation).index_copy(0, permutation, places)


@invert.register_fake
def _(permutation: Tensor) -> Tensor:
    return torch.empty_like(permutation)


@custom_op("salt_like::assign", mutates_args=())
def assign(costs: Tensor, asked: Tensor) -> Tensor:
    """The cheapest assignment of each problem; see `salt_like.assignment.solve`."""
    return solve(costs, asked)


@assign.register_fake
def _(_costs: Tensor, asked: Tensor) -> Tensor:
    return torch.empty_like(asked, dtype=torch.int64)
