"""Objects of jets: those that are there, and what queries say about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from salt_like.batch import Batch
from salt_like.sets import Layout, layout_of
from salt_like.tasks.base import at_least_float


class Truth(NamedTuple):
    """The true objects of each jet, of which at most M are looked at."""

    asked: Tensor
    """Which of them are to be found, ``(B, M)`` bool."""
    members: Tensor
    """Which constituents belong to which of those, ``(T, M)`` or ``(B, N, M)`` bool."""
    classes: Tensor
    """Class of each, ``(B, M)`` int64; 0 where there is no object."""


@dataclass(frozen=True)
class Sought:
    """Where the true objects are.

    Args:
        stream: Stream of the constituents.
        link: Label of the constituents with the key of their object; negative for none.
        objects: Stream of the objects.
        key: Label that tells the objects of a jet apart; negative for what is no object.
        label: Label with the class of the objects, of which those without a class are not to be found; ``None`` for
            objects of one kind.
        number: Largest number M of objects of a jet that are looked at.
        fewest: Smallest number of constituents of an object that is to be found.
    """

    stream: str
    link: str
    objects: str
    key: str
    label: str | None
    number: int
    fewest: int

    def truth(self, batch: Batch) -> Truth:
        """The objects of a batch and their constituents."""
        own, layout = layout_of(batch, self.objects), layout_of(batch, self.stream)
        keys = self.of_objects(batch.labels[self.objects][self.key], batch)
        there = own.to_padded(own.valid, self.number) & (keys >= 0)
        classes = torch.zeros_like(keys)
        if self.label is not None:
            classes = self.of_objects(batch.labels[self.objects][self.label], batch)
            there = there & (classes >= 0)
        linked = batch.labels[self.stream][self.link][..., None] == layout.spread(keys)
        members = linked & layout.spread(there)
        asked = there & (layout.sum(members.float()) >= self.fewest)
        return Truth(asked, members & layout.spread(asked), classes.clamp(min=0))

    def of_objects(self, values: Tensor, batch: Batch) -> Tensor:
        """Values of the objects in M slots per jet, ``(B, M)``; 0 where there is no object."""
        return layout_of(batch, self.objects).to_padded(values, self.number)


class Found(NamedTuple):
    """What Q queries say after each of L layers."""

    classes: Tensor
    """Logits of the C classes of objects, and of none at the end, ``(B, L, Q, C + 1)``."""
    values: Tensor
    """Regressed values on the scale of the network, ``(B, L, Q, K)``."""
    masks: Tensor
    """Logit that a constituent belongs to the query, ``(T, L, Q)`` or ``(B, N, L, Q)``."""

    def last(self) -> Found:
        """What is said in the end: the same without the axis of layers."""
        return Found(
            *(at_least_float(one) for one in (self.classes[:, -1], self.values[:, -1], self.masks[..., -1, :]))
        )

    def assigned(self, layout: Layout, threshold: float) -> Tensor:
        """Query of each constituent, ``(T,)`` or ``(B, N)`` int64; -1 for none.

        It is the query with the largest logit in its mask, among those that say that they have an object, if it is
        above the threshold.

        Args:
            layout: Which constituents belong to which jet.
            threshold: Logit above which a query has an object, and above which a constituent belongs to it.
        """
        classes, _, masks = self.last()
        exists = layout.spread(classes[..., :-1].logsumexp(-1) - classes[..., -1] > threshold)
        best, index = torch.where(exists, masks, torch.full_like(masks, -torch.inf)).max(-1)
        return torch.where((best > threshold) & layout.valid, index, -1)

    def moved(self, margin: float) -> tuple[Found, ...]:
        """Logits moved by a margin: existence and masks more and less sure, and each query against all others."""
        found = []
        for sign in (margin, -margin):
            classes = torch.cat([self.classes[..., :-1], self.classes[..., -1:] + sign], -1)
            found += [self._replace(classes=classes), self._replace(masks=self.masks + sign)]
        queries = torch.arange(self.masks.shape[-1], device=self.masks.device)
        for query in range(self.masks.shape[-1]):
            shift = torch.where(queries == query, margin, -margin).to(self.masks.dtype)
            found.append(self._replace(masks=self.masks + shift))
        return tuple(found)
