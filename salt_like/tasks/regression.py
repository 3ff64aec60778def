"""Regression of one or more real numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.sets import Tokens
from salt_like.spec import DataSpec, Label, Output, Request
from salt_like.tasks.base import Task, at_least_float
from salt_like.tasks.metrics import Bias, MeanAbsoluteError, RootMeanSquare
from salt_like.tasks.targets import Scale, Target

Loss = Literal["mse", "l1", "huber"]


class RealTask(Task, ABC):
    """A task on real labels; every pair of row and target that is missing (NaN) is left out exactly.

    The logits are ``(..., V K)`` for K targets with V values each, in V blocks of K.

    Takes the arguments of `Task` and:

    Args:
        label: Field or fields with the targets.
        scale: Scale on which the network works: ``"none"`` for the label's own, ``"standardise"``, ``"log"`` for the
            logarithm of the label over its mean, or ``"ratio"`` for the label over the `denominator`.
        denominator: Input variable of the stream, in the label's unit, for each target or one for all.
        where: Expression on the stream's fields; rows that do not fulfil it have no target.

    Attributes:
        values: Values ``V`` per target.
    """

    values = 1

    def __init__(
        self,
        spec: DataSpec,
        token_dim: int,
        pooled_dim: int,
        *,
        stream: str,
        label: str | list[str],
        weight: float = 1.0,
        scale: Scale = "standardise",
        denominator: str | list[str] | None = None,
        where: str | None = None,
        hidden: list[int] | None = None,
        activation: str = "SiLU",
        dropout: float = 0.0,
        context: bool = True,
    ) -> None:
        super().__init__(spec, token_dim, pooled_dim, stream=stream, weight=weight, context=context)
        requests = self.reads(stream=stream, label=label, where=where)
        names = [request.name for request in requests]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"label must name at least one field and none twice, got {names}")
        below = denominator if isinstance(denominator, list) else [denominator] * len(names)
        if len(below) != len(names):
            raise ValueError(f"denominator must be one variable, or one for each of {names}, got {denominator}")
        labels = [spec.label(stream, request.key) for request in requests]
        self.targets = [Target.build(spec, one, scale, under) for one, under in zip(labels, below, strict=True)]
        self.head = self._head(self.values * len(names), hidden, activation, dropout)
        self.outputs = tuple(output for one in labels for output in self._said(one))

    @classmethod
    def reads(cls, **init_args: Any) -> tuple[Request, ...]:
        label, where = init_args["label"], init_args.get("where")
        names = [label] if isinstance(label, str) else label
        return tuple(Request(init_args["stream"], name, "real", where=where) for name in names)

    def _said(self, label: Label) -> tuple[Output, ...]:
        """What is said about one target."""
        return (Output(self.stream, label.name, "value", label.unit),)

    @abstractmethod
    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each row and target, ``(..., K)``."""

    def forward(self, tokens: Tokens | None, pooled: Tensor) -> Tensor:
        return self._apply_head(self.head, tokens, pooled)

    def loss_terms(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        targets = self._scaled(batch)
        known = targets.isfinite()
        # the missing target is replaced before the loss and the loss after it: either alone leaves a gradient
        losses = self._losses(logits.float(), torch.where(known, targets, 0.0))
        losses = torch.where(known, losses, 0.0)
        jet_weights = self._jet_weights(batch)
        if jet_weights is not None:
            losses = losses * jet_weights[..., None]
        return losses.sum(), known.sum().float()

    def count(self, batch: Batch) -> Tensor:
        """Number of pairs of row and target that are not missing, as a float."""
        return self._scaled(batch).isfinite().sum().float()

    def metrics(self) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        for column, target in enumerate(self.targets):
            suffix = "" if len(self.targets) == 1 else f"_{target.label.name}"
            found[f"bias{suffix}"] = Bias(target, column)
            found[f"rms{suffix}"] = RootMeanSquare(target, column)
            found[f"mae{suffix}"] = MeanAbsoluteError(target, column)
        return found

    def unlike(self, other: Any) -> str:
        reason = super().unlike(other)
        pairs = zip(self.targets, () if reason else other.targets, strict=not reason)
        return reason or next((found for mine, theirs in pairs if (found := mine.unlike(theirs))), "")

    def _scaled(self, batch: Batch) -> Tensor:
        return torch.stack([target.scaled(batch) for target in self.targets], -1)


class Regression(RealTask):
    """Predicts one or more real numbers of a jet or a constituent, ``(..., K)``.

    The loss is averaged over all pairs of row and target that are there; NaN means that a target is missing.
    Predictions and metrics are in the label's unit.

    Takes the arguments of `RealTask` and:

    Args:
        loss: ``"mse"``, ``"l1"`` or ``"huber"``.
        huber_delta: Residual, on the target's scale, at which the Huber loss turns from quadratic to linear.

    Raises:
        ValueError: Loss, scale, denominator and labels do not fit together, or a logarithm does not exist.
    """

    averaged = "values"

    def __init__(
        self,
        spec: DataSpec,
        token_dim: int,
        pooled_dim: int,
        *,
        stream: str,
        label: str | list[str],
        weight: float = 1.0,
        loss: Loss = "mse",
        huber_delta: float = 1.0,
        scale: Scale = "standardise",
        denominator: str | list[str] | None = None,
        where: str | None = None,
        hidden: list[int] | None = None,
        activation: str = "SiLU",
        dropout: float = 0.0,
        context: bool = True,
    ) -> None:
        super().__init__(
            spec,
            token_dim,
            pooled_dim,
            stream=stream,
            label=label,
            weight=weight,
            scale=scale,
            denominator=denominator,
            where=where,
            hidden=hidden,
            activation=activation,
            dropout=dropout,
            context=context,
        )
        if loss not in ("mse", "l1", "huber"):
            raise ValueError(f"loss must be 'mse', 'l1' or 'huber', got {loss!r}")
        if not huber_delta > 0:
            raise ValueError(f"huber_delta must be above 0, got {huber_delta}")
        self.loss_name = loss
        self.huber_delta = huber_delta

    def aligned(self, logits: Tensor, other: Any) -> Tensor:
        """On the scales of this task."""
        columns = zip(self.targets, other.targets, at_least_float(logits).unbind(-1), strict=True)
        return torch.stack([mine.rescaled(values, theirs) for mine, theirs, values in columns], -1)

    def mean(self, logits: Sequence[Tensor]) -> Tensor:
        """Those of the mean values in the labels' units, also where the scale is a logarithm."""
        columns = zip(self.targets, *(one.unbind(-1) for one in logits), strict=True)
        return torch.stack([target.mean(values) for target, *values in columns], -1)

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.loss_name == "mse":
            return F.mse_loss(logits, targets, reduction="none")
        if self.loss_name == "l1":
            return F.l1_loss(logits, targets, reduction="none")
        return F.huber_loss(logits, targets, reduction="none", delta=self.huber_delta)

    def predict(self, logits: Tensor, batch: Batch) -> dict[Output, Tensor]:
        columns = zip(self.outputs, self.targets, at_least_float(logits).unbind(-1), strict=True)
        return {output: target.physical(value, batch) for output, target, value in columns}
