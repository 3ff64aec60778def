"""Attention between the constituents of a jet, and from a learned query to them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from salt_like import sets
from salt_like.nn.checks import divides, fraction
from salt_like.nn.norms import make_norm
from salt_like.sets import Layout


class SelfAttention(nn.Module):
    """Multi-head attention between the constituents of each jet (arXiv:1706.03762).

    Query, key and value come from one linear layer. They can be normalised per head: query and key for stable scores
    (arXiv:2010.04245), and the value too for hybrid normalisation (arXiv:2503.04598).

    Args:
        dim: Width D.
        heads: Number of heads H; must divide `dim`.
        qk_norm: Whether query and key are normalised.
        v_norm: Whether the value is normalised.
        norm: Name of that normalisation.
        dropout: Probability of dropping an attention weight.
        bias: Whether the linear layers have biases.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        qk_norm: bool = False,
        v_norm: bool = False,
        norm: str = "RMSNorm",
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        divides(heads, dim)
        fraction(dropout=dropout)
        self.dim = dim
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim, bias)
        self.query_norm = make_norm(norm if qk_norm else None, dim // heads)
        self.key_norm = make_norm(norm if qk_norm else None, dim // heads)
        self.value_norm = make_norm(norm if v_norm else None, dim // heads)
        self.plain = not (qk_norm or v_norm)
        self.out = nn.Linear(dim, dim, bias)

    def forward(self, x: Tensor, layout: Layout, bias: Sequence[Tensor] | None = None) -> Tensor:
        """Shapes: ``(T, D)`` → ``(T, D)`` or ``(B, N, D)`` → ``(B, N, D)``.

        Args:
            x: Values of the constituents.
            layout: Which constituents belong to which jet.
            bias: Added to the scores, one ``(B_k, H, N_k, N_k)`` for each of the layout's grids (``(B, H, N, N)``
                padded).
        """
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, self.dim // self.heads))  # (T, 3, H, D/H)
        if not self.plain:
            query, key, value = qkv.unbind(-3)
            normed = self.query_norm(query), self.key_norm(key), self.value_norm(value)
            qkv = torch.stack([part.to(value.dtype) for part in normed], -3)
        mixed = sets.self_attention(qkv, layout, bias, self.dropout if self.training else 0.0)
        return self.out(mixed.flatten(-2))  # type: ignore[no-any-return]


class QueryAttention(nn.Module):
    """Multi-head attention of one query per jet to its constituents (arXiv:2103.17239).

    A jet without constituents gets the linear layer's bias.

    Args:
        dim: Width D.
        heads: Number of heads H; must divide `dim`.
        bias: Whether the linear layers have biases.
    """

    def __init__(self, dim: int, heads: int = 8, bias: bool = True) -> None:
        super().__init__()
        divides(heads, dim)
        self.dim = dim
        self.heads = heads
        self.query = nn.Linear(dim, dim, bias)
        self.key_value = nn.Linear(dim, 2 * dim, bias)
        self.out = nn.Linear(dim, dim, bias)

    def forward(self, query: Tensor, x: Tensor, layout: Layout) -> Tensor:
        """Shapes: ``(B, D)`` and ``(T, D)`` or ``(B, N, D)`` → ``(B, D)``."""
        head = (self.heads, self.dim // self.heads)
        asked = layout.spread(self.query(query)).unflatten(-1, head)  # (T, H, D/H)
        key, value = self.key_value(x).unflatten(-1, (2, *head)).unbind(-3)
        weights = layout.softmax((asked * key).sum(-1) * head[1] ** -0.5)  # (T, H)
        mixed = layout.sum((weights[..., None] * value).flatten(-2))  # (B, D)
        return self.out(mixed)  # type: ignore[no-any-return]
