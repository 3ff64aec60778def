"""How good class probabilities are: cross-entropy, accuracy, macro-F1 and one-against-rest AUC, with baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.calibration import ReliabilitySums
from salt_like.evaluation.metric import Metric
from salt_like.evaluation.ranking import BINS, area_of_histograms, auc, log_odds, score_bins
from salt_like.evaluation.statistics import (
    Floats,
    binomial_error,
    effective_entries,
    jackknife,
    mean_and_error,
    ratio,
)

EXACT_ROWS = 2_000_000  # constituents whose scores are kept for an exact AUC; with more, it is that of a histogram
TINY = float(np.finfo(np.float32).tiny)  # below this a float32 probability has lost its precision


def negative_log(probabilities: Floats, labels: NDArray[np.integer]) -> Floats:
    """``-ln p`` of the true class, ``(n,)``.

    Args:
        probabilities: ``(n, C)``.
        labels: ``(n,)``, all within the classes.
    """
    chosen = np.take_along_axis(probabilities, labels[:, None].astype(np.int64), 1)[:, 0]
    return -np.log(np.maximum(chosen.astype(np.float64), TINY))


def macro_f1(confusion: Floats) -> float:
    """Mean over the classes that occur of ``2 TP / (2 TP + FP + FN)``.

    Args:
        confusion: Entries by true (rows) and predicted (columns) class, ``(C, C)``.
    """
    right, true, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    present = (true > 0) & (true + predicted > 0)  # negative weights can make the second of these negative
    if not present.any():
        return float("nan")
    return float((2 * right[present] / (true + predicted)[present]).mean())


def accuracy(confusion: Floats) -> float:
    """Fraction of entries whose most probable class is the true one."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total > 0 else float("nan")


def confusion_of(probabilities: Floats, labels: NDArray[np.integer], weights: Floats | None = None) -> Floats:
    """Sum of the weights by true (rows) and most probable (columns) class, ``(C, C)``.

    Args:
        probabilities: ``(n, C)``.
        labels: ``(n,)``; entries with a negative label are left out.
        weights: ``(n,)``, ``None`` for 1.
    """
    used, number = labels >= 0, probabilities.shape[1]
    cells = labels[used].astype(np.int64) * number + probabilities[used].argmax(1)
    sums = np.bincount(cells, None if weights is None else weights[used].astype(np.float64), minlength=number**2)
    return sums.astype(np.float64).reshape(number, number)


def constant_confusion(confusion: Floats) -> Floats:
    """The confusion of always predicting the most frequent class."""
    constant = np.zeros_like(confusion)
    constant[:, int(confusion.sum(1).argmax())] = confusion.sum(1)
    return constant


def prior_entropy(fractions: Floats, prior: Sequence[float]) -> float:
    """Cross-entropy of predicting the class prior for every entry of a sample with these class fractions."""
    present = fractions > 0
    return float(-(fractions[present] * np.log(np.maximum(np.asarray(prior, float)[present], TINY))).sum())


def classify(
    probabilities: Floats,
    labels: NDArray[np.integer],
    classes: Sequence[str],
    prior: Sequence[float] = (),
    weights: Floats | None = None,
    named: str = "training prior",
) -> list[Metric]:
    """Metrics of class probabilities of jets.

    Args:
        probabilities: ``(n, C)``.
        labels: ``(n,)``; entries with a negative label are left out.
        classes: ``C`` names.
        prior: Class fractions of the training sample; this sample's own where there are none.
        weights: ``(n,)``, ``None`` for 1.
        named: What the prior is called.
    """
    used = labels >= 0
    probabilities, labels = probabilities[used], labels[used]
    weights = np.ones(len(labels)) if weights is None else weights[used].astype(np.float64)
    if not weights.sum() > 0:
        return []
    number = len(classes)
    entries = effective_entries(weights)
    fractions = np.bincount(labels, weights, minlength=number) / weights.sum()
    right = float(weights[probabilities.argmax(1) == labels].sum() / weights.sum())
    loss, loss_error = mean_and_error(negative_log(probabilities, labels), weights)
    metrics = [
        Metric("cross-entropy", loss, loss_error, *_constant(fractions, prior, named)),
        Metric("accuracy", right, binomial_error(right, entries), float(fractions.max()), "most frequent class"),
    ]
    scores = log_odds(probabilities)
    for index, name in enumerate(classes):
        area, error = auc(scores[:, index], labels == index, weights)
        metrics.append(Metric(f"AUC {name} against rest", area, error, 0.5, "constant"))
    return metrics


def _constant(fractions: Floats, prior: Sequence[float], named: str) -> tuple[float, str]:
    return (prior_entropy(fractions, prior), named) if prior else (_entropy(fractions), "class fractions")


def _entropy(fractions: Floats) -> float:
    return prior_entropy(fractions, fractions.tolist())


class ClassificationSums:
    """Metrics of class probabilities of constituents, added up in pieces so that a file of any size can be read.

    Errors come from leaving out groups of jets, so that the correlation of the constituents of a jet is in them.

    Args:
        classes: ``C`` names.
        prior: Class fractions of the training sample.
        groups: Number of groups of jets.
        named: What the prior is called.
    """

    def __init__(
        self,
        classes: Sequence[str],
        prior: Sequence[float] = (),
        groups: int = 20,
        named: str = "training prior",
    ) -> None:
        self.classes, self.prior, self.groups, self.named = tuple(classes), tuple(prior), groups, named
        self.reliability = ReliabilitySums(classes, groups, BINS)
        number = len(self.classes)
        self.confusion = np.zeros((groups, number, number))
        self.losses = np.zeros((groups, 2))  # sum of -ln p, sum of the weights
        self.scores = np.zeros((groups, number, 2, BINS))  # group, class of the score, is it the true class, bin
        self._kept: list[tuple[Floats, NDArray[np.integer], Floats]] | None = []  # log-odds, labels, weights

    def add(
        self,
        probabilities: Floats,
        labels: NDArray[np.integer],
        group: NDArray[np.integer],
        weights: Floats | None = None,
    ) -> None:
        """Add some constituents.

        Args:
            probabilities: ``(n, C)``.
            labels: ``(n,)``; entries with a negative label are left out.
            group: Group of the jet of each constituent, ``(n,)``.
            weights: Weight of the jet of each constituent, ``(n,)``; ``None`` for 1.
        """
        used = labels >= 0
        weights = np.ones(int(used.sum())) if weights is None else weights[used].astype(np.float64)
        probabilities, labels, group = probabilities[used], labels[used].astype(np.int64), group[used].astype(np.int64)
        number = len(self.classes)
        cells = (group * number + labels) * number + probabilities.argmax(1)
        self.confusion += np.bincount(cells, weights, minlength=self.confusion.size).reshape(self.confusion.shape)
        loss = negative_log(probabilities, labels)
        self.losses[:, 0] += np.bincount(group, weights * loss, minlength=self.groups)
        self.losses[:, 1] += np.bincount(group, weights, minlength=self.groups)
        odds = log_odds(probabilities)
        self._keep(odds, labels, weights)
        bins = score_bins(odds)
        self.reliability.add(probabilities, labels, group, weights, bins)
        for index in range(number):
            cells = (group * 2 + (labels == index)) * BINS + bins[:, index]
            self.scores[:, index] += np.bincount(cells, weights, minlength=self.groups * 2 * BINS).reshape(-1, 2, BINS)

    def _keep(self, odds: Floats, labels: NDArray[np.integer], weights: Floats) -> None:
        if self._kept is not None:
            self._kept.append((odds, labels.astype(np.int16), weights))
            if sum(len(one) for _, one, _ in self._kept) > EXACT_ROWS:
                self._kept = None

    def metrics(self) -> list[Metric]:
        """The metrics of everything added."""
        confusion = self.confusion.sum(0)
        if not confusion.sum() > 0:
            return []
        fractions = confusion.sum(1) / confusion.sum()
        constant = constant_confusion(confusion)
        often = f"always {self.classes[int(fractions.argmax())]}"
        metrics = [
            Metric("cross-entropy", *jackknife(self.losses, ratio), *_constant(fractions, self.prior, self.named)),
            Metric("accuracy", *jackknife(self.confusion, accuracy), accuracy(constant), often),
            Metric("macro-F1", *jackknife(self.confusion, macro_f1), macro_f1(constant), often),
        ]
        for index, name in enumerate(self.classes):
            area, error = jackknife(self.scores[:, index], _area)
            if self._kept:
                odds = np.concatenate([one[:, index] for one, _, _ in self._kept])
                of_class = np.concatenate([labels == index for _, labels, _ in self._kept])
                area = auc(odds, of_class, np.concatenate([weights for _, _, weights in self._kept]))[0]
            metrics.append(Metric(f"AUC {name} against rest", area, error, 0.5, "constant"))
        return metrics


def _area(histograms: Floats) -> float:
    negative, positive = histograms
    return area_of_histograms(positive, negative)
