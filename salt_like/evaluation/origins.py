"""How well the classes of constituents are told apart, class by class in bins of the jets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from salt_like.evaluation.metric import Metric
from salt_like.evaluation.statistics import Floats, jackknife, ratio

EFFICIENCY, PURITY, FAKES = "efficiency", "purity", "fake rate"


def in_bins(confusion: Floats, classes: Sequence[str]) -> tuple[tuple[Metric, ...], ...]:
    """Efficiency, purity and fake rate of each class that occurs, in each bin.

    Of a class, the efficiency is the share of its constituents that have it as their most probable class, the purity
    the share of those that have it as their most probable class that are of the class, the fake rate the share of the
    constituents of all other classes that have it as their most probable one. Errors come from leaving out groups of
    events.

    Args:
        confusion: Sums of weights by bin, group, true class and most probable class, ``(bins, groups, C, C)``.
        classes: ``C`` names.
    """
    present = np.flatnonzero(confusion.sum((0, 1)).any(1)).tolist()
    return tuple(tuple(metric for index in present for metric in _of_class(one, index, classes)) for one in confusion)


def metric_name(kind: str, name: str) -> str:
    """What a number of a class is called, such as ``efficiency of fromB``."""
    return f"{kind} of {name}"


def _of_class(confusion: Floats, index: int, classes: Sequence[str]) -> list[Metric]:
    right, true, said = confusion[:, index, index], confusion[:, index].sum(1), confusion[:, :, index].sum(1)
    shares = ((EFFICIENCY, right, true), (PURITY, right, said), (FAKES, said - right, confusion.sum((1, 2)) - true))
    return [
        Metric(metric_name(kind, classes[index]), *jackknife(np.stack([above, below], 1), ratio))
        for kind, above, below in shares
    ]
