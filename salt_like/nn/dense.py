"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from salt_like.nn.activations import make_activation
from salt_like.nn.checks import at_least, fraction
from salt_like.nn.norms import make_norm
from salt_like.sets import Layout


class Dense(nn.Sequential):
    """Fully connected network: linear, norm, activation and dropout for each hidden layer, and a last linear layer.

    Args:
        in_dim: Width of the input.
        out_dim: Width of the output.
        hidden: Widths of the hidden layers; none for a single linear layer.
        activation: Name of the activation function.
        norm: Name of the normalisation before each activation, ``None`` for none.
        dropout: Probability of dropping a hidden value.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        hidden: Sequence[int] | None = None,
        activation: str = "SiLU",
        norm: str | None = None,
        dropout: float = 0.0,
    ) -> None:
        at_least(1, in_dim=in_dim, out_dim=out_dim)
        fraction(dropout=dropout)
        layers: list[nn.Module] = []
        width = in_dim
        for number, size in enumerate(hidden or ()):
            at_least(1, **{f"hidden[{number}]": size})
            layers.append(nn.Linear(width, size))
            if norm is not None:
                layers.append(make_norm(norm, size))
            layers.append(make_activation(activation))
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            width = size
        super().__init__(*layers, nn.Linear(width, out_dim))
        self.in_dim = in_dim
        self.out_dim = out_dim

    def beside(self, x: Tensor, vectors: Tensor, layout: Layout) -> Tensor:
        """The same as the network of ``cat([x, layout.spread(vectors)], -1)``, at less cost; see `linear_beside`.

        Args:
            x: Values per constituent, ``(T, D)`` packed or ``(B, N, D)`` padded.
            vectors: One vector per jet, ``(B, in_dim - D)``.
            layout: Which constituents belong to which jet.

        Returns:
            ``(T, out_dim)`` or ``(B, N, out_dim)``.
        """
        first, *rest = self
        x = linear_beside(first, x, vectors, layout)  # type: ignore[arg-type]
        for layer in rest:
            x = layer(x)
        return x


def linear_beside(layer: nn.Linear, x: Tensor, vectors: Tensor, layout: Layout) -> Tensor:
    """``layer(cat([x, layout.spread(vectors)], -1))``, with the products of each jet's vector computed once per jet.

    Args:
        layer: Linear layer of ``D + E`` inputs and F outputs, with a bias.
        x: Values per constituent, ``(T, D)`` packed or ``(B, N, D)`` padded.
        vectors: One vector per jet, ``(B, E)``.
        layout: Which constituents belong to which jet.

    Returns:
        ``(T, F)`` or ``(B, N, F)``.
    """
    own, shared = layer.weight.split([x.shape[-1], vectors.shape[-1]], 1)
    return F.linear(x, own).add_(layout.spread(F.linear(vectors, shared, layer.bias)))


class GatedLinear(nn.Module):
    """Linear layer whose output is multiplied by an activated linear gate (arXiv:2002.05202).

    ``y = activation(W x + b) * (V x + c)``; both products are computed as one.

    Args:
        in_dim: Width of the input.
        out_dim: Width of the output.
        activation: Name of the activation of the gate; with ``"SiLU"`` this is SwiGLU.
        bias: Whether the linear layers have biases.
    """

    def __init__(self, in_dim: int, out_dim: int, activation: str = "SiLU", bias: bool = True) -> None:
        super().__init__()
        at_least(1, in_dim=in_dim, out_dim=out_dim)
        self.in_dim = in_dim
        self.out_dim = out_dim
        self.linear = nn.Linear(in_dim, 2 * out_dim, bias)
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: ``(..., in_dim)`` → ``(..., out_dim)``."""
        gate, value = F.linear(x, self.linear.weight, self.linear.bias).chunk(2, -1)
        return self.activation(gate) * value  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """The two-layer network of a transformer layer, optionally gated.

    Args:
        dim: Width D of input and output.
        hidden: Width between the two layers.
        activation: Name of the activation function.
        gated: Whether the first layer is a `GatedLinear` of the same width (which adds half as many weights again).
        dropout: Probability of dropping a hidden value.
    """

    def __init__(
        self, dim: int, hidden: int, activation: str = "SiLU", gated: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        at_least(1, dim=dim, hidden=hidden)
        fraction(dropout=dropout)
        self.first = (
            GatedLinear(dim, hidden, activation)
            if gated
            else nn.Sequential(nn.Linear(dim, hidden), make_activation(activation))
        )
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: ``(..., D)`` → ``(..., D)``."""
        return self.second(self.dropout(self.first(x)))  # type: ignore[no-any-return]
