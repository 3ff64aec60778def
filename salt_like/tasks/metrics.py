"""What is measured per task while training and testing.

Every metric is updated with ``(logits, batch)``, keeps sums of fixed size, which add up over batches and processes, and
never waits for the device. Rows without a target are left out. A metric without any row is NaN.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.spec import Label
from salt_like.tasks.targets import Target, sigma_of
from salt_like.tasks.vertices import true_pairs

_LAST_BIN = math.asinh(200)


class _Confusion(Metric, ABC):
    """How often which class (row) is taken for which (column).

    Args:
        label: The class label.
    """

    full_state_update = False
    higher_is_better = True
    matrix: Tensor

    def __init__(self, label: Label) -> None:
        super().__init__()
        self.stream, self.key, self.classes = label.stream, label.key, len(label.classes)
        self.add_state("matrix", torch.zeros(self.classes, self.classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, batch: Batch) -> None:
        truth = batch.labels[self.stream][self.key].flatten()
        cell = truth.clamp(min=0) * self.classes + logits.argmax(-1).flatten()
        self.matrix += (
            torch.zeros_like(self.matrix).flatten().scatter_add(0, cell, (truth >= 0).long()).view_as(self.matrix)
        )

    @abstractmethod
    def compute(self) -> Tensor:
        """The number derived from the matrix."""


class Accuracy(_Confusion):
    """Share of rows whose most probable class is the true one."""

    def compute(self) -> Tensor:
        return self.matrix.diagonal().sum() / self.matrix.sum()


class MajorityAccuracy(_Confusion):
    """Accuracy of always answering with the most frequent class: what `Accuracy` has to be compared with."""

    def compute(self) -> Tensor:
        return self.matrix.sum(1).amax() / self.matrix.sum()


class MacroF1(_Confusion):
    """Mean over the classes that occur of the harmonic mean of efficiency and purity."""

    def compute(self) -> Tensor:
        true, said = self.matrix.sum(1), self.matrix.sum(0)
        scores = 2 * self.matrix.diagonal() / (true + said).clamp(min=1)
        return (scores * (true > 0)).sum() / (true > 0).sum()


class AreaUnderCurve(Metric):
    """Area under the ROC curve of each class against the rest, averaged over the classes that occur.

    The score of class c is its log-odds against equal probabilities, ``x = ln (C - 1) p_c / (1 - p_c)``, counted in
    `bins` equal bins of ``asinh(10 x)``, which are fine near 0 and 0.6 % wide beyond, up to ``|x| = 20``. Rows of one
    bin count as half ordered, so the area of a class is off by at most half the probability that a row of the class and
    one of the rest share a bin.

    Args:
        label: The class label.
        bins: Number of bins.
    """

    full_state_update = False
    higher_is_better = True
    histogram: Tensor

    def __init__(self, label: Label, bins: int = 2000) -> None:
        super().__init__()
        self.stream, self.key, self.classes, self.bins = label.stream, label.key, len(label.classes), bins
        zeros = torch.zeros(self.classes, 2, bins, dtype=torch.long)
        self.add_state("histogram", zeros, dist_reduce_fx="sum")

    def update(self, logits: Tensor, batch: Batch) -> None:
        truth = batch.labels[self.stream][self.key].reshape(-1, 1)
        own = torch.arange(self.classes, device=truth.device)
        place = torch.asinh(10 * _log_odds(logits.float().flatten(0, -2))) / _LAST_BIN
        bin_ = ((place + 1) * (self.bins / 2)).long().clamp(0, self.bins - 1)
        cell = (own * 2 + (truth == own)) * self.bins + bin_
        counted = (truth >= 0).long().expand_as(cell)
        self.histogram += (
            torch.zeros_like(self.histogram)
            .flatten()
            .scatter_add(0, cell.flatten(), counted.flatten())
            .view_as(self.histogram)
        )

    def compute(self) -> Tensor:
        rest, own = self.histogram.unbind(1)
        below = (2 * rest.cumsum(-1) - rest) / (2 * rest.sum(-1, keepdim=True)).clamp(min=1)
        area = (own / own.sum(-1, keepdim=True).clamp(min=1) * below).sum(-1)
        occurs = (own.sum(-1) > 0) & (rest.sum(-1) > 0)
        return (area * occurs).sum() / occurs.sum()


def _log_odds(logits: Tensor) -> Tensor:
    """``ln (C - 1) p_c / (1 - p_c)`` of each class, ``(R, C)``, without the cancellation of ``1 - p_c``."""
    others = logits[:, None].expand(-1, logits.shape[1], -1)
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    return logits - others.masked_fill(own, -torch.inf).logsumexp(-1) + math.log(logits.shape[1] - 1)


class _Residual(Metric, ABC):
    """Sums over the differences between prediction and truth in the label's unit.

    Args:
        target: What is predicted.
        column: Position of the prediction among the logits.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self, target: Target, column: int) -> None:
        super().__init__()
        self.target, self.column = target, column
        self.add_state("sums", torch.zeros(4), dist_reduce_fx="sum")

    def update(self, logits: Tensor, batch: Batch) -> None:
        known = self.target.scaled(batch).isfinite()
        label = self.target.label
        said = self.target.physical(logits[..., self.column].float(), batch)
        wrong = torch.where(known, said - batch.labels[label.stream][label.key], 0.0)
        self.sums += torch.stack([known.sum(), wrong.sum(), wrong.square().sum(), wrong.abs().sum()])

    @abstractmethod
    def compute(self) -> Tensor:
        """The number derived from count and sums of the residuals, their squares and their magnitudes."""


class Bias(_Residual):
    """Mean of prediction minus truth, in the label's unit."""

    def compute(self) -> Tensor:
        return self.sums[1] / self.sums[0]


class RootMeanSquare(_Residual):
    """Root of the mean square of prediction minus truth, in the label's unit."""

    def compute(self) -> Tensor:
        return (self.sums[2] / self.sums[0]).sqrt()


class MeanAbsoluteError(_Residual):
    """Mean magnitude of prediction minus truth, in the label's unit."""

    def compute(self) -> Tensor:
        return self.sums[3] / self.sums[0]


class _Pull(Metric, ABC):
    """Sums over the pulls ``(mean - truth) / sigma`` on the target's scale.

    Args:
        target: What is predicted.
        mean: Position of the mean among the logits.
        sigma: Position of the width among the logits.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self, target: Target, mean: int, sigma: int) -> None:
        super().__init__()
        self.target, self.mean, self.sigma = target, mean, sigma
        self.add_state("sums", torch.zeros(3), dist_reduce_fx="sum")

    def update(self, logits: Tensor, batch: Batch) -> None:
        truth = self.target.scaled(batch)
        logits = logits.float()
        pull = (logits[..., self.mean] - truth) / sigma_of(logits[..., self.sigma])
        pull = torch.where(truth.isfinite(), pull, 0.0)
        self.sums += torch.stack([truth.isfinite().sum(), pull.sum(), pull.square().sum()])

    @abstractmethod
    def compute(self) -> Tensor:
        """The number derived from count and sums of the pulls and their squares."""


class PullMean(_Pull):
    """Mean of the pulls: 0 for an unbiased prediction."""

    def compute(self) -> Tensor:
        return self.sums[1] / self.sums[0]


class PullWidth(_Pull):
    """Standard deviation of the pulls: 1 for correct uncertainties, more when they are too small."""

    def compute(self) -> Tensor:
        return (self.sums[2] / self.sums[0] - (self.sums[1] / self.sums[0]).square()).clamp(min=0).sqrt()


class _Pairs(Metric, ABC):
    """Counts of pairs of constituents that were joined rightly, joined wrongly, and missed.

    Args:
        stream: Stream of the constituents.
        key: Label whose equality makes a pair.
        threshold: Logit above which a pair is joined.
    """

    full_state_update = False
    higher_is_better = True
    counts: Tensor

    def __init__(self, stream: str, key: str, threshold: float) -> None:
        super().__init__()
        self.stream, self.key, self.threshold = stream, key, threshold
        self.add_state("counts", torch.zeros(3, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, batch: Batch) -> None:
        true, real = true_pairs(batch, self.stream, self.key)
        said = (logits > self.threshold) & real
        self.counts += torch.stack([(said & true).sum(), (said & ~true).sum(), (~said & true).sum()])

    @abstractmethod
    def compute(self) -> Tensor:
        """The number derived from the three counts."""


class PairEfficiency(_Pairs):
    """Share of the true pairs that were joined."""

    def compute(self) -> Tensor:
        return self.counts[0] / (self.counts[0] + self.counts[2])


class PairPurity(_Pairs):
    """Share of the joined pairs that are true."""

    def compute(self) -> Tensor:
        return self.counts[0] / (self.counts[0] + self.counts[1])


class PairF1(_Pairs):
    """Harmonic mean of efficiency and purity of the pairs."""

    def compute(self) -> Tensor:
        return 2 * self.counts[0] / (2 * self.counts[0] + self.counts[1] + self.counts[2])
