"""Means of what several taggers say, on the scale of logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def mean_exponential(logarithms: Sequence[Tensor]) -> Tensor:
    """Logarithm of the mean of the exponentials of several tensors, finite however large they are."""
    return torch.stack(list(logarithms), -1).logsumexp(-1) - math.log(len(logarithms))
