"""Classification of jets or constituents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.nn.checks import fraction
from salt_like.sets import Tokens
from salt_like.spec import DataSpec, Label, Output, Request
from salt_like.tasks.base import Task, at_least_float
from salt_like.tasks.means import mean_exponential
from salt_like.tasks.metrics import Accuracy, AreaUnderCurve, MacroF1, MajorityAccuracy
from salt_like.tasks.priors import adjusted, given_prior, trained_prior


class Classification(Task):
    """Tells to which of two or more classes a jet or a constituent belongs.

    The logits are ``(..., C)`` and the probabilities their softmax, with two classes as well. The loss is the
    cross-entropy; rows whose label is -1 ("ignore") do not take part.

    Takes the arguments of `Task` and:

    Args:
        label: Field with the class.
        classes: Class names in the order of the label's values; ``None`` to take them from the file.
        label_map: Class name for each value of the label; ``None`` when the value is the class index.
        class_weights: ``"none"``, ``"balanced"`` for the inverse class frequency of the training sample, or one weight
            per class. Weights are scaled so that a training row has weight 1 on average. With them the outputs are
            probabilities for classes as frequent as the weights make them.
        label_smoothing: Share of each target that is spread evenly over the classes (arXiv:1512.00567).
        where: Expression on the stream's fields; rows that do not fulfil it have no target.
        temperature: Number T by which predictions divide the logarithms of likelihood ratios, as `train calibrate`
            finds it (arXiv:1706.04599): p(c) ∝ π_c exp((ln p_c - ln π_c) / T), with the class fractions π of the
            training, after class weights. Not in loss and metrics.
        prior: Class fractions for which predictions are made, p(c) ∝ p_c · prior_c / π_c; ``None`` for π. Not in loss
            and metrics.

    Raises:
        ValueError: Fewer than two classes, weights or fractions that do not fit the classes, or a temperature that is
            not positive.

    Attributes:
        trained_prior: Class fractions that the loss sees, ``(C,)``: those of the logits.
    """

    averaged = "classes"
    class_weights: Tensor

    def __init__(
        self,
        spec: DataSpec,
        token_dim: int,
        pooled_dim: int,
        *,
        stream: str,
        label: str,
        weight: float = 1.0,
        classes: list[str] | None = None,
        label_map: dict[int, str] | None = None,
        class_weights: Literal["none", "balanced"] | list[float] = "none",
        label_smoothing: float = 0.0,
        where: str | None = None,
        temperature: float = 1.0,
        prior: dict[str, float] | None = None,
        hidden: list[int] | None = None,
        activation: str = "SiLU",
        dropout: float = 0.0,
        context: bool = True,
    ) -> None:
        super().__init__(spec, token_dim, pooled_dim, stream=stream, weight=weight, context=context)
        (request,) = self.reads(stream=stream, label=label, classes=classes, label_map=label_map, where=where)
        self.label = spec.label(stream, request.key)
        if len(self.label.classes) < 2:
            raise ValueError(f"label '{label}' needs at least two classes, got {list(self.label.classes)}")
        fraction(label_smoothing=label_smoothing)
        self.label_smoothing = label_smoothing
        self.weighted = class_weights != "none"
        # not part of the state: it follows from the description of the data
        weights = torch.tensor(_weights(self.label, class_weights), dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)
        self.trained_prior = trained_prior(self.label, weights.tolist())
        known = any(self.label.prior or self.label.counts)
        self.prior = self.trained_prior if self.weighted and known else ()
        if prior is not None:
            self.prior = given_prior(prior, self.label, self.trained_prior)
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be a number above 0, got {temperature}")
        self.temperature = temperature
        self.head = self._head(len(self.label.classes), hidden, activation, dropout)
        self.outputs = tuple(
            Output(stream, f"p{short_name(name)}", "probability", of_class=name) for name in self.label.classes
        )

    @classmethod
    def reads(cls, **init_args: Any) -> tuple[Request, ...]:
        classes = init_args.get("classes")
        return (
            Request(
                stream=init_args["stream"],
                name=init_args["label"],
                kind="class",
                classes=None if classes is None else tuple(classes),
                label_map=init_args.get("label_map"),
                where=init_args.get("where"),
            ),
        )

    def forward(self, tokens: Tokens | None, pooled: Tensor) -> Tensor:
        return self._apply_head(self.head, tokens, pooled)

    def loss_terms(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        losses = F.cross_entropy(
            logits.float().flatten(0, -2),
            batch.labels[self.stream][self.label.key].flatten(),
            self.class_weights if self.weighted else None,
            ignore_index=-1,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        jet_weights = self._jet_weights(batch)
        if jet_weights is not None:
            losses = losses * jet_weights.flatten()
        return losses.sum(), self.count(batch)

    def count(self, batch: Batch) -> Tensor:
        return (batch.labels[self.stream][self.label.key] >= 0).sum().float()

    def predict(self, logits: Tensor, batch: Batch) -> dict[Output, Tensor]:
        del batch
        return dict(zip(self.outputs, self._deployed(logits).softmax(-1).unbind(-1), strict=True))

    def log_probabilities(self, logits: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.label.classes, self._deployed(logits).log_softmax(-1).unbind(-1), strict=True))

    def unlike(self, other: Any) -> str:
        reason = super().unlike(other)
        if reason:
            return reason
        for name, mine, theirs in zip(self.label.classes, self.trained_prior, other.trained_prior, strict=True):
            if (mine > 0) != (theirs > 0):
                return f"the loss of only one of them saw class '{name}'"
        return ""

    def aligned(self, logits: Tensor, other: Any) -> Tensor:
        """Logarithms of the probabilities for the class fractions that the loss of this task has seen."""
        values = at_least_float(logits)
        if other.trained_prior != self.trained_prior:
            values = adjusted(values, other.trained_prior, self.trained_prior, 1.0)
        return values.log_softmax(-1)

    def mean(self, logits: Sequence[Tensor]) -> Tensor:
        """Logarithms of the mean probabilities."""
        return mean_exponential(logits)

    def metrics(self) -> dict[str, Metric]:
        label = self.label
        return {
            "accuracy": Accuracy(label),
            "accuracy_majority": MajorityAccuracy(label),
            "macro_f1": MacroF1(label),
            "auc": AreaUnderCurve(label),
        }

    def _deployed(self, logits: Tensor) -> Tensor:
        """Logits with the temperature, and for the class fractions, of predictions."""
        values = at_least_float(logits)
        wanted = self.prior or self.trained_prior
        if self.temperature != 1 or wanted != self.trained_prior:
            values = adjusted(values, self.trained_prior, wanted, self.temperature)
        return values


def short_name(name: str) -> str:
    """The class name as it stands in output names: without the ending ``jets``."""
    return name.removesuffix("jets") or name


def _weights(label: Label, wanted: str | list[float]) -> list[float]:
    """One weight per class, 1 on average over the training rows."""
    if wanted == "none":
        return [1.0] * len(label.classes)
    if wanted == "balanced":
        if not any(label.counts):
            raise ValueError(f"class_weights: 'balanced' needs the class counts of label '{label.name}', got none")
        return list(label.class_weights)
    if isinstance(wanted, str):
        raise ValueError(f"class_weights must be 'none', 'balanced' or one number per class, got {wanted!r}")
    if len(wanted) != len(label.classes) or min(wanted) < 0 or max(wanted) == 0:
        raise ValueError(
            f"class_weights must hold one number >= 0 for each of {', '.join(label.classes)}, got {wanted}"
        )
    counts = label.counts if any(label.counts) else (1.0,) * len(wanted)
    mean = sum(count * one for count, one in zip(counts, wanted, strict=True)) / sum(counts)
    if mean == 0:
        raise ValueError(f"class_weights must not be 0 for every class of the training sample, got {wanted}")
    return [one / mean for one in wanted]
