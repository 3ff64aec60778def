"""Deep sets."""

from __future__ import annotations

from torch import Tensor, nn

from salt_like.encoders.base import Encoder
from salt_like.nn.activations import make_activation
from salt_like.nn.checks import at_least, fraction
from salt_like.nn.norms import make_norm
from salt_like.sets import Layout, Tokens


class DeepSets(Encoder):
    """The same fully connected network on every token (arXiv:1703.06114, arXiv:1810.05165).

    With `context` each layer also sees the mean over the jet, which keeps the encoder equivariant:
    ``x_i → dropout(activation(norm(A x_i + B mean_j(x_j))))``.

    Args:
        dim: Width D of the tokens.
        layers: Number of hidden layers.
        hidden: Width of the hidden layers, ``None`` for `dim`.
        activation: Name of the activation function.
        norm: Name of the normalisation before each activation, ``None`` for none.
        dropout: Probability of dropping a hidden value.
        context: Whether each layer sees the mean over the jet.
        out_dim: Width after the last linear layer, ``None`` for `dim`.
    """

    def __init__(
        self,
        dim: int,
        layers: int = 2,
        hidden: int | None = None,
        activation: str = "SiLU",
        norm: str | None = None,
        dropout: float = 0.0,
        context: bool = False,
        out_dim: int | None = None,
    ) -> None:
        super().__init__(dim, out_dim)
        at_least(1, layers=layers)
        width = dim if hidden is None else hidden
        self.layers = nn.ModuleList(
            _SetLayer(dim if number == 0 else width, width, activation, norm, dropout, context)
            for number in range(layers)
        )
        self.out = nn.Linear(width, self.dim)

    def forward(self, tokens: Tokens) -> Tokens:
        x = tokens.layout.blank(tokens.values)
        for layer in self.layers:
            x = layer(x, tokens.layout)
        return tokens.with_values(self.out(x))


class _SetLayer(nn.Module):
    def __init__(
        self, in_dim: int, out_dim: int, activation: str, norm: str | None, dropout: float, context: bool
    ) -> None:
        super().__init__()
        at_least(1, hidden=out_dim)
        fraction(dropout=dropout)
        self.own = nn.Linear(in_dim, out_dim)
        self.context = nn.Linear(in_dim, out_dim, bias=False) if context else None
        self.norm = make_norm(norm, out_dim)
        self.activation = make_activation(activation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        y = self.own(x)
        if self.context is not None:
            y = y + layout.spread(self.context(layout.mean(x)))
        return self.dropout(self.activation(self.norm(y)))  # type: ignore[no-any-return]
