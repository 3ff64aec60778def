"""Exponential moving average of the weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class AveragedModel(nn.Module):
    """A copy of a module whose weights follow it slowly, and running statistics of normalisations with them.

    In the first steps the average forgets faster, ``min(decay, (1 + step) / (10 + step))``, so that the random start is
    not remembered.

    Args:
        module: The module that is trained.
        decay: Share of the average that a step keeps.

    Raises:
        ValueError: The decay is not in [0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"ema must be a decay in [0, 1), not {decay}")
        self.decay = decay
        self.module = copy.deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards `module`; `step` counts the optimiser's steps from 0."""
        keep = min(self.decay, (1 + step) / (10 + step))
        average: list[torch.Tensor] = list(self.module.parameters())
        current: list[torch.Tensor] = list(module.parameters())
        torch._foreach_mul_(average, keep)
        torch._foreach_add_(average, current, alpha=1 - keep)
        for mine, theirs in zip(self.module.buffers(), module.buffers(), strict=True):
            if mine.is_floating_point():
                # statistics of averaged weights are nearly averaged statistics; what never changes stays exact
                mine.copy_(torch.where(mine == theirs, theirs, mine.lerp(theirs, 1 - keep)))
            else:
                mine.copy_(theirs)
