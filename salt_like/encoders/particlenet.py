"""ParticleNet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from salt_like.encoders.base import Encoder
from salt_like.nn.activations import make_activation
from salt_like.nn.batch_norm import BatchNorm
from salt_like.nn.checks import at_least
from salt_like.nn.edge_conv import EdgeConvBlock
from salt_like.nn.graphs import NearestNeighbours
from salt_like.sets import Tokens


class ParticleNet(Encoder):
    """Convolutions over neighbours that are nearest in what was learned so far (arXiv:1902.08570).

    In the first block the neighbours of a constituent are the k nearest in the coordinates, in each further block those
    that are nearest in the values that the block before has made (arXiv:1801.07829). Each block is an `EdgeConvBlock`.
    At the end the values of all blocks, side by side, pass one more layer (the fusion).

    Args:
        dim: Width D of the tokens.
        k: Number of neighbours; all others where a jet has no more than k + 1 constituents.
        channels: Widths of the layers of each block.
        coordinates: Variables that span the space of the first block, such as ``[deta, dphi]``; empty for the tokens.
        angles: Those of them that are angles in rad, whose difference is wrapped to [-π, π].
        fusion: Width of the last layer, ``None`` for the values of the last block alone.
        input_norm: Whether the tokens are normalised.
        activation: Name of the activation function.
        aggregate: ``"mean"``, ``"max"`` or ``"sum"`` over neighbours.
    """

    def __init__(
        self,
        dim: int,
        k: int = 7,
        channels: Sequence[Sequence[int]] = ((32, 32, 32), (64, 64, 64)),
        coordinates: Sequence[str] = ("deta", "dphi"),
        angles: Sequence[str] = ("dphi",),
        fusion: int | None = 128,
        input_norm: bool = True,
        activation: str = "ReLU",
        aggregate: str = "mean",
    ) -> None:
        super().__init__(dim, reads=coordinates)
        if not channels:
            raise ValueError("channels must have at least one block")
        at_least(1, k=k)
        self.input_norm = BatchNorm(dim, bias=False) if input_norm else None
        first = NearestNeighbours(k, coordinates, angles) if coordinates else NearestNeighbours(k)
        self.graphs = nn.ModuleList([first, *(NearestNeighbours(k) for _ in channels[1:])])
        blocks, width = [], dim
        for block in channels:
            blocks.append(EdgeConvBlock(width, block, activation, aggregate))
            width = block[-1]
        self.blocks = nn.ModuleList(blocks)
        self.dim = width
        self.fusion = self.fusion_norm = None
        if fusion is not None:
            at_least(1, fusion=fusion)
            self.fusion = nn.Linear(sum(block[-1] for block in channels), fusion, bias=False)
            self.fusion_norm = BatchNorm(fusion)
            self.dim = fusion
        self.activation = make_activation(activation)

    def forward(self, tokens: Tokens) -> Tokens:
        valid = tokens.layout.valid
        x = tokens.layout.blank(tokens.values)
        if self.input_norm is not None:
            (x,) = self.input_norm([x], [valid])
        found = []
        for graph, block in zip(self.graphs, self.blocks, strict=True):
            x = block(x, graph(tokens.with_values(x)))
            found.append(x)
        if self.fusion is not None and self.fusion_norm is not None:
            (x,) = self.fusion_norm([self.fusion(torch.cat(found, -1))], [valid])
            x = self.activation(x)
        return tokens.with_values(x)
