"""Area under the ROC curve, from scores or from histograms of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.statistics import Floats

BINS = 4000  # of the log-odds between -20 and 20: finer than any error, coarse enough to keep one histogram per group


def auc(scores: Floats, positive: NDArray[np.bool_], weights: Floats | None = None) -> tuple[float, float]:
    """Probability that a positive entry scores higher than a negative one, ties counting half, and its error.

    The error is that of DeLong et al. (Biometrics 44 (1988) 837), with weights through effective numbers of entries.

    Args:
        scores: ``(n,)``.
        positive: ``(n,)``.
        weights: ``(n,)``, ``None`` for 1.

    Returns:
        NaN, NaN when either kind is missing.
    """
    weights = np.ones(len(scores)) if weights is None else weights.astype(np.float64)
    _, index = np.unique(scores, return_inverse=True)
    number = int(index.max()) + 1 if len(index) else 0
    sums: list[Floats] = [
        np.bincount(index[chosen], weights[chosen] ** power, minlength=number).astype(np.float64)
        for chosen in (positive, ~positive)
        for power in (1, 2)
    ]
    return auc_of_histograms(*sums)


def auc_of_histograms(positive: Floats, positive2: Floats, negative: Floats, negative2: Floats) -> tuple[float, float]:
    """Area under the ROC curve and its error from histograms of the score, lowest first.

    Args:
        positive: Sum of the weights of positive entries per bin.
        positive2: Sum of their squared weights.
        negative: Sum of the weights of negative entries per bin.
        negative2: Sum of their squared weights.
    """
    total, others = float(positive.sum()), float(negative.sum())
    area = area_of_histograms(positive, negative)
    if np.isnan(area):
        return area, area
    below = _beaten(negative)
    above = _beaten(positive[::-1])[::-1]
    variance = 0.0
    for squares, share, weight in ((positive2, below, total), (negative2, above, others)):
        entries = weight**2 / float(squares.sum())
        if entries <= 1:
            return area, float("nan")
        variance += float((squares * np.square(share - area)).sum()) / weight**2 * entries / (entries - 1)
    return area, float(np.sqrt(variance))


def area_of_histograms(positive: Floats, negative: Floats) -> float:
    """Area under the ROC curve from histograms of the score, lowest first.

    Args:
        positive: Sum of the weights of positive entries per bin.
        negative: Sum of the weights of negative entries per bin.

    Returns:
        NaN when either kind is missing or its weights do not sum to something positive.
    """
    total = float(positive.sum())
    if total <= 0 or float(negative.sum()) <= 0:
        return float("nan")
    return float((positive * _beaten(negative)).sum() / total)


def _beaten(others: Floats) -> Floats:
    """Of an entry in each bin: the share of the others that it beats, ties counting half."""
    share: Floats = (np.cumsum(others) - others / 2) / others.sum()
    return share


def log_odds(probabilities: Floats) -> Floats:
    """``ln p - ln(sum of the others)`` of each class, which does not saturate where ``p`` rounds to 1.

    Args:
        probabilities: ``(n, C)``.

    Returns:
        ``(n, C)``, may be infinite.
    """
    values = probabilities.astype(np.float64)
    with np.errstate(divide="ignore"):
        columns = [np.log(values[:, k]) - np.log(np.delete(values, k, 1).sum(1)) for k in range(values.shape[1])]
    return np.stack(columns, 1)


def score_bins(odds: Floats) -> NDArray[np.int64]:
    """Bins of log-odds for histograms of large samples, between 0 and `BINS` - 1."""
    scaled: Floats = (np.clip(odds, -20, 20) + 20) * (BINS / 40)
    return np.minimum(scaled, BINS - 1).astype(np.int64)
