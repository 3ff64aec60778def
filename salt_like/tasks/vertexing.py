"""Which constituents come from the same vertex."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.errors import nearest
from salt_like.nn.activations import make_activation
from salt_like.nn.checks import at_least
from salt_like.nn.dense import Dense, linear_beside
from salt_like.sets import Tokens, layout_of
from salt_like.spec import DataSpec, Label, Output, Request
from salt_like.tasks.base import Task, at_least_float
from salt_like.tasks.means import mean_exponential
from salt_like.tasks.metrics import PairEfficiency, PairF1, PairPurity
from salt_like.tasks.vertices import true_pairs, vertices


class PairWeight(TypedDict):
    """Which pairs weigh more in the loss."""

    label: str
    """Field with the class of each constituent, such as its origin."""
    classes: list[str]
    """Classes of which both ends of a pair must be."""
    factor: float
    """Weight of these pairs; 1 for all others."""


class Vertexing(Task):
    """Tells for each unordered pair of constituents whether both come from the same vertex (arXiv:2505.19689).

    The pair's logit does not depend on its order: with two linear layers ``s`` and ``d`` of each constituent, computed
    once per constituent and not per pair, one half of the hidden values is ``activation(s_i + s_j)`` and the other
    ``|d_i - d_j|``. Dense layers turn them into one logit per pair, ``(P,)`` packed or ``(B, P)`` padded.

    The loss is the binary cross-entropy averaged over all pairs, not over the matching ones. Constituents with a
    negative vertex index match none. Predicted vertices are the connected components of the pairs above threshold; a
    constituent that is joined to none is a vertex of its own.

    Takes the arguments of `Task` and:

    Args:
        label: Field with the index of the true vertex, negative for none.
        pair_weight: Pairs with both ends in the `classes` of a `label` weigh `factor`; ``None`` for equal weights.
        threshold: Probability above which a pair is joined.
        hidden: Widths of the hidden layers, the pair's own first (even); ``None`` for one as wide as a token.

    Raises:
        ValueError: The stream is the global one, or threshold, widths or classes are not possible.
    """

    averaged = "pairs"
    in_classes: Tensor

    def __init__(
        self,
        spec: DataSpec,
        token_dim: int,
        pooled_dim: int,
        *,
        stream: str,
        label: str,
        weight: float = 1.0,
        pair_weight: PairWeight | None = None,
        threshold: float = 0.5,
        hidden: list[int] | None = None,
        activation: str = "SiLU",
        dropout: float = 0.0,
        context: bool = True,
    ) -> None:
        super().__init__(spec, token_dim, pooled_dim, stream=stream, weight=weight, context=context)
        if self.is_global:
            raise ValueError(f"stream must be one of constituents, '{stream}' has one row per jet")
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be in (0, 1), got {threshold}")
        if pair_weight is not None and pair_weight["factor"] < 0:
            raise ValueError(f"pair_weight: factor must be at least 0, got {pair_weight['factor']}")
        requests = self.reads(stream=stream, label=label, pair_weight=pair_weight)
        self.label, *others = (spec.label(stream, request.key) for request in requests)
        self.weighting = others[0] if others else None
        self.factor = 1.0 if pair_weight is None else float(pair_weight["factor"])
        chosen = [] if pair_weight is None or not others else _indices(others[0], pair_weight["classes"])
        self.register_buffer("in_classes", torch.tensor(chosen, dtype=torch.long), persistent=False)
        self.threshold = math.log(threshold / (1 - threshold))
        # never fewer than what 1024 constituents need, as files to come may hold more than the training file
        self.rounds = max(10, spec.stream(stream).length.bit_length())
        self.outputs = (Output(stream, "VertexIndex", "index"),)

        widths = [self.width + self.width % 2] if hidden is None else hidden
        at_least(1, **{"hidden: layers": len(widths)})
        if widths[0] % 2:
            raise ValueError(f"hidden[0] must be even, got {widths[0]}")
        self.sum = nn.Linear(self.in_dim, widths[0] // 2)
        self.difference = nn.Linear(self.in_dim, widths[0] // 2, bias=False)
        self.activation = make_activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.head = Dense(widths[0], 1, widths[1:], activation, dropout=dropout)

    @classmethod
    def reads(cls, **init_args: Any) -> tuple[Request, ...]:
        stream, pair_weight = init_args["stream"], init_args.get("pair_weight")
        vertex = Request(stream, init_args["label"], "index", pairs=True)
        return (vertex,) if pair_weight is None else (vertex, Request(stream, pair_weight["label"], "class"))

    def forward(self, tokens: Tokens | None, pooled: Tensor) -> Tensor:
        values, layout = self._constituents(tokens)
        summed = linear_beside(self.sum, values, pooled, layout) if self.context else self.sum(values)
        # two gathers of half the width: slicing one of the full width costs a fifth of the step in its gradient
        first, second, _ = layout.pairs(summed)
        together = self.activation(first + second)
        # what the two constituents share, their jet's vector, cancels in the difference
        first, second, _ = layout.pairs(F.linear(values, self.difference.weight[:, : self.width]))
        apart = (first - second).abs()
        return self.head(self.dropout(torch.cat([together, apart], -1))).squeeze(-1)  # type: ignore[no-any-return]

    def loss_terms(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        true, real = true_pairs(batch, self.stream, self.label.key)
        losses = F.binary_cross_entropy_with_logits(logits.float(), true.float(), reduction="none")
        losses = torch.where(real, losses * self._pair_weights(batch), 0.0)
        return losses.sum(), real.sum().float()

    def count(self, batch: Batch) -> Tensor:
        counts = layout_of(batch, self.stream).counts
        return (counts * (counts - 1) // 2).sum().float()

    def predict(self, logits: Tensor, batch: Batch) -> dict[Output, Tensor]:
        index = vertices(logits > self.threshold, layout_of(batch, self.stream), self.rounds)
        return {self.outputs[0]: index}

    def unlike(self, other: Any) -> str:
        reason = super().unlike(other)
        return reason or ("their thresholds differ" if other.threshold != self.threshold else "")

    def aligned(self, logits: Tensor, other: Any) -> Tensor:
        del other
        return at_least_float(logits)

    def mean(self, logits: Sequence[Tensor]) -> Tensor:
        """Logits of the mean probabilities of the pairs."""
        above, below = ([-F.softplus(sign * one) for one in logits] for sign in (-1, 1))
        return mean_exponential(above) - mean_exponential(below)

    def metrics(self) -> dict[str, Metric]:
        stream, key, threshold = self.stream, self.label.key, self.threshold
        return {
            "pair_efficiency": PairEfficiency(stream, key, threshold),
            "pair_purity": PairPurity(stream, key, threshold),
            "pair_f1": PairF1(stream, key, threshold),
        }

    def _pair_weights(self, batch: Batch) -> Tensor | float:
        """Weight of each pair: that of its jet, times the factor of its classes."""
        layout = layout_of(batch, self.stream)
        weights: Tensor | float = 1.0
        if self.weighting is not None:
            chosen = (batch.labels[self.stream][self.weighting.key][..., None] == self.in_classes).any(-1)
            first, second, _ = layout.pairs(chosen)
            weights = torch.where(first & second, self.factor, 1.0)
        jet_weights = self._jet_weights(batch)
        return weights if jet_weights is None else weights * layout.pairs(jet_weights)[0]


def _indices(label: Label, classes: list[str]) -> list[int]:
    """Indices of named classes."""
    for name in classes:
        if name not in label.classes:
            raise ValueError(
                f"pair_weight: label '{label.name}' has no class '{name}'{nearest(name, label.classes)}, "
                f"it has: {', '.join(label.classes)}"
            )
    return [label.classes.index(name) for name in classes]
