"""Normalisation over the last axis."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from salt_like.nn.checks import at_least


class LayerNorm(nn.Module):
    """Zero mean and unit variance over the last axis, then a learned scale and shift (arXiv:1607.06450).

    Args:
        dim: Width D.
        eps: Added to the variance.
        bias: Whether there is a learned shift.
    """

    def __init__(self, dim: int, eps: float = 1e-5, bias: bool = True) -> None:
        super().__init__()
        at_least(1, dim=dim)
        self.dim = dim
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: ``(..., D)`` → ``(..., D)``."""
        return F.layer_norm(x, (self.dim,), self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.dim}, eps={self.eps}, bias={self.bias is not None}"


class RMSNorm(nn.Module):
    """Unit mean square over the last axis, then a learned scale (arXiv:1910.07467).

    ``y = w * x / sqrt(mean(x^2) + eps)``, computed in at least single precision.

    Args:
        dim: Width D.
        eps: Added to the mean square.
    """

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        at_least(1, dim=dim)
        self.dim = dim
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: ``(..., D)`` → ``(..., D)``."""
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        scale = (wide.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return (wide * scale).to(x.dtype) * self.weight

    def extra_repr(self) -> str:
        return f"{self.dim}, eps={self.eps}"


NORMS: dict[str, type[LayerNorm] | type[RMSNorm]] = {"LayerNorm": LayerNorm, "RMSNorm": RMSNorm}


def make_norm(name: str | None, dim: int) -> nn.Module:
    """The normalisation layer of this name.

    Args:
        name: ``"LayerNorm"``, ``"RMSNorm"``, or ``None`` for no normalisation.
        dim: Width D.

    Raises:
        ValueError: There is no such normalisation.
    """
    if name is None:
        return nn.Identity()
    if name not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)} or None, got {name!r}")
    return NORMS[name](dim)
