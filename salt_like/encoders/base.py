"""What every encoder is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import nn

from salt_like.nn.checks import at_least
from salt_like.sets import Tokens


class Encoder(nn.Module, ABC):
    """Lets the tokens of a jet see each other.

    Args:
        in_dim: Width of the tokens that come in.
        out_dim: Width of the tokens that go out, ``None`` for the same.
        reads: Variables whose raw values the encoder looks at, such as coordinates; inputs of every stream.

    Attributes:
        dim: Width of the tokens that go out.
    """

    def __init__(self, in_dim: int, out_dim: int | None = None, reads: Sequence[str] = ()) -> None:
        super().__init__()
        at_least(1, dim=in_dim)
        if out_dim is not None:
            at_least(1, out_dim=out_dim)
        self.in_dim = in_dim
        self.dim = in_dim if out_dim is None else out_dim
        self.reads = tuple(dict.fromkeys(reads))

    @abstractmethod
    def forward(self, tokens: Tokens) -> Tokens:
        """The same tokens with other values of width `dim`; streams may be added, none is taken away."""
