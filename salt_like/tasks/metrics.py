"""What is measured per task while training and testing.

Every metric is updated with ``(logits, batch)``, keeps sums of fixed size, which add up over batches and processes, and
never waits for the device. Rows without a target are left out. A metric without any row is NaN.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.spec import Label


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

    The score of class c is its log-odds ``ln p_c / (1 - p_c)``, counted in `bins` equal bins from -20 to 20; beyond lie
    the outermost bins. Rows of one bin count as half ordered, so the area of a class is off by at most half the
    probability that a row of the class and one of the rest share a bin (about 1e-3 for 1000 bins and smooth scores).

    Args:
        label: The class label.
        bins: Number of bins.
    """

    full_state_update = False
    higher_is_better = True
    histogram: Tensor

    def __init__(self, label: Label, bins: int = 1000) -> None:
        super().__init__()
        self.stream, self.key, self.classes, self.bins = label.stream, label.key, len(label.classes), bins
        zeros = torch.zeros(self.classes, 2, bins, dtype=torch.long)
        self.add_state("histogram", zeros, dist_reduce_fx="sum")

    def update(self, logits: Tensor, batch: Batch) -> None:
        truth = batch.labels[self.stream][self.key].reshape(-1, 1)
        own = torch.arange(self.classes, device=truth.device)
        bin_ = ((_log_odds(logits.float().flatten(0, -2)) + 20) * (self.bins / 40)).long().clamp(0, self.bins - 1)
        cell = (own * 2 + (truth == own)) * self.bins + bin_
        counted = (truth >= 0).long().expand_as(cell)
        self.histogram += (
            torch.zeros_like(self.histogram)
            .flatten()
            .scatter_add(0, cell.flatten(), counted.flatten())
            .view_as(self.histogram)
        )

    def compute(self) -> Tensor:
        rest, own = self.histogram.double().unbind(1)
        below = rest.cumsum(-1) - rest / 2
        area = (own * below).sum(-1) / (own.sum(-1) * rest.sum(-1)).clamp(min=1)
        occurs = (own.sum(-1) > 0) & (rest.sum(-1) > 0)
        return ((area * occurs).sum() / occurs.sum()).float()


def _log_odds(logits: Tensor) -> Tensor:
    """``ln p_c / (1 - p_c)`` of each class, ``(R, C)``, without the cancellation of ``1 - p_c``."""
    others = logits[:, None].expand(-1, logits.shape[1], -1)
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    return logits - others.masked_fill(own, -torch.inf).logsumexp(-1)
