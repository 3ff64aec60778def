"""Calibration: do predicted probabilities occur as often as they say, for which class fractions.

Of a class, rows are divided into bins of equally many by the predicted probability; in each the mean of what was
predicted stands beside the share of rows that are of the class. The expected calibration error (ECE; Naeini et al.,
AAAI 2015, arXiv:1411.0160) is the mean distance of the two; that of all classes the mean over the classes
(arXiv:1910.12656).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.metric import plain
from salt_like.evaluation.statistics import Floats, binomial_error, jackknife

BINS = 10
ROWS_PER_BIN = 100  # fewer make a bin's own error larger than what it is good for
Integers = NDArray[np.integer]
Assumed = Literal["training", "class weights", "given", "sample"]


@dataclass(frozen=True)
class Reliability:
    """How often a class occurs where it is predicted with some probability, in bins of equally many rows.

    Args:
        entries: Number of rows, ``(bins,)``.
        predicted: Mean predicted probability.
        observed: Share of the rows that are of the class.
        errors: One binomial standard deviation of it.
        ece: Expected calibration error, the mean of ``|observed - predicted|``.
        error: One standard deviation of it, from leaving out groups of events.
        chance: Its mean for probabilities that are exactly right, as rows are finite in number.
    """

    entries: tuple[int, ...]
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    errors: tuple[float, ...]
    ece: float
    error: float
    chance: float


@dataclass(frozen=True)
class Calibration:
    """Calibration of all classes of a task, for one set of class fractions.

    Args:
        assumed: Where these fractions come from: of the training, of the training times class weights, given by the
            user, or of the sample itself, to which the probabilities were transferred.
        prior: The fractions by class; empty where they are not known.
        classes: Reliability of each class of which the sample has rows.
        ece: Mean of the expected calibration errors of these classes.
        error: One standard deviation of it, from leaving out groups of events.
        chance: Its mean for probabilities that are exactly right.
    """

    assumed: Assumed
    prior: Mapping[str, float]
    classes: Mapping[str, Reliability]
    ece: float
    error: float
    chance: float

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**plain(asdict(self)), "prior": dict(self.prior)}


class ReliabilitySums:
    """Sums of predictions and truth in bins of the predicted probability, added up in pieces.

    Args:
        classes: ``C`` names.
        groups: Number of groups of events.
        bins: Number of bins.
    """

    def __init__(self, classes: Sequence[str], groups: int, bins: int) -> None:
        self.classes, self.groups, self.bins = tuple(classes), groups, bins
        self.sums = np.zeros((3, groups, len(self.classes), bins))  # of weights, of predictions, of true ones
        self.totals = np.zeros((3, len(self.classes), bins))  # rows, squared weights, variance expected of the truth

    def add(
        self, probabilities: Floats, labels: Integers, group: Integers, weights: Floats, bins: NDArray[np.integer]
    ) -> None:
        """Add some rows, all of them labelled.

        Args:
            probabilities: ``(n, C)``.
            labels: ``(n,)``.
            group: Group of the event of each row, ``(n,)``.
            weights: ``(n,)``.
            bins: Bin of each row for each class, ``(n, C)``.
        """
        for index in range(len(self.classes)):
            said, found, inside = probabilities[:, index].astype(np.float64), labels == index, bins[:, index]
            cells = group.astype(np.int64) * self.bins + inside
            for number, values in enumerate((weights, weights * said, weights * found)):
                counted = np.bincount(cells, values, self.groups * self.bins)
                self.sums[number, :, index] += counted.reshape(self.groups, self.bins)
            for number, values in enumerate((np.ones(len(said)), weights**2, weights**2 * said * (1 - said))):
                self.totals[number, index] += np.bincount(inside, values, self.bins)

    def merged(self, number: int = BINS) -> ReliabilitySums:
        """The same in fewer bins with equally many rows each, as far as the bins allow."""
        result = ReliabilitySums(self.classes, self.groups, number)
        for index in range(len(self.classes)):
            rows = self.totals[0, index]
            middle = np.cumsum(rows) - rows / 2
            of = (middle / max(rows.sum(), 1) * _bins(rows.sum(), number)).astype(np.int64).clip(max=number - 1)
            gather = np.zeros((self.bins, number))
            gather[np.arange(self.bins), of] = 1
            result.sums[:, :, index] = self.sums[:, :, index] @ gather
            result.totals[:, index] = self.totals[:, index] @ gather
        return result

    def result(self, assumed: Assumed, prior: Sequence[float]) -> Calibration | None:
        """What was found; ``None`` where the weights do not sum to something positive.

        Args:
            assumed: Where the class fractions come from for which the probabilities hold.
            prior: These fractions, ``(C,)``; empty where they are not known.
        """
        weights = self.sums[0, :, 0].sum()
        if not weights > 0:
            return None
        present = np.flatnonzero(self.sums[2].any((0, 2))).tolist()
        curves = {self.classes[index]: self._curve(index, weights) for index in present}
        ece, error = jackknife(np.moveaxis(self.sums[:, :, present], 1, 0), _mean_ece)
        chance = float(np.mean([one.chance for one in curves.values()]))
        fractions = dict(zip(self.classes, prior, strict=True)) if prior else {}
        return Calibration(assumed, fractions, curves, ece, error, chance)

    def _curve(self, index: int, total: float) -> Reliability:
        weight, said, found = self.sums[:, :, index].sum(1)
        rows, squares, variance = self.totals[:, index]
        filled = (rows > 0) & (weight > 0)
        observed = found[filled] / weight[filled]
        entries = weight[filled] ** 2 / squares[filled]
        ece, error = jackknife(np.moveaxis(self.sums[:, :, index : index + 1], 1, 0), _mean_ece)
        return Reliability(
            tuple(rows[filled].astype(int).tolist()),
            tuple((said[filled] / weight[filled]).tolist()),
            tuple(observed.tolist()),
            tuple(binomial_error(one, number) for one, number in zip(observed, entries, strict=True)),
            ece,
            error,
            # the mean absolute value of a normal distribution
            float(np.sqrt(2 / np.pi * np.maximum(variance, 0)).sum() / total),
        )


def calibration(
    probabilities: Floats,
    labels: Integers,
    classes: Sequence[str],
    prior: Sequence[float],
    assumed: Assumed,
    group: Integers,
    weights: Floats | None = None,
) -> Calibration | None:
    """Calibration of the probabilities of jets.

    Args:
        probabilities: ``(n, C)``.
        labels: ``(n,)``; rows with a negative label are left out.
        classes: ``C`` names.
        prior: Class fractions for which the probabilities hold, ``(C,)``; empty where they are not known.
        assumed: Where these fractions come from.
        group: Group of the event of each row, ``(n,)``, from 0.
        weights: ``(n,)``, ``None`` for 1.

    Returns:
        ``None`` where the weights of the labelled rows do not sum to something positive.
    """
    used = labels >= 0
    if not used.any():
        return None
    some, number = probabilities[used], _bins(int(used.sum()), BINS)
    bins = np.stack([equal_counts(one, number) for one in some.T], 1)
    sums = ReliabilitySums(classes, int(group.max()) + 1, number)
    given = np.ones(len(some)) if weights is None else weights[used].astype(np.float64)
    sums.add(some, labels[used], group[used], given, bins)
    return sums.result(assumed, prior)


def equal_counts(values: Floats, number: int) -> Integers:
    """Bin of each value, ``(n,)``, of bins with equally many; equal values are in the same one.

    Args:
        values: ``(n,)``.
        number: Number of bins.
    """
    wide = values.astype(np.float64)
    edges = np.quantile(wide, np.linspace(0, 1, number + 1))
    return np.searchsorted(edges[1:-1], wide)


def _bins(rows: float, most: int) -> int:
    return max(1, min(most, int(rows) // ROWS_PER_BIN))


def _mean_ece(sums: Floats) -> float:
    """Mean over the classes, from sums of weights, predictions and true ones, ``(3, C, bins)``."""
    weight, said, found = sums
    total = weight.sum(1)
    return float((np.abs(found - said).sum(1) / total).mean()) if (total > 0).all() else float("nan")
