"""Class fractions for which probabilities hold, and their transfer to others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.statistics import Floats


def transfer(probabilities: Floats, old: Sequence[float], new: Sequence[float]) -> Floats:
    """Probabilities for other class fractions, ``p' ∝ p · new / old``; likelihood ratios stay as they are.

    A class with an old fraction of 0 (the training had no such jets) has no likelihood ratio: it keeps its probability,
    and the others share the rest.

    Args:
        probabilities: For the old class fractions, ``(n, C)``; each row sums to 1.
        old: Class fractions for which they hold, ``(C,)``.
        new: Class fractions for which they shall hold, ``(C,)``; 0 takes a class away.

    Returns:
        ``(n, C)`` float64; each row sums to 1.

    Raises:
        ValueError: A class has a new fraction but no old one.
    """
    before, after = np.asarray(old, np.float64), np.asarray(new, np.float64)
    known = before > 0
    if (after[~known] > 0).any():
        raise ValueError("a class of which the training had nothing cannot be given a fraction")
    given = probabilities.astype(np.float64)
    given = given / given.sum(1, keepdims=True)  # half precision does not sum to 1
    rest = given[:, known].sum(1, keepdims=True)
    moved = given[:, known] * (after[known] / before[known])
    total = moved.sum(1, keepdims=True)
    result: Floats = given.copy()
    # where all that is left of a row is in classes that are taken away, nothing is known but the fractions
    result[:, known] = rest * np.where(total > 0, moved / np.where(total > 0, total, 1), after[known] / after.sum())
    return result


def shares(labels: NDArray[np.integer], classes: int, weights: Floats | None = None) -> tuple[float, ...]:
    """Class fractions of a sample; empty where its weights do not sum to something positive.

    Args:
        labels: Class index, ``(n,)``; negative ones are left out.
        classes: Number of classes.
        weights: ``(n,)``, ``None`` for 1.
    """
    used = labels >= 0
    sums = np.bincount(labels[used].astype(np.int64), None if weights is None else weights[used], minlength=classes)
    sums = np.maximum(sums, 0)
    return tuple((sums / sums.sum()).tolist()) if sums.sum() > 0 else ()
