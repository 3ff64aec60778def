"""How the learning rate moves during a training of known length."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod


class Schedule(ABC):
    """A factor on the optimiser's learning rate; momentum is left alone.

    Attributes:
        needs_length: Whether the number of all steps must be known.
    """

    needs_length = True

    @abstractmethod
    def factor(self, progress: float) -> float:
        """Factor in (0, 1] when the share `progress` (0 to 1) of all optimiser steps is done."""


class Constant(Schedule):
    """The learning rate stays what it is."""

    needs_length = False

    def factor(self, progress: float) -> float:
        del progress
        return 1.0


class WarmupCosine(Schedule):
    """Linear rise to the optimiser's learning rate, then a half cosine down (arXiv:1608.03983).

    Args:
        warmup: Share of all steps in which the learning rate rises.
        initial: Factor at the first step.
        final: Factor at the last step.

    Raises:
        ValueError: A share outside [0, 1) or a factor outside (0, 1].
    """

    def __init__(self, warmup: float = 0.05, initial: float = 0.01, final: float = 0.001) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"model.schedule: warmup must be a share of the steps in [0, 1), not {warmup}")
        for name, value in {"initial": initial, "final": final}.items():
            if not 0 < value <= 1:
                raise ValueError(f"model.schedule: {name} must be a factor in (0, 1], not {value}")
        self.warmup = warmup
        self.initial = initial
        self.final = final

    def factor(self, progress: float) -> float:
        if progress < self.warmup:
            return self.initial + (1 - self.initial) * progress / self.warmup
        share = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * share)) / 2


class OneCycle(WarmupCosine):
    """Half cosine up to the optimiser's learning rate and half cosine down (arXiv:1708.07120), momentum untouched.

    Args:
        warmup: Share of all steps in which the learning rate rises.
        initial: Factor at the first step.
        final: Factor at the last step.
    """

    def __init__(self, warmup: float = 0.3, initial: float = 0.04, final: float = 0.0001) -> None:
        super().__init__(warmup, initial, final)

    def factor(self, progress: float) -> float:
        if progress < self.warmup:
            return self.initial + (1 - self.initial) * (1 - math.cos(math.pi * progress / self.warmup)) / 2
        return super().factor(progress)
