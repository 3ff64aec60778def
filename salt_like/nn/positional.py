"""Periodic features of continuous variables."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from salt_like.nn.checks import at_least


class PeriodicFeatures(nn.Module):
    """Sines and cosines of each variable at several frequencies (arXiv:2203.05556).

    ``x_f → sin(2π c_fk x_f), cos(2π c_fk x_f)``, ``k = 1 … frequencies``. The frequencies ``c`` are drawn from a normal
    distribution of mean 0 and width `scale`.

    Args:
        in_dim: Number of variables F.
        frequencies: Number of frequencies per variable.
        scale: Width of the distribution of the frequencies, in periods per unit of the normalised variable.
        learned: Whether training changes the frequencies.
    """

    frequency: Tensor

    def __init__(self, in_dim: int, frequencies: int = 8, scale: float = 0.1, learned: bool = True) -> None:
        super().__init__()
        at_least(1, in_dim=in_dim, frequencies=frequencies)
        if not scale > 0:
            raise ValueError(f"scale must be positive, got {scale}")
        self.in_dim = in_dim
        self.out_dim = 2 * in_dim * frequencies
        start = torch.randn(in_dim, frequencies) * scale
        if learned:
            self.frequency = nn.Parameter(start)
        else:
            self.register_buffer("frequency", start)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: ``(..., F)`` → ``(..., 2 F frequencies)``: per variable all sines, then all cosines."""
        angle = 2 * math.pi * self.frequency * x[..., None]  # (..., F, K)
        return torch.cat([angle.sin(), angle.cos()], -1).flatten(-2)

    def extra_repr(self) -> str:
        return f"{self.in_dim}, {self.out_dim}"
