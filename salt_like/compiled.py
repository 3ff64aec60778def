"""Packed attention as one operation that `torch.compile` takes as it is.

Traced step by step, attention over many buckets makes hundreds of small kernels whose compilation takes minutes and
gains nothing over the matrix products it already consists of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from salt_like.blocks import make_blocks, mix, mix_backward


@custom_op("salt_like::attend", mutates_args=())
def attend(qkv: Tensor, offsets: Tensor, buckets: Sequence[Tensor], longest: Sequence[int]) -> Tensor:
    """Attention within each jet, ``(T, 3, H, D)`` → ``(T, H, D)``; see `salt_like.blocks.Blocks.attend`."""
    blocks = make_blocks(offsets, qkv.shape[0], buckets, longest)
    results = [mix(qkv, index, mask)[0] for index, mask in zip(blocks.indices, blocks.masks, strict=True)]
    return torch.cat(results).index_select(0, blocks.slots)


@attend.register_fake
def _(qkv: Tensor, *_: Any) -> Tensor:
    return qkv.new_empty(qkv.shape[0], *qkv.shape[2:])


@custom_op("salt_like::attend_backward", mutates_args=())
def attend_backward(
    gradient: Tensor, qkv: Tensor, offsets: Tensor, buckets: Sequence[Tensor], longest: Sequence[int]
) -> Tensor:
    """Gradient of `attend` with respect to `qkv`; attention is computed once more rather than kept."""
    blocks = make_blocks(offsets, qkv.shape[0], buckets, longest)
    gradient = gradient.contiguous()
    results = []
    for index, mask in zip(blocks.indices, blocks.masks, strict=True):
        _, flat, weights = mix(qkv, index, mask)
        results.append(mix_backward(gradient, index, flat, weights))
    return torch.cat(results).index_select(0, blocks.slots)


@attend_backward.register_fake
def _(_: Tensor, qkv: Tensor, *__: Any) -> Tensor:
    return torch.empty_like(qkv)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001 - torch names the argument
    qkv, offsets, buckets, longest = inputs
    ctx.save_for_backward(qkv, offsets, *buckets)
    ctx.longest = longest


def _backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    qkv, offsets, *buckets = ctx.saved_tensors
    return attend_backward(gradient, qkv, offsets, buckets, ctx.longest), None, [None] * len(buckets), None


attend.register_autograd(_backward, setup_context=_keep)
