"""What is measured of found objects while training: sums on the device, as in `salt_like.tasks.metrics`."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.sets import layout_of
from salt_like.tasks.objects import Found, Sought

EFFICIENCY = 0.65  # of a matched object: share of its constituents that were found
PURITY = 0.50  # share of the found ones that are its own


class _Objects(Metric, ABC):
    """Counts of objects, found or true, and of constituents.

    A found object is a query that says it has one and that has a constituent. It matches a true object when at least
    65 % of that one's constituents are among its own, and at least 50 % of its own are that one's.

    Args:
        sought: Where the true ones are.
        threshold: Logit above which a query has an object, and above which a constituent belongs to it.
    """

    full_state_update = False
    higher_is_better = True
    sums: Tensor

    def __init__(self, sought: Sought, threshold: float) -> None:
        super().__init__()
        self.sought, self.threshold = sought, threshold
        self.add_state("sums", torch.zeros(7), dist_reduce_fx="sum")

    def update(self, logits: Found, batch: Batch) -> None:
        layout, truth = layout_of(batch, self.sought.stream), self.sought.truth(batch)
        index, classes = logits.assigned(layout, self.threshold), logits.last().classes[..., :-1].argmax(-1)
        said = (index[..., None] == torch.arange(classes.shape[1], device=index.device)).float()  # (T, Q)
        true = truth.members.float()  # (T, M)
        shared = layout.sum(said[..., None] * true[..., None, :])  # (B, Q, M)
        ours, theirs = layout.sum(said)[..., None], layout.sum(true)[:, None]
        matched = (shared >= EFFICIENCY * theirs - 1e-4) & (shared >= PURITY * ours - 1e-4) & (shared > 0)
        # a true object has one match at most, a found one could have two of exactly half of it each: the first counts
        matched &= matched.long().cumsum(2) == 1
        right_class = matched & (classes[..., None] == truth.classes[:, None])
        right = (said[..., None] * true[..., None, :] * layout.spread(matched.float())).sum((-1, -2))
        none = (index < 0) & ~truth.members.any(-1) & layout.valid
        union = (ours + theirs - shared).clamp(min=1)
        found = torch.stack(
            [
                truth.asked.sum(),
                (ours > 0).sum(),
                matched.sum(),
                right_class.sum(),
                torch.where(matched, shared / union, 0.0).sum(),
                layout.valid.sum(),
                right.sum() + none.sum(),
            ]
        )
        self.sums += found.to(self.sums)

    @abstractmethod
    def compute(self) -> Tensor:
        """The number derived from the sums: true, found, matched, of the right class, intersections; constituents."""


class ObjectEfficiency(_Objects):
    """Share of the true objects that are matched."""

    def compute(self) -> Tensor:
        return self.sums[2] / self.sums[0]


class ObjectPurity(_Objects):
    """Share of the found objects that are matched."""

    def compute(self) -> Tensor:
        return self.sums[2] / self.sums[1]


class ObjectClassAccuracy(_Objects):
    """Share of the matched objects whose most probable class, other than none, is the true one."""

    def compute(self) -> Tensor:
        return self.sums[3] / self.sums[2]


class ObjectIntersection(_Objects):
    """Mean over the matched objects of the constituents in both, the true and the found one, over those in either."""

    def compute(self) -> Tensor:
        return self.sums[4] / self.sums[2]


class AssignmentAccuracy(_Objects):
    """Share of the constituents that are given to the match of their object, or to none where they have none."""

    def compute(self) -> Tensor:
        return self.sums[6] / self.sums[5]
