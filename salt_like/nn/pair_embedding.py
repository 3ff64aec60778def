"""From the features of pairs to a number for each attention head."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from salt_like.nn.activations import make_activation
from salt_like.nn.batch_norm import BatchNorm
from salt_like.nn.checks import at_least
from salt_like.sets import Layout


class PairEmbedding(nn.Module):
    """The same network on every pair: ``norm → (linear → norm → activation)ⁿ → linear → norm`` (arXiv:2202.03772).

    The norms are `BatchNorm`, over each unordered pair of a jet once, and each constituent with itself.

    Args:
        in_dim: Number of features.
        out_dim: Number of values that come out, one for each attention head.
        hidden: Widths of the hidden layers.
        activation: Name of the activation function.
    """

    def __init__(self, in_dim: int, out_dim: int, hidden: Sequence[int] = (), activation: str = "GELU") -> None:
        super().__init__()
        at_least(1, in_dim=in_dim, out_dim=out_dim)
        widths = [in_dim, *hidden, out_dim]
        for number, width in enumerate(hidden):
            at_least(1, **{f"pair_hidden[{number}]": width})
        # a shift of the input would be removed by the next norm, one of the result by the softmax of the attention
        self.input_norm = BatchNorm(in_dim, bias=False)
        self.linears = nn.ModuleList(nn.Linear(before, after, bias=False) for before, after in pairwise(widths))
        self.norms = nn.ModuleList([*(BatchNorm(width) for width in hidden), BatchNorm(out_dim, bias=False)])
        self.activation = make_activation(activation)

    def forward(self, pairs: Sequence[Tensor], layout: Layout) -> tuple[Tensor, ...]:
        """Shapes: one ``(B_k, N_k, N_k, F)`` for each of the layout's grids → ``(B_k, H, N_k, N_k)``."""
        real = once(layout)
        grids = self.input_norm(pairs, real)
        for number, (linear, norm) in enumerate(zip(self.linears, self.norms, strict=True)):
            if number > 0:
                grids = tuple(self.activation(grid) for grid in grids)
            grids = norm([linear(grid) for grid in grids], real)
        return tuple(grid.permute(0, 3, 1, 2) for grid in grids)


def once(layout: Layout) -> tuple[Tensor, ...]:
    """True once for each unordered pair of constituents of a jet and for each with itself, ``(B_k, N_k, N_k)``."""
    found = []
    for valid in layout.grid_valid():
        slots = torch.arange(valid.shape[1], device=valid.device)
        found.append(valid[:, :, None] & valid[:, None, :] & (slots[:, None] >= slots))
    return tuple(found)
