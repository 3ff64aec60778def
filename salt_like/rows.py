"""Rows of a tensor by index: taken, added up, put back in order; as operations of our own in a compiled step."""

from __future__ import annotations

import torch
from torch import Tensor

try:
    from salt_like import compiled
except ImportError:  # torch before 2.4 has no operations of one's own: a compiled step then traces these and attention
    compiled = None  # type: ignore[assignment]

__all__ = ["add_rows", "compiled", "inverse", "take_rows"]


def take_rows(x: Tensor, index: Tensor) -> Tensor:
    """Rows of `x` in the order of `index`, ``(n, ...)``."""
    if compiled is not None and x.is_floating_point() and torch.compiler.is_compiling():
        return compiled.take_rows(x, index)
    return x.index_select(0, index)


def add_rows(x: Tensor, index: Tensor, number: int) -> Tensor:
    """The rows of `x` added up where `index` says, ``(number, ...)``."""
    if compiled is not None and torch.compiler.is_compiling():
        added: Tensor = compiled.add_rows(x, index, number)
        return added
    return x.new_zeros(number, *x.shape[1:]).index_add(0, index, x)


def inverse(permutation: Tensor) -> Tensor:
    """Where each position went, ``(n,)``."""
    if compiled is not None and torch.compiler.is_compiling():
        inverted: Tensor = compiled.invert(permutation)
        return inverted
    places = torch.arange(permutation.shape[0], device=permutation.device)
    return torch.empty_like(permutation).index_copy(0, permutation, places)
