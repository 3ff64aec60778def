"""From the normalised variables of a stream to tokens of the common width."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from salt_like.nn.checks import at_least
from salt_like.nn.dense import Dense
from salt_like.nn.positional import PeriodicFeatures


class Tokenizer(nn.Module, ABC):
    """Embeds each constituent of one stream.

    Args:
        in_dim: Number of values per constituent (those of its jet included where they are attached).
        dim: Width D of a token.
    """

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        at_least(1, in_dim=in_dim, dim=dim)
        self.in_dim = in_dim
        self.dim = dim

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Shapes: ``(..., in_dim)`` → ``(..., D)``."""


class DenseTokenizer(Tokenizer):
    """A fully connected network.

    Args:
        in_dim: Number of values per constituent.
        dim: Width D of a token.
        hidden: Widths of the hidden layers; ``None`` for one of width `dim`, an empty list for a linear tokenizer.
        activation: Name of the activation function.
        norm: Name of the normalisation before each activation, ``None`` for none.
        dropout: Probability of dropping a hidden value.
    """

    def __init__(
        self,
        in_dim: int,
        dim: int,
        hidden: list[int] | None = None,
        activation: str = "SiLU",
        norm: str | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(in_dim, dim)
        self.network = Dense(in_dim, dim, _hidden(hidden, dim), activation, norm, dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)  # type: ignore[no-any-return]


class PeriodicTokenizer(Tokenizer):
    """A fully connected network on the variables and their sines and cosines (arXiv:2203.05556).

    Args:
        in_dim: Number of values per constituent.
        dim: Width D of a token.
        frequencies: Number of frequencies per variable.
        scale: Width of the normal distribution from which the frequencies are drawn.
        learned: Whether training changes the frequencies.
        hidden: Widths of the hidden layers; ``None`` for one of width `dim`.
        activation: Name of the activation function.
        norm: Name of the normalisation before each activation, ``None`` for none.
        dropout: Probability of dropping a hidden value.
    """

    def __init__(
        self,
        in_dim: int,
        dim: int,
        frequencies: int = 8,
        scale: float = 0.1,
        learned: bool = True,
        hidden: list[int] | None = None,
        activation: str = "SiLU",
        norm: str | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(in_dim, dim)
        self.periodic = PeriodicFeatures(in_dim, frequencies, scale, learned)
        width = in_dim + self.periodic.out_dim
        self.network = Dense(width, dim, _hidden(hidden, dim), activation, norm, dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(torch.cat([x, self.periodic(x)], -1))  # type: ignore[no-any-return]


def _hidden(hidden: Sequence[int] | None, dim: int) -> Sequence[int]:
    return [dim] if hidden is None else hidden
