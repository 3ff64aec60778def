"""Particle Transformer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from salt_like.encoders.base import Encoder
from salt_like.nn.checks import at_least
from salt_like.nn.normformer import NormFormerLayer
from salt_like.nn.pair_embedding import PairEmbedding
from salt_like.nn.pairs import PairFeatures
from salt_like.sets import Tokens


class ParticleTransformer(Encoder):
    """Transformer whose attention knows what two particles have in common (arXiv:2202.03772).

    Features of each pair, embedded once, are added to the scores of each head in all layers:
    ``softmax(q·k / √(D/H) + u_ij) v``. The layers have the further norms and scales of `NormFormerBranches`.

    Args:
        dim: Width D of the tokens.
        pairs: Features of pairs, ``None`` for ``PairFeatures()``.
        pair_hidden: Widths of the hidden layers of the network on pairs.
        layers: Number of layers.
        heads: Number of attention heads.
        expansion: Width inside the feed-forward networks as a multiple of `dim`.
        activation: Name of the activation function.
        dropout: Probability of dropping an attention weight, a hidden value or a branch's output value.
        norm: Name of the normalisation.
        scale_attn: Whether there is a norm behind the attention.
        scale_fc: Whether there is a norm inside the feed-forward network.
        scale_heads: Whether there is a learned scale for each head.
        scale_resids: Whether there is a learned scale of the second residual.
        out_dim: Width after a last linear layer, ``None`` for no such layer.
    """

    def __init__(
        self,
        dim: int,
        pairs: PairFeatures | None = None,
        pair_hidden: Sequence[int] = (64, 64, 64),
        layers: int = 8,
        heads: int = 8,
        expansion: float = 4.0,
        activation: str = "GELU",
        dropout: float = 0.1,
        norm: str = "LayerNorm",
        scale_attn: bool = True,
        scale_fc: bool = True,
        scale_heads: bool = True,
        scale_resids: bool = True,
        out_dim: int | None = None,
    ) -> None:
        features = PairFeatures() if pairs is None else pairs
        super().__init__(dim, out_dim, features.reads)
        at_least(1, layers=layers)
        self.pairs = features
        self.pair_embedding = PairEmbedding(features.dim, heads, pair_hidden, activation)
        self.layers = nn.ModuleList(
            NormFormerLayer(
                dim,
                heads,
                dropout,
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
        self.out = nn.Identity() if out_dim is None else nn.Linear(dim, out_dim)

    def forward(self, tokens: Tokens) -> Tokens:
        bias = self.pair_embedding(self.pairs(tokens), tokens.layout)
        x = tokens.layout.blank(tokens.values)
        for layer in self.layers:
            x = layer(x, tokens.layout, bias)
        return tokens.with_values(self.out(x))
