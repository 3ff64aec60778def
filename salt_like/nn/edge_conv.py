"""Convolution over the neighbours of each constituent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from salt_like.nn.activations import make_activation
from salt_like.nn.batch_norm import BatchNorm
from salt_like.nn.checks import at_least
from salt_like.nn.graphs import AGGREGATES, Edges


class EdgeConvBlock(nn.Module):
    """A network on each constituent and the difference to its neighbour, combined over neighbours (arXiv:1902.08570).

    ``x_i → φ(S x_i + mean_j f(x_i, x_j - x_i))`` with ``f = (linear → norm → φ)ⁿ``, activation φ and a shortcut S,
    which is a linear layer with a norm, or nothing where the width stays. The norms are `BatchNorm` over edges that are
    real. The first layer is linear, so it is computed per constituent and not per edge.

    Args:
        in_dim: Width that comes in.
        channels: Widths of the layers on edges; the last comes out.
        activation: Name of the activation function.
        aggregate: ``"mean"``, ``"max"`` or ``"sum"`` over neighbours; 0 for a constituent without any.
    """

    def __init__(self, in_dim: int, channels: Sequence[int], activation: str = "ReLU", aggregate: str = "mean") -> None:
        super().__init__()
        if aggregate not in AGGREGATES:
            raise ValueError(f"aggregate must be one of {', '.join(AGGREGATES)}, got {aggregate!r}")
        if not channels:
            raise ValueError("channels must name at least one width for each block")
        for width in channels:
            at_least(1, channels=width)
        self.aggregate = aggregate
        self.first = nn.Linear(2 * in_dim, channels[0], bias=False)  # of x_i and x_j - x_i
        self.linears = nn.ModuleList(nn.Linear(before, after, bias=False) for before, after in pairwise(channels))
        self.norms = nn.ModuleList(BatchNorm(width) for width in channels)
        self.activation = make_activation(activation)
        same = in_dim == channels[-1]
        self.shortcut = None if same else nn.Linear(in_dim, channels[-1], bias=False)
        self.shortcut_norm = None if same else BatchNorm(channels[-1])

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Shapes: ``(T, in_dim)`` → ``(T, channels[-1])`` or ``(B, N, in_dim)`` → ``(B, N, channels[-1])``."""
        of_own, of_difference = self.first.weight.chunk(2, 1)
        own = edges.layout.grids(F.linear(x, of_own - of_difference))
        sent = edges.sent(F.linear(x, of_difference))
        messages: Sequence[Tensor] = [one[:, :, None] + other for one, other in zip(own, sent, strict=True)]
        for number, norm in enumerate(self.norms):
            if number > 0:
                messages = [self.linears[number - 1](message) for message in messages]
            messages = [self.activation(message) for message in norm(messages, edges.real)]
        mixed = edges.gather(messages, self.aggregate)
        return self.activation(self._passed(x, edges.layout.valid) + mixed)  # type: ignore[no-any-return]

    def _passed(self, x: Tensor, valid: Tensor) -> Tensor:
        if self.shortcut is None or self.shortcut_norm is None:
            return x
        (passed,) = self.shortcut_norm([self.shortcut(x)], [valid])
        return passed  # type: ignore[no-any-return]
