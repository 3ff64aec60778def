"""One layer of a transformer encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from salt_like.nn.attention import SelfAttention
from salt_like.nn.checks import at_least, fraction
from salt_like.nn.dense import FeedForward
from salt_like.nn.norms import make_norm
from salt_like.sets import Layout

NormPlace = Literal["pre", "post", "hybrid"]
NORM_PLACES = ("pre", "post", "hybrid")


class LayerScale(nn.Module):
    """Learned scale of each channel of a residual branch (arXiv:2103.17239).

    Args:
        dim: Width D.
        initial: Value of all scales before training.
    """

    def __init__(self, dim: int, initial: float) -> None:
        super().__init__()
        at_least(1, dim=dim)
        self.scale = nn.Parameter(torch.full((dim,), float(initial)))

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: ``(..., D)`` → ``(..., D)``."""
        return x * self.scale


class DropPath(nn.Module):
    """Drops a residual branch for whole jets in training (arXiv:1603.09382).

    What is kept is divided by the probability of keeping it.

    Args:
        rate: Probability of dropping the branch for a jet.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        fraction(drop_path=rate)
        self.rate = rate

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Shapes: ``(T, D)`` → ``(T, D)`` or ``(B, N, D)`` → ``(B, N, D)``."""
        if not self.training or self.rate == 0:
            return x
        jets = layout.counts.shape[0]
        kept = torch.rand(jets, 1, device=x.device) >= self.rate
        return x * layout.spread(kept.to(x.dtype) / (1 - self.rate))

    def extra_repr(self) -> str:
        return f"{self.rate}"


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual connection (arXiv:1706.03762).

    With ``f`` the attention, ``g`` the feed-forward network and ``n`` a norm:

    - ``"pre"`` (arXiv:2002.04745): ``y = x + f(n(x))``, ``z = y + g(n(y))``;
    - ``"post"``: ``y = n(x + f(x))``, ``z = n(y + g(y))``;
    - ``"hybrid"`` (arXiv:2503.04598): query, key and value are normalised inside ``f``; ``y = n(x + f(x))``,
      ``z = y + g(y)``.

    Args:
        dim: Width D.
        heads: Number of attention heads.
        feedforward: Width inside the feed-forward network, ``None`` for ``expansion * dim``.
        expansion: That width as a multiple of `dim`.
        norm: Name of the normalisation.
        norm_place: Where the norms are.
        gated: Whether the feed-forward network is gated (arXiv:2002.05202).
        activation: Name of the activation function.
        dropout: Probability of dropping an attention weight, a hidden value or a branch's output value.
        drop_path: Probability of dropping a branch for a jet.
        layer_scale: Initial scale of the branches, ``None`` for none.
        qk_norm: Whether query and key are normalised.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        feedforward: int | None = None,
        expansion: float = 2.0,
        norm: str = "LayerNorm",
        norm_place: NormPlace = "pre",
        gated: bool = False,
        activation: str = "SiLU",
        dropout: float = 0.0,
        drop_path: float = 0.0,
        layer_scale: float | None = None,
        qk_norm: bool = False,
    ) -> None:
        super().__init__()
        if norm_place not in NORM_PLACES:
            raise ValueError(f"norm_place must be one of {', '.join(NORM_PLACES)}, got {norm_place!r}")
        hidden = round(expansion * dim) if feedforward is None else feedforward
        at_least(1, feedforward=hidden)
        hybrid = norm_place == "hybrid"
        self.norm_place = norm_place
        self.attention = SelfAttention(dim, heads, qk_norm or hybrid, hybrid, norm, dropout)
        self.feedforward = FeedForward(dim, hidden, activation, gated, dropout)
        self.attention_norm = make_norm(norm, dim)
        self.feedforward_norm = make_norm(None if hybrid else norm, dim)
        self.attention_scale = nn.Identity() if layer_scale is None else LayerScale(dim, layer_scale)
        self.feedforward_scale = nn.Identity() if layer_scale is None else LayerScale(dim, layer_scale)
        self.dropout = nn.Dropout(dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, layout: Layout, bias: Sequence[Tensor] | None = None) -> Tensor:
        """Shapes: ``(T, D)`` → ``(T, D)`` or ``(B, N, D)`` → ``(B, N, D)``.

        Args:
            x: Values of the constituents.
            layout: Which constituents belong to which jet.
            bias: Added to the attention's scores, one ``(B_k, H, N_k, N_k)`` for each of the layout's grids.
        """
        if self.norm_place == "pre":
            x = x + self._attend(self.attention_norm(x), layout, bias)
            return x + self._feed(self.feedforward_norm(x), layout)
        x = self.attention_norm(x + self._attend(x, layout, bias))
        return self.feedforward_norm(x + self._feed(x, layout))  # type: ignore[no-any-return]

    def _attend(self, x: Tensor, layout: Layout, bias: Sequence[Tensor] | None) -> Tensor:
        branch = self.attention_scale(self.dropout(self.attention(x, layout, bias)))
        return self.drop_path(branch, layout)  # type: ignore[no-any-return]

    def _feed(self, x: Tensor, layout: Layout) -> Tensor:
        branch = self.feedforward_scale(self.dropout(self.feedforward(x)))
        return self.drop_path(branch, layout)  # type: ignore[no-any-return]
