"""Layers of a transformer with further norms and scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from salt_like.nn.activations import make_activation
from salt_like.nn.attention import SelfAttention
from salt_like.nn.checks import at_least, divides, fraction
from salt_like.nn.norms import make_norm
from salt_like.sets import Layout


class NormFormerBranches(nn.Module):
    """What is done with the result of an attention: residual, feed-forward network, and up to four more scales.

    With `a` the attention of the normalised `x` (arXiv:2110.09456, as used in arXiv:2202.03772)::

        y = x + dropout(n₂(h ⊙ a))
        z = r ⊙ y + dropout(W₂ n₄(dropout(activation(W₁ n₃(y)))))

    Args:
        dim: Width D.
        heads: Number of heads of the attention.
        expansion: Width inside the feed-forward network as a multiple of `dim`.
        activation: Name of the activation function.
        dropout: Probability of dropping a hidden value or a branch's output value.
        norm: Name of the normalisation.
        scale_attn: Whether there is n₂, behind the attention.
        scale_fc: Whether there is n₄, inside the feed-forward network.
        scale_heads: Whether there is h, a learned scale for each of the H groups of D / H channels.
        scale_resids: Whether there is r, a learned scale of each channel of the second residual.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        expansion: float = 4.0,
        activation: str = "GELU",
        dropout: float = 0.0,
        norm: str = "LayerNorm",
        scale_attn: bool = True,
        scale_fc: bool = True,
        scale_heads: bool = True,
        scale_resids: bool = True,
    ) -> None:
        super().__init__()
        divides(heads, dim)
        fraction(dropout=dropout)
        hidden = round(expansion * dim)
        at_least(1, hidden=hidden)
        self.heads = heads
        self.attention_norm = make_norm(norm, dim)
        self.behind_attention = make_norm(norm if scale_attn else None, dim)
        self.head_scale = nn.Parameter(torch.ones(heads)) if scale_heads else None
        self.dropout = nn.Dropout(dropout)
        self.feedforward_norm = make_norm(norm, dim)
        self.first = nn.Linear(dim, hidden)
        self.activation = make_activation(activation)
        self.inside_feedforward = make_norm(norm if scale_fc else None, hidden)
        self.second = nn.Linear(hidden, dim)
        self.residual_scale = nn.Parameter(torch.ones(dim)) if scale_resids else None

    def forward(self, x: Tensor, attended: Tensor) -> Tensor:
        """Shapes: ``(..., D)`` and ``(..., D)`` → ``(..., D)``.

        Args:
            x: What the layer was given.
            attended: What the attention made of ``attention_norm(x)``.
        """
        if self.head_scale is not None:
            attended = (attended.unflatten(-1, (self.heads, -1)) * self.head_scale[:, None]).flatten(-2)
        x = x + self.dropout(self.behind_attention(attended))
        hidden = self.dropout(self.activation(self.first(self.feedforward_norm(x))))
        branch = self.dropout(self.second(self.inside_feedforward(hidden)))
        residual: Tensor = x if self.residual_scale is None else x * self.residual_scale
        return residual + branch  # type: ignore[no-any-return]


class NormFormerLayer(nn.Module):
    """Self-attention with a bias for pairs, in `NormFormerBranches`.

    Args:
        dim: Width D.
        heads: Number of attention heads.
        dropout: Probability of dropping an attention weight, a hidden value or a branch's output value.
        **branches: Further arguments of `NormFormerBranches`.
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0, **branches: float | str | bool) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, heads, dropout=dropout)
        self.branches = NormFormerBranches(dim, heads, dropout=dropout, **branches)  # type: ignore[arg-type]

    def forward(self, x: Tensor, layout: Layout, bias: Sequence[Tensor] | None = None) -> Tensor:
        """Shapes: ``(T, D)`` → ``(T, D)`` or ``(B, N, D)`` → ``(B, N, D)``.

        Args:
            x: Values of the constituents.
            layout: Which constituents belong to which jet.
            bias: Added to the attention's scores, one ``(B_k, H, N_k, N_k)`` for each of the layout's grids.
        """
        return self.branches(x, self.attention(self.branches.attention_norm(x), layout, bias))  # type: ignore[no-any-return]


class ClassAttention(nn.Module):
    """Attention of one token per jet to itself and to the constituents (arXiv:2103.17239).

    Args:
        dim: Width D.
        heads: Number of heads H; must divide `dim`.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        divides(heads, dim)
        self.dim = dim
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, query: Tensor, own: Tensor, x: Tensor, layout: Layout) -> Tensor:
        """Shapes: ``(B, D)``, ``(B, D)`` and ``(T, D)`` or ``(B, N, D)`` → ``(B, D)``.

        Args:
            query: What asks.
            own: The same token as what is asked.
            x: Values of the constituents.
            layout: Which constituents belong to which jet.
        """
        head = (self.heads, self.dim // self.heads)
        asked = (self.query(query) * head[1] ** -0.5).unflatten(-1, head)  # (B, H, D/H)
        own_key, own_value = self.key_value(own).unflatten(-1, (2, *head)).unbind(-3)
        key, value = self.key_value(x).unflatten(-1, (2, *head)).unbind(-3)
        own_score = (asked * own_key).sum(-1)  # (B, H)
        scores = (layout.spread(asked) * key).sum(-1)  # (T, H)
        largest = torch.where(layout.counts[:, None] > 0, layout.max(scores.detach()), own_score.detach())
        largest = torch.maximum(largest, own_score.detach())
        own_part = (own_score - largest).exp()
        parts = layout.blank((scores - layout.spread(largest)).exp())
        mixed = layout.sum((parts[..., None] * value).flatten(-2)).unflatten(-1, head) + own_part[..., None] * own_value
        total = layout.sum(parts) + own_part
        return self.out((mixed / total[..., None]).flatten(-2))  # type: ignore[no-any-return]


class ClassAttentionLayer(nn.Module):
    """`ClassAttention` in `NormFormerBranches`; only the token is updated.

    Args:
        dim: Width D.
        heads: Number of attention heads.
        **branches: Further arguments of `NormFormerBranches`.
    """

    def __init__(self, dim: int, heads: int, **branches: float | str | bool) -> None:
        super().__init__()
        self.attention = ClassAttention(dim, heads)
        self.branches = NormFormerBranches(dim, heads, **branches)  # type: ignore[arg-type]

    def forward(self, token: Tensor, x: Tensor, layout: Layout) -> Tensor:
        """Shapes: ``(B, D)``, and ``(T, D)`` or ``(B, N, D)`` → ``(B, D)``."""
        norm = self.branches.attention_norm
        # the token asks as it is, without a norm, and is asked with one
        attended = self.attention(token, norm(token), norm(x), layout)
        return self.branches(token, attended)  # type: ignore[no-any-return]
