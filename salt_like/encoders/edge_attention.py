"""Attention that keeps values for pairs of constituents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from salt_like.encoders.base import Encoder
from salt_like.nn.batch_norm import BatchNorm
from salt_like.nn.checks import at_least, divides, fraction
from salt_like.nn.dense import FeedForward
from salt_like.nn.graphs import CompleteGraph, Edges
from salt_like.nn.norms import make_norm
from salt_like.nn.pair_embedding import once
from salt_like.nn.pairs import PairFeatures
from salt_like.sets import Tokens


class EdgeAttention(Encoder):
    """Transformer in which pairs have values of their own, which each layer reads and updates (arXiv:2108.03348).

    Values ``e_ij`` of each pair start as a linear layer of its features, normalised by a `BatchNorm`. They bias and
    gate the attention, and the scores are added to them; see `EdgeAttentionLayer`.

    Args:
        dim: Width D of the tokens.
        pairs: Features of pairs, ``None`` for ``PairFeatures()``.
        edge_dim: Width E of the values of pairs.
        layers: Number of layers.
        heads: Number of attention heads.
        expansion: Width inside the feed-forward networks as a multiple of `dim`.
        gate: Whether pairs also gate what is sent.
        activation: Name of the activation function.
        dropout: Probability of dropping an attention weight, a hidden value or a branch's output value.
        norm: Name of the normalisation.
        out_dim: Width after a last linear layer, ``None`` for no such layer.
    """

    def __init__(
        self,
        dim: int,
        pairs: PairFeatures | None = None,
        edge_dim: int = 16,
        layers: int = 4,
        heads: int = 8,
        expansion: float = 2.0,
        gate: bool = True,
        activation: str = "SiLU",
        dropout: float = 0.0,
        norm: str = "LayerNorm",
        out_dim: int | None = None,
    ) -> None:
        features = PairFeatures() if pairs is None else pairs
        super().__init__(dim, out_dim, features.reads)
        at_least(1, layers=layers, edge_dim=edge_dim)
        self.pairs = features
        self.complete = CompleteGraph(loops=True)
        self.pair_norm = BatchNorm(features.dim, bias=False)
        self.pair_linear = nn.Linear(features.dim, edge_dim)
        self.layers = nn.ModuleList(
            EdgeAttentionLayer(dim, edge_dim, heads, expansion, gate, number < layers - 1, activation, dropout, norm)
            for number in range(layers)
        )
        self.final_norm = make_norm(norm, dim)
        self.out = nn.Identity() if out_dim is None else nn.Linear(dim, out_dim)

    def forward(self, tokens: Tokens) -> Tokens:
        x = tokens.layout.blank(tokens.values)
        edges = self.complete(tokens)
        normed = self.pair_norm(self.pairs(tokens), once(tokens.layout))
        values: Sequence[Tensor] = [self.pair_linear(grid.to(x.dtype)) for grid in normed]
        for layer in self.layers:
            x, values = layer(x, values, edges)
        return tokens.with_values(self.out(self.final_norm(x)))


class EdgeAttentionLayer(nn.Module):
    """Attention with biases and gates of pairs, an update of the pairs, and a feed-forward network (arXiv:2108.03348).

    With n a norm and A, G, U linear layers::

        s_ij = q_i·k_j / √(D/H) + A n(e_ij)
        x_i ← x_i + W Σ_j softmax_j(s_ij) sigmoid(G n(e_ij)) v_j
        e_ij ← e_ij + U s_ij
        x_i ← x_i + feed-forward(n(x_i))

    Args:
        dim: Width D.
        edge_dim: Width E of the values of pairs.
        heads: Number of attention heads H.
        expansion: Width inside the feed-forward network as a multiple of `dim`.
        gate: Whether there are gates.
        update: Whether the values of pairs are updated; none reads those of the last layer.
        activation: Name of the activation function.
        dropout: Probability of dropping an attention weight, a hidden value or a branch's output value.
        norm: Name of the normalisation.
    """

    def __init__(
        self,
        dim: int,
        edge_dim: int,
        heads: int = 8,
        expansion: float = 2.0,
        gate: bool = True,
        update: bool = True,
        activation: str = "SiLU",
        dropout: float = 0.0,
        norm: str = "LayerNorm",
    ) -> None:
        super().__init__()
        divides(heads, dim)
        fraction(dropout=dropout)
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.attention_norm = make_norm(norm, dim)
        self.edge_norm = make_norm(norm, edge_dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.bias = nn.Linear(edge_dim, heads, bias=False)  # a constant would cancel in the softmax
        self.gate = nn.Linear(edge_dim, heads) if gate else None
        self.update = nn.Linear(heads, edge_dim) if update else None
        self.out = nn.Linear(dim, dim)
        self.feedforward_norm = make_norm(norm, dim)
        self.feedforward = FeedForward(dim, round(expansion * dim), activation, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, values: Sequence[Tensor], edges: Edges) -> tuple[Tensor, Sequence[Tensor]]:
        """Shapes: ``(T, D)`` or ``(B, N, D)``, and ``(B_k, N_k, N_k, E)`` for each of the layout's grids → the same.

        Args:
            x: Values of the constituents.
            values: Values of the pairs (receiver, sender).
            edges: All pairs, each constituent with itself too.
        """
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))
        parts = [grid.permute(2, 0, 3, 1, 4).unbind() for grid in edges.layout.grids(qkv)]  # (B, H, N, D/H) each
        normed = [self.edge_norm(value) for value in values]
        scores = [
            (query @ key.transpose(-1, -2) * self.scale).permute(0, 2, 3, 1) + self.bias(value)
            for (query, key, _), value in zip(parts, normed, strict=True)
        ]  # (B, N, N, H)
        mixed = [
            (self._weights(weight, value).permute(0, 3, 1, 2) @ sent).transpose(1, 2).flatten(-2)
            for weight, value, (_, _, sent) in zip(edges.softmax(scores), normed, parts, strict=True)
        ]
        x = x + self.dropout(self.out(edges.layout.from_grids(mixed)))
        if self.update is not None:
            values = [value + self.dropout(self.update(score)) for value, score in zip(values, scores, strict=True)]
        return x + self.dropout(self.feedforward(self.feedforward_norm(x))), values

    def _weights(self, weight: Tensor, value: Tensor) -> Tensor:
        weight = self.dropout(weight)
        return weight if self.gate is None else weight * torch.sigmoid(self.gate(value))
