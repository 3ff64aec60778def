"""A decoder from learned queries to objects of a jet, each with a mask over the constituents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from salt_like.nn.attention import SelfAttention
from salt_like.nn.checks import at_least, divides, fraction
from salt_like.nn.dense import Dense, FeedForward
from salt_like.nn.norms import make_norm
from salt_like.sets import Layout, Padded

Grids = tuple[Tensor, ...]


def ln_share(logits: Tensor) -> Tensor:
    """Logarithm of the logistic function.

    Not `logsigmoid`, which graphs have as the logarithm of a logistic function that is exact to 1e-7 only.
    """
    return -F.softplus(-logits)


class Decoded(NamedTuple):
    """Queries and their masks after each of L layers."""

    queries: Tensor
    """``(B, L, Q, D)``."""
    masks: Tensor
    """Logit that a constituent belongs to the query, ``(T, L, Q)`` packed or ``(B, N, L, Q)`` padded."""


class CrossAttention(nn.Module):
    """Multi-head attention of several queries of each jet to its constituents, with a mask (arXiv:2112.01527).

    Weights are multiplied by the probability of the mask before they are made to sum to 1. Where it is 0 or 1 this is
    masked attention as published; unlike a mask that is cut at a half, it cannot jump when something is rounded in
    another way. In a jet without constituents a query gets the last layer's bias.

    Args:
        dim: Width D.
        heads: Number of heads H; must divide `dim`.
        dropout: Probability of dropping an attention weight.
    """

    def __init__(self, dim: int, heads: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        divides(heads, dim)
        fraction(dropout=dropout)
        self.shape = (heads, dim // heads)
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, queries: Tensor, x: Tensor, layout: Layout, masks: Sequence[Tensor] | None = None) -> Tensor:
        """Shapes: ``(B, Q, D)`` and ``(T, D)`` or ``(B, N, D)`` → ``(B, Q, D)``.

        Args:
            queries: The queries.
            x: Values of the constituents; finite also at padding.
            layout: Which constituents belong to which jet.
            masks: Logit that a constituent belongs to the query, ``(B_k, N_k, Q)`` for each of the layout's grids;
                ``None`` for no mask.
        """
        asked = layout.jets_to_grids(self.query(queries).unflatten(-1, self.shape))  # (B_k, Q, H, d)
        known = layout.grids(self.key_value(x).unflatten(-1, (2, *self.shape)))  # (B_k, N_k, 2, H, d)
        filled = layout.jets_to_grids(layout.counts > 0)
        mixed = []
        for number, (query, grid, valid) in enumerate(zip(asked, known, layout.grid_valid(), strict=True)):
            some = filled[number]
            # without constituents: attend to padding, whose result is dropped, rather than to nothing (NaN)
            lowest = torch.finfo(query.dtype).min
            bias = torch.zeros_like(valid, dtype=query.dtype).masked_fill(~valid & some[:, None], lowest)[:, None]
            if masks is not None:
                bias = (bias + ln_share(masks[number]).transpose(1, 2)).clamp(min=lowest).to(query.dtype)
            key, value = grid.permute(2, 0, 3, 1, 4).unbind()  # (B_k, H, N_k, d)
            result = F.scaled_dot_product_attention(
                query.transpose(1, 2), key, value, bias[:, None], self.dropout if self.training else 0.0
            )
            mixed.append(torch.where(some[:, None, None, None], result, torch.zeros_like(result)).transpose(1, 2))
        return self.out(layout.jets_from_grids(mixed).flatten(-2))  # type: ignore[no-any-return]


class QueryDecoder(nn.Module):
    """Learned queries look at the constituents of a jet and at each other (arXiv:2107.06278, arXiv:2112.01527).

    Each layer is attention to the constituents, attention among the queries and a feed-forward network, each with a
    norm before it and a residual connection around it. After each layer every query has a mask: the scaled product of a
    network of the query and a linear layer of each constituent. With `masked`, the next layer looks at the
    constituents in it.

    Args:
        in_dim: Width of the constituents.
        context_dim: Width of the vector of a jet, which is added to its queries after a linear layer; 0 for none.
        dim: Width D of the queries.
        queries: Number of queries Q.
        layers: Number of layers L.
        heads: Number of attention heads.
        expansion: Width inside the feed-forward networks as a multiple of `dim`.
        norm: Name of the normalisation.
        activation: Name of the activation function.
        dropout: Probability of dropping an attention weight, a hidden value or a branch's output value.
        masked: Whether a query looks at the constituents in its mask of the layer before.
    """

    def __init__(
        self,
        in_dim: int,
        context_dim: int,
        dim: int,
        queries: int,
        layers: int = 3,
        heads: int = 8,
        expansion: float = 2.0,
        norm: str = "LayerNorm",
        activation: str = "SiLU",
        dropout: float = 0.0,
        masked: bool = True,
    ) -> None:
        super().__init__()
        at_least(1, queries=queries, layers=layers)
        self.dim = dim
        self.masked = masked
        self.start = nn.Parameter(torch.randn(queries, dim))
        self.context = nn.Linear(context_dim, dim) if context_dim else None
        self.tokens = nn.Sequential(nn.Linear(in_dim, dim), make_norm(norm, dim))
        hidden = round(expansion * dim)
        self.layers = nn.ModuleList(_DecoderLayer(dim, heads, hidden, norm, activation, dropout) for _ in range(layers))
        self.final_norm = make_norm(norm, dim)
        self.mask_query = Dense(dim, dim, [dim], activation)
        self.mask_key = nn.Linear(dim, dim)

    def forward(self, x: Tensor, vectors: Tensor, layout: Layout) -> Decoded:
        """Queries and masks after each layer.

        Args:
            x: Values of the constituents, ``(T, in_dim)`` or ``(B, N, in_dim)``.
            vectors: One vector per jet, ``(B, context_dim)``.
            layout: Which constituents belong to which jet.
        """
        seen = self.tokens(layout.blank(x))
        keys = layout.grids(self.mask_key(seen))
        queries = self.start.expand(vectors.shape[0], -1, -1)
        if self.context is not None:
            queries = queries + self.context(vectors)[:, None]
        found, masks = [], []
        before: Grids | None = None
        for layer in self.layers:
            queries = layer(queries, seen, layout, before)
            found.append(self.final_norm(queries))
            masks.append(self._masks(found[-1], keys, layout))
            if self.masked:
                before = tuple(mask.detach() for mask in masks[-1])
        grids = [torch.stack(layers, -2) for layers in zip(*masks, strict=True)]
        return Decoded(torch.stack(found, 1), layout.from_grids(grids))

    def _masks(self, queries: Tensor, keys: Grids, layout: Layout) -> Grids:
        """Logits of the masks, ``(B_k, N_k, Q)`` for each of the layout's grids."""
        asked = layout.jets_to_grids(self.mask_query(queries) * self.dim**-0.5)
        return tuple(key @ query.transpose(1, 2) for key, query in zip(keys, asked, strict=True))


class _DecoderLayer(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int, norm: str, activation: str, dropout: float) -> None:
        super().__init__()
        self.cross_norm = make_norm(norm, dim)
        self.cross = CrossAttention(dim, heads, dropout)
        self.own_norm = make_norm(norm, dim)
        self.own = SelfAttention(dim, heads, dropout=dropout)
        self.feedforward_norm = make_norm(norm, dim)
        self.feedforward = FeedForward(dim, hidden, activation, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, x: Tensor, layout: Layout, masks: Grids | None) -> Tensor:
        queries = queries + self.dropout(self.cross(self.cross_norm(queries), x, layout, masks))
        among = Padded(torch.ones_like(queries[..., 0], dtype=torch.bool))
        queries = queries + self.dropout(self.own(self.own_norm(queries), among))
        return queries + self.dropout(self.feedforward(self.feedforward_norm(queries)))  # type: ignore[no-any-return]
