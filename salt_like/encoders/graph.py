"""Graph networks: residual layers around any graph convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn.conv import MessagePassing

from salt_like.encoders.base import Encoder
from salt_like.nn.activations import make_activation
from salt_like.nn.batch_norm import BatchNorm
from salt_like.nn.checks import at_least, fraction
from salt_like.nn.convolutions import MLPConv, make_convolution
from salt_like.nn.dense import FeedForward
from salt_like.nn.graphs import CompleteGraph, Edges, Graph
from salt_like.nn.norms import make_norm
from salt_like.nn.pairs import PairFeatures
from salt_like.sets import Tokens

__all__ = ["GraphEncoder", "MLPConv"]


class GraphEncoder(Encoder):
    """Message passing among the constituents of a jet, in layers with a residual connection.

    With ``f`` the convolution, ``a`` the activation, ``n`` a norm and ``g`` a feed-forward network:

    - ``"pre"``: ``y = x + a(f(n(x)))``, and with a feed-forward network ``y = x + f(n(x))``, ``z = y + g(n(y))``;
    - ``"post"``: ``y = n(x + a(f(x)))``, and with a feed-forward network ``y = n(x + f(x))``, ``z = n(y + g(y))``.

    Without `residual` the ``x +`` and ``y +`` are left out. A constituent without neighbours gets what the convolution
    says of an empty sum.

    Args:
        dim: Width D of the tokens.
        convolution: Factory called with the width in and the width out: any convolution of torch_geometric with such a
            constructor, one of `MLPConv`, or a ``MessagePassing`` of one's own. It is called with ``edge_dim`` too
            where there are pairs.
        layers: Number of layers.
        graph: Who are neighbours, ``None`` for all of a jet.
        pairs: Features of pairs, which become those of edges; normalised over the edges of a batch. ``None`` for none.
        norm: Name of the normalisation, ``None`` for none.
        norm_place: ``"pre"`` or ``"post"``.
        residual: Whether layers add to what came in.
        feedforward: Width inside the feed-forward network of each layer, ``None`` for no such network.
        activation: Name of the activation function.
        dropout: Probability of dropping a value of a branch.
        out_dim: Width after a last linear layer, ``None`` for no such layer.

    Attributes:
        edge_dim: Number of features of an edge, ``None`` for none.

    Raises:
        ValueError: The convolution does not fit, see `make_convolution`.
    """

    def __init__(
        self,
        dim: int,
        convolution: Callable[[int, int], MessagePassing],
        layers: int = 3,
        graph: Graph | None = None,
        pairs: PairFeatures | None = None,
        norm: str | None = "LayerNorm",
        norm_place: Literal["pre", "post"] = "pre",
        residual: bool = True,
        feedforward: int | None = None,
        activation: str = "SiLU",
        dropout: float = 0.0,
        out_dim: int | None = None,
    ) -> None:
        graph = CompleteGraph() if graph is None else graph
        super().__init__(dim, out_dim, [*graph.reads, *(() if pairs is None else pairs.reads)])
        at_least(1, layers=layers)
        fraction(dropout=dropout)
        if norm_place not in ("pre", "post"):
            raise ValueError(f"norm_place must be one of pre, post, got {norm_place!r}")
        self.graph = graph
        self.pairs = pairs
        self.pair_norm = None if pairs is None else BatchNorm(pairs.dim)
        self.edge_dim = edge_dim = None if pairs is None else pairs.dim
        self.layers = nn.ModuleList(
            _Layer(
                make_convolution(convolution, dim, edge_dim),
                dim,
                norm,
                norm_place == "pre",
                residual,
                feedforward,
                activation,
                dropout,
            )
            for _ in range(layers)
        )
        self.final_norm = make_norm(norm if norm_place == "pre" else None, dim)
        self.out = nn.Identity() if out_dim is None else nn.Linear(dim, out_dim)

    def forward(self, tokens: Tokens) -> Tokens:
        x = tokens.layout.blank(tokens.values)
        pairs = None if self.pairs is None else self.pairs(tokens)
        edges: tuple[Tensor, Tensor | None] | None = None
        for layer in self.layers:
            if edges is None or self.graph.dynamic:
                found: Edges = self.graph(tokens.with_values(x))
                edges = found.index(), None if pairs is None else self._features(found, pairs, x.dtype)
            x = tokens.layout.blank(layer(x, *edges))
        return tokens.with_values(self.out(self.final_norm(x)))

    @property
    def convolution(self) -> nn.Module:
        """That of the first layer."""
        return self.layers[0].convolution  # type: ignore[return-value]

    def _features(self, edges: Edges, pairs: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """Of every edge in the order of the index, normalised, ``(E, F)``; 0 where there is no neighbour."""
        assert self.pair_norm is not None
        normed = self.pair_norm(edges.of_pairs(pairs), edges.real)
        parts = [
            torch.where(real[..., None], one, torch.zeros_like(one)).flatten(0, 2)
            for one, real in zip(normed, edges.real, strict=True)
        ]
        last = parts[0].new_zeros(1, parts[0].shape[1])
        return torch.cat([*parts, last]).to(dtype)


class _Layer(nn.Module):
    def __init__(
        self,
        convolution: nn.Module,
        dim: int,
        norm: str | None,
        norm_first: bool,
        residual: bool,
        feedforward: int | None,
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = make_norm(norm, dim)
        self.norm_first = norm_first
        self.residual = residual
        self.feedforward = None if feedforward is None else FeedForward(dim, feedforward, activation, dropout=dropout)
        self.feedforward_norm = None if feedforward is None else make_norm(norm, dim)
        self.activation = make_activation(activation) if feedforward is None else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, index: Tensor, features: Tensor | None) -> Tensor:
        x = self._branch(x, self.norm, lambda y: self.activation(self._convolved(y, index, features)))
        if self.feedforward is None or self.feedforward_norm is None:
            return x
        return self._branch(x, self.feedforward_norm, self.feedforward)

    def _branch(self, x: Tensor, norm: nn.Module, act: Callable[[Tensor], Tensor]) -> Tensor:
        y = self.dropout(act(norm(x) if self.norm_first else x))
        y = x + y if self.residual else y
        return y if self.norm_first else norm(y)  # type: ignore[no-any-return]

    def _convolved(self, x: Tensor, index: Tensor, features: Tensor | None) -> Tensor:
        """The convolution with one further node, which edges of places without a neighbour begin and end at."""
        flat = x.reshape(-1, x.shape[-1])
        nodes = torch.cat([flat, flat.new_zeros(1, flat.shape[1])])
        given = {} if features is None else {"edge_attr": features}
        return self.convolution(nodes, index, **given)[:-1].reshape(x.shape)  # type: ignore[no-any-return]
