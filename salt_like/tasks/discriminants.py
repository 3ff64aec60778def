"""Combinations of class probabilities by which taggers are used."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from salt_like.spec import Discriminant


def discriminant(log_probabilities: Mapping[str, Tensor], combined: Discriminant) -> Tensor:
    """``ln p_signal - ln sum_i f_i p_i``, finite however far apart the probabilities are.

    Args:
        log_probabilities: Class → logarithm of its probability, ``(B,)``.
        combined: Which classes and fractions.
    """
    background = [
        log_probabilities[name] + math.log(fraction) for name, fraction in combined.background.items() if fraction > 0
    ]
    return log_probabilities[combined.signal] - torch.stack(background, -1).logsumexp(-1)
