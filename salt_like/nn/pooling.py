"""From the constituents of a jet to one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from salt_like.nn.attention import QueryAttention
from salt_like.nn.checks import at_least
from salt_like.nn.dense import FeedForward
from salt_like.nn.norms import make_norm
from salt_like.sets import Tokens


class Pooling(nn.Module, ABC):
    """Makes one vector per jet of all its tokens, whatever their stream.

    Args:
        dim: Width D of the tokens.

    Attributes:
        dim: Width of the result.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        at_least(1, dim=dim)
        self.dim = dim

    @abstractmethod
    def forward(self, tokens: Tokens) -> Tensor:
        """Shapes: ``(T, D)`` or ``(B, L, D)`` → ``(B, dim)``; a jet without tokens has a defined, finite result."""


class SumPooling(Pooling):
    """Sum over the tokens of a jet (arXiv:1703.06114); 0 for a jet without any.

    Args:
        dim: Width D of the tokens.
    """

    def forward(self, tokens: Tokens) -> Tensor:
        return tokens.layout.sum(tokens.values)


class MeanPooling(Pooling):
    """Mean over the tokens of a jet; 0 for a jet without any.

    Args:
        dim: Width D of the tokens.
    """

    def forward(self, tokens: Tokens) -> Tensor:
        return tokens.layout.mean(tokens.values)


class MaxPooling(Pooling):
    """Largest value of each channel over the tokens of a jet (arXiv:1612.00593); 0 for a jet without any.

    Args:
        dim: Width D of the tokens.
    """

    def forward(self, tokens: Tokens) -> Tensor:
        return tokens.layout.max(tokens.values)


class AttentionPooling(Pooling):
    """Mean over the tokens of a jet with learned weights (arXiv:1511.05493).

    ``sum_i softmax_i(w · x_i) x_i``; 0 for a jet without any tokens.

    Args:
        dim: Width D of the tokens.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.gate = nn.Linear(dim, 1, bias=False)  # a bias would cancel in the softmax

    def forward(self, tokens: Tokens) -> Tensor:
        values = tokens.layout.finite(tokens.values)
        weights = tokens.layout.softmax(self.gate(values))  # (T, 1) or (B, L, 1)
        return tokens.layout.weighted_sum(weights, values)


class ClassTokenPooling(Pooling):
    """A learned class token that looks at the tokens of its jet in a few layers (arXiv:2103.17239).

    Only the class token is updated. It looks at the constituents, not at itself; a jet without any tokens keeps what
    the biases make of the learned start.

    Args:
        dim: Width D of the tokens.
        layers: Number of layers.
        heads: Number of attention heads.
        expansion: Width inside the feed-forward networks as a multiple of `dim`.
        norm: Name of the normalisation.
        activation: Name of the activation function.
    """

    def __init__(
        self,
        dim: int,
        layers: int = 2,
        heads: int = 8,
        expansion: float = 2.0,
        norm: str = "LayerNorm",
        activation: str = "SiLU",
    ) -> None:
        super().__init__(dim)
        at_least(1, layers=layers)
        self.start = nn.Parameter(torch.randn(dim) * 0.02)
        self.token_norm = make_norm(norm, dim)
        self.layers = nn.ModuleList(
            _ClassLayer(dim, heads, round(expansion * dim), norm, activation) for _ in range(layers)
        )
        self.final_norm = make_norm(norm, dim)

    def forward(self, tokens: Tokens) -> Tensor:
        seen = self.token_norm(tokens.layout.blank(tokens.values))
        query = self.start.expand(tokens.layout.counts.shape[0], -1)  # (B, D)
        for layer in self.layers:
            query = layer(query, seen, tokens)
        return self.final_norm(query)  # type: ignore[no-any-return]


class _ClassLayer(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int, norm: str, activation: str) -> None:
        super().__init__()
        self.attention_norm = make_norm(norm, dim)
        self.attention = QueryAttention(dim, heads)
        self.feedforward_norm = make_norm(norm, dim)
        self.feedforward = FeedForward(dim, hidden, activation)

    def forward(self, query: Tensor, seen: Tensor, tokens: Tokens) -> Tensor:
        query = query + self.attention(self.attention_norm(query), seen, tokens.layout)
        return query + self.feedforward(self.feedforward_norm(query))  # type: ignore[no-any-return]
