"""How far the constituents of a jet are from each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from salt_like.sets import Tokens


class Distance(nn.Module):
    """Squared Euclidean distance of all pairs in some of the variables.

    Args:
        coordinates: Variables that span the space.
        angles: Those of them that are angles in rad, whose difference is wrapped to [-π, π].

    Raises:
        ValueError: There are no coordinates, or an angle is none of them.
    """

    def __init__(self, coordinates: Sequence[str], angles: Sequence[str] = ()) -> None:
        super().__init__()
        if not coordinates:
            raise ValueError("coordinates must name at least one variable, got none")
        if unknown := [name for name in angles if name not in coordinates]:
            raise ValueError(f"angles must be among the coordinates ({', '.join(coordinates)}), got '{unknown[0]}'")
        self.coordinates = tuple(coordinates)
        self.angles = frozenset(angles)

    def forward(self, tokens: Tokens) -> tuple[Tensor, ...]:
        """``(B_k, N_k, N_k)`` for each of the layout's grids."""
        total: list[Tensor] = []
        for name in self.coordinates:
            parts = []
            for grid in tokens.layout.grids(widened(tokens.columns[name])):
                apart = grid[:, :, None] - grid[:, None, :]
                parts.append((wrap(apart) if name in self.angles else apart).square())
            total = [one + part for one, part in zip(total, parts, strict=True)] if total else parts
        return tuple(total)


def wrap(angle: Tensor) -> Tensor:
    """The same angle in [-π, π] rad; exactly odd, so that the distance from i to j is that from j to i."""
    return angle - 2 * math.pi * torch.round(angle / (2 * math.pi))


def widened(x: Tensor) -> Tensor:
    """The same values in at least single precision."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def between(tokens: Tokens) -> tuple[Tensor, ...]:
    """Squared distance of the values of all pairs of tokens, ``(B_k, N_k, N_k)``."""
    squared = []
    for grid in tokens.layout.grids(widened(tokens.values.detach())):
        norm = grid.square().sum(-1)
        product = grid @ grid.transpose(1, 2)
        if product.dtype != grid.dtype:  # mixed precision, which cannot tell which tokens are the nearest
            with torch.autocast(grid.device.type, enabled=False):
                product = grid @ grid.transpose(1, 2)
        squared.append(norm[:, :, None] + norm[:, None, :] - 2 * product)
    return tuple(squared)
