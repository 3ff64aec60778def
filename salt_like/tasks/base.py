"""What every task is: a head on tokens or pooled vectors, its loss, and what it says."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.nn.dense import Dense
from salt_like.sets import Layout, Tokens, layout_of
from salt_like.spec import DataSpec, Output, Request

# a tensor, or a named tuple of tensors: only the task that made them looks inside
Logits: TypeAlias = Any


def at_least_float(logits: Tensor) -> Tensor:
    """What mixed precision has left in half precision in single, for everything that is said and for losses."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


class Task(nn.Module, ABC):
    """One thing to learn about jets or about their constituents.

    A task of the global stream reads the pooled vector; a task of a stream of constituents reads each constituent's
    token and, with `context`, its jet's pooled vector. Nothing in here waits for the device: rows without a target are
    masked, never taken out, so they are not counted and their gradient is exactly 0.

    Every task takes the arguments below, and these three for its head, in the same meaning; the docstrings of the tasks
    describe only what each takes besides:

    - ``hidden``: widths of the hidden layers, ``None`` for one as wide as its input token or vector,
    - ``activation``: name of their activation,
    - ``dropout``: probability of dropping a hidden value.

    Args:
        spec: Description of the data.
        token_dim: Width of the tokens.
        pooled_dim: Width of the pooled vector.
        stream: Stream whose rows the task describes; the global one for jets.
        weight: Weight of the loss in the sum over tasks.
        context: Give each constituent its jet's pooled vector too.

    Raises:
        ValueError: The stream is no input of the model, or the weight is negative or not finite.

    Attributes:
        nonnegative: Whether the loss is never negative, so that a weight may be learned for it.
        prior: Class fractions for which predicted probabilities hold; empty for those of the training sample.
        trained_prior: Class fractions for which the softmax of the logits holds; empty for a task of another kind.
        temperature: Temperature of the predicted probabilities (`Classification`).
        objects: Stream of the true objects of a task that finds objects; empty for all others.
        waits: Whether the loss waits for the device, so that a step is no static graph.
        averaged: What the logits are, where those of several taggers have a mean (`mean`); empty where they have none.
    """

    nonnegative = True
    waits = False
    objects = ""
    averaged = ""

    def __init__(
        self, spec: DataSpec, token_dim: int, pooled_dim: int, *, stream: str, weight: float, context: bool
    ) -> None:
        super().__init__()
        described = spec.stream(stream)
        if not described.is_global and described not in spec.set_streams:
            raise ValueError(f"stream '{stream}' has no inputs, so there are no tokens that a task could read")
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight must be at least 0 and finite, got {weight}")
        self.stream = stream
        self.weight = weight
        self.is_global = described.is_global
        self.context = context and not described.is_global
        self.width = pooled_dim if described.is_global else token_dim
        self.in_dim = self.width + (pooled_dim if self.context else 0)
        self.outputs: tuple[Output, ...] = ()
        self.prior: tuple[float, ...] = ()
        self.trained_prior: tuple[float, ...] = ()
        self.temperature = 1.0

    @classmethod
    @abstractmethod
    def reads(cls, **init_args: Any) -> tuple[Request, ...]:
        """The fields that a task with these constructor arguments needs, before any file is opened."""

    @abstractmethod
    def forward(self, tokens: Tokens | None, pooled: Tensor) -> Logits:
        """Logits, in a form of the task's own.

        Args:
            tokens: What the encoder returned; ``None`` in a model without constituents.
            pooled: One vector per jet, ``(B, D)``.
        """

    @abstractmethod
    def loss_terms(self, logits: Logits, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sum of the weighted losses of all rows with a target, and the number of these rows.

        Both are sums over jets, so the loss of several batches together is the ratio of the totals.
        """

    @abstractmethod
    def count(self, batch: Batch) -> Tensor:
        """Number of rows with a target, as a float."""

    @abstractmethod
    def predict(self, logits: Logits, batch: Batch) -> dict[Output, Tensor]:
        """What the task says: probabilities, and values in the labels' units.

        Returns:
            For each of `outputs`, ``(B,)`` for the global stream, ``(B, Q)`` for Q objects per jet, else ``(T,)``
            packed or ``(B, N)`` padded; with a further axis for vectors.
        """

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """New metrics, each updated by ``metric.update(logits, batch)``."""

    def moved(self, logits: Logits, margin: float) -> tuple[Logits, ...]:
        """Logits that differ from these by at most a margin: where predicted indices differ, they are undecided."""
        return logits + margin, logits - margin

    def unlike(self, other: Task) -> str:
        """Why logits of this task and of another tagger's have no mean; empty where they have one.

        Args:
            other: The task of the same name, with the same outputs.
        """
        if not self.averaged:
            return f"there is no mean of what several {type(self).__name__} tasks say"
        return "" if self.averaged == other.averaged else "they are tasks of different kinds"

    def aligned(self, logits: Logits, other: Any) -> Logits:
        """Logits that mean for this task what `logits` mean for that of another tagger.

        Args:
            logits: Of the other task.
            other: The other task, which is not `unlike` this one.
        """
        del other
        return logits

    def mean(self, logits: Sequence[Logits]) -> Logits:
        """Logits whose predictions are the mean of those of several taggers.

        Args:
            logits: Of each tagger, aligned to this task.
        """
        raise NotImplementedError(f"{type(self).__name__} of {len(logits)} taggers")

    def together(self, logits: Logits) -> Logits:
        """One set of logits, also for a task of several taggers."""
        return logits

    @property
    def kind(self) -> type[Task]:
        """The class that the configuration names, also for a task of several taggers."""
        return type(self)

    def log_probabilities(self, logits: Logits) -> dict[str, Tensor]:
        """Logarithms of the predicted probabilities by class, shaped as an output; empty for a task without classes."""
        del logits
        return {}

    def loss(self, logits: Logits, batch: Batch) -> Tensor:
        """Mean loss of the rows with a target; 0 with zero gradient when there are none."""
        total, number = self.loss_terms(logits, batch)
        return total / number.clamp(min=1)

    def _constituents(self, tokens: Tokens | None) -> tuple[Tensor, Layout]:
        """Tokens of the task's stream, ``(T, width)`` or ``(B, N, width)``, and their layout."""
        if tokens is None:
            raise ValueError(f"a task on stream '{self.stream}' needs the tokens of its constituents")
        return tokens.of(self.stream)

    def _apply_head(self, head: Dense, tokens: Tokens | None, pooled: Tensor) -> Tensor:
        """A network on what the task reads: ``(B, F)`` for the global stream, else ``(T, F)`` or ``(B, N, F)``."""
        if self.is_global:
            return head(pooled)  # type: ignore[no-any-return]
        values, layout = self._constituents(tokens)
        return head.beside(values, pooled, layout) if self.context else head(values)

    def _head(self, out_dim: int, hidden: Sequence[int] | None, activation: str, dropout: float) -> Dense:
        """The network of the task: one hidden layer as wide as a token (or pooled vector) unless told otherwise."""
        return Dense(self.in_dim, out_dim, [self.width] if hidden is None else hidden, activation, dropout=dropout)

    def _jet_weights(self, batch: Batch) -> Tensor | None:
        """Weight of the jet of each row, shaped as the labels; ``None`` for 1."""
        if batch.weights is None or self.is_global:
            return batch.weights
        return layout_of(batch, self.stream).spread(batch.weights)
