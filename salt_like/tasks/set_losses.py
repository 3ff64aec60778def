"""How far found objects are from true ones: every pair of a query and an object at once, and the best assignment."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from salt_like.assignment import solve
from salt_like.rows import compiled
from salt_like.sets import Layout
from salt_like.tasks.objects import Found, Truth


@dataclass(frozen=True)
class SetLoss:
    """The loss of what queries say, after the assignment of queries to objects.

    Args:
        class_weight: Weight of the classes in loss and costs.
        mask_weight: Weight of the binary cross-entropy of the masks in loss and costs.
        dice_weight: Weight of the Dice loss of the masks in loss and costs.
        value_weight: Weight of the values in loss and costs.
        none_weight: Weight of queries without an object in the loss of the classes.
        auxiliary: Weight of the loss after each layer but the last.
        huber_delta: Where the Huber loss of the values becomes linear; ``None`` for the absolute difference.

    Raises:
        ValueError: A weight is negative or not finite.
    """

    class_weight: float = 1.0
    mask_weight: float = 1.0
    dice_weight: float = 1.0
    value_weight: float = 1.0
    none_weight: float = 1.0
    auxiliary: float = 1.0
    huber_delta: float | None = None

    def __post_init__(self) -> None:
        for name in ("class_weight", "mask_weight", "dice_weight", "value_weight", "none_weight", "auxiliary"):
            if not 0 <= vars(self)[name] < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {vars(self)[name]}")
        if self.huber_delta is not None and not self.huber_delta > 0:
            raise ValueError(f"huber_delta must be above 0, got {self.huber_delta}")

    def of_jets(self, found: Found, truth: Truth, values: Tensor | None, layout: Layout) -> Tensor:
        """Loss of each jet, ``(B,)``.

        Args:
            found: What the queries say.
            truth: The objects.
            values: Their values on the scale of the network, ``(B, M, K)``, not finite where unknown; ``None`` for
                none.
            layout: Which constituents belong to which jet.
        """
        costs, losses = self._pairs(found, truth, values, layout)
        taken = matched(costs, truth.asked)  # (B, L, Q, M)
        number = truth.asked.sum(1).clamp(min=1)[:, None]
        # a product with 0 would keep what is not finite, and its gradient
        of_objects = torch.where(taken, losses, 0.0).sum((2, 3)) / number
        of_layers = of_objects + self.class_weight * self._class_losses(found.classes, taken, truth.classes)
        return of_layers[:, -1] + self.auxiliary * of_layers[:, :-1].sum(1)

    def _pairs(self, found: Found, truth: Truth, values: Tensor | None, layout: Layout) -> tuple[Tensor, Tensor]:
        """Cost of each pair of a query and an object, and its loss without that of the class, ``(B, L, Q, M)``."""
        entropy, overlap = mask_losses(found.masks, truth.members, layout)
        losses = self.mask_weight * entropy + self.dice_weight * overlap
        if values is not None:
            losses = losses + self.value_weight * value_losses(found.values, values, self.huber_delta)
        shares = found.classes.detach().float().softmax(-1)
        index = truth.classes[:, None, None].expand(*shares.shape[:3], -1)
        return losses.detach() - self.class_weight * shares.gather(3, index), losses

    def _class_losses(self, logits: Tensor, taken: Tensor, classes: Tensor) -> Tensor:
        """Mean over the queries of the weighted cross-entropy, ``(B, L)``."""
        has = taken.any(3)
        own = (taken.long() * classes[:, None, None]).sum(3)
        wanted = torch.where(has, own, logits.shape[-1] - 1)
        entropy = -logits.float().log_softmax(-1).gather(3, wanted[..., None])[..., 0]
        return torch.where(has, entropy, self.none_weight * entropy).mean(2)


def mask_losses(masks: Tensor, members: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """How far each mask is from the constituents of each object.

    Args:
        masks: Logit that a constituent belongs to the query, ``(T, L, Q)`` or ``(B, N, L, Q)``.
        members: Which constituents belong to which object, ``(T, M)`` or ``(B, N, M)`` bool.
        layout: Which constituents belong to which jet.

    Returns:
        Mean over the constituents of the binary cross-entropy, and ``1 - (2 Σ p t + 1) / (Σ p + Σ t + 1)``, that is one
        minus the Dice coefficient (arXiv:1606.04797) with one right constituent added to both, ``(B, L, Q, M)`` each;
        0 for jets without constituents.
    """
    entropy, overlap = [], []
    grids = zip(layout.grids(masks), layout.grids(members), layout.grid_valid(), strict=True)
    for logits, flags, valid in grids:
        rows = logits.float().flatten(2).transpose(1, 2)  # (B_k, L Q, N_k)
        real = valid[:, None]
        inside = (flags & valid[:, :, None]).to(rows.dtype)
        outside = valid[:, :, None].to(rows.dtype) - inside
        rows = torch.where(real, rows, torch.zeros_like(rows))
        # nothing is subtracted, so that nothing cancels where a network is sure
        sums = F.softplus(-rows) @ inside + F.softplus(rows) @ outside
        entropy.append(sums / valid.sum(1).clamp(min=1)[:, None, None])
        shares = torch.where(real, rows.sigmoid(), torch.zeros_like(rows))
        both = shares.sum(2, keepdim=True) + inside.sum(1)[:, None]
        overlap.append(1 - (2 * (shares @ inside) + 1) / (both + 1))
    layers, queries = masks.shape[-2:]
    first, second = (layout.jets_from_grids(parts).unflatten(1, (layers, queries)) for parts in (entropy, overlap))
    return first, second


def value_losses(found: Tensor, true: Tensor, huber_delta: float | None = None) -> Tensor:
    """Mean over the known values of the differences of each pair, ``(B, L, Q, M)``; 0 where none is known.

    Args:
        found: ``(B, L, Q, K)``.
        true: ``(B, M, K)``; not finite where unknown.
        huber_delta: Where the Huber loss becomes linear; ``None`` for the absolute difference.
    """
    known = true.isfinite()[:, None, None]
    given = found.float()[:, :, :, None].expand(*found.shape[:3], true.shape[1], -1)
    wanted = torch.where(known, true[:, None, None], 0.0).expand_as(given)
    if huber_delta is None:
        apart = F.l1_loss(given, wanted, reduction="none")
    else:
        apart = F.huber_loss(given, wanted, reduction="none", delta=huber_delta)
    return torch.where(known, apart, 0.0).sum(-1) / known.sum(-1).clamp(min=1)


def matched(costs: Tensor, asked: Tensor) -> Tensor:
    """The cheapest one-to-one assignment of queries to objects, after each layer by itself.

    This is the one thing in a step that waits for the device: all costs are copied to the processor at once.

    Args:
        costs: Cost of each pair, ``(B, L, Q, M)``.
        asked: Which objects are to be found, ``(B, M)``.

    Returns:
        Whether a query has an object, ``(B, L, Q, M)`` bool.
    """
    layers, queries = costs.shape[1:3]
    problems = costs.detach().flatten(0, 1)
    there = asked[:, None].expand(-1, layers, -1).flatten(0, 1)
    if compiled is not None and torch.compiler.is_compiling():
        found = compiled.assign(problems, there)
    else:
        found = solve(problems, there)
    numbers = torch.arange(queries, device=costs.device)[:, None]
    taken: Tensor = (found[:, None] == numbers).unflatten(0, (asked.shape[0], layers))
    return taken
