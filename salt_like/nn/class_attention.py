"""From the constituents of a jet to one vector by class attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salt_like.nn.checks import at_least
from salt_like.nn.normformer import ClassAttentionLayer
from salt_like.nn.norms import make_norm
from salt_like.nn.pooling import Pooling
from salt_like.sets import Tokens


class ClassAttentionPooling(Pooling):
    """The class attention blocks of the Particle Transformer (arXiv:2202.03772, arXiv:2103.17239).

    A learned token looks at itself and at the constituents of its jet in a few layers, in which only it is updated. A
    jet without constituents is described by what the layers make of the token alone.

    Args:
        dim: Width D of the tokens.
        layers: Number of layers.
        heads: Number of attention heads.
        expansion: Width inside the feed-forward networks as a multiple of `dim`.
        activation: Name of the activation function.
        norm: Name of the normalisation.
        scale_attn: Whether there is a norm behind the attention.
        scale_fc: Whether there is a norm inside the feed-forward network.
        scale_heads: Whether there is a learned scale for each head.
        scale_resids: Whether there is a learned scale of the second residual.
    """

    def __init__(
        self,
        dim: int,
        layers: int = 2,
        heads: int = 8,
        expansion: float = 4.0,
        activation: str = "GELU",
        norm: str = "LayerNorm",
        scale_attn: bool = True,
        scale_fc: bool = True,
        scale_heads: bool = True,
        scale_resids: bool = True,
    ) -> None:
        super().__init__(dim)
        at_least(1, layers=layers)
        self.start = nn.Parameter(torch.randn(dim) * 0.02)
        self.layers = nn.ModuleList(
            ClassAttentionLayer(
                dim,
                heads,
                expansion=expansion,
                activation=activation,
                norm=norm,
                scale_attn=scale_attn,
                scale_fc=scale_fc,
                scale_heads=scale_heads,
                scale_resids=scale_resids,
            )
            for _ in range(layers)
        )
        self.final_norm = make_norm(norm, dim)

    def forward(self, tokens: Tokens) -> Tensor:
        x = tokens.layout.blank(tokens.values)
        token = self.start.expand(tokens.layout.counts.shape[0], -1)  # (B, D)
        for layer in self.layers:
            token = layer(token, x, tokens.layout)
        return self.final_norm(token)  # type: ignore[no-any-return]
