"""Objects of a jet, such as its hadrons, and which constituents belong to which."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from salt_like.batch import Batch
from salt_like.nn.checks import at_least
from salt_like.nn.decoder import QueryDecoder, ln_share
from salt_like.nn.dense import Dense
from salt_like.sets import Tokens, layout_of
from salt_like.spec import DataSpec, Output, Request
from salt_like.tasks.base import Task
from salt_like.tasks.classification import short_name
from salt_like.tasks.object_metrics import (
    AssignmentAccuracy,
    ObjectClassAccuracy,
    ObjectEfficiency,
    ObjectIntersection,
    ObjectPurity,
)
from salt_like.tasks.objects import Found, Sought
from salt_like.tasks.set_losses import SetLoss
from salt_like.tasks.targets import Target

Scale = Literal["none", "standardise", "log"]
NO_OBJECT = "none"


class SetPrediction(Task):
    """Finds the objects of a jet, such as its hadrons, and the constituents of each.

    A MaskFormer (arXiv:2107.06278), as used to find vertices (arXiv:2312.12272).

    A number of learned queries looks at the constituents of the jet and at each other (`QueryDecoder`). Each query then
    says of which class its object is, or that there is none, the values of the object, and for every constituent
    whether it belongs to it. In training the queries are assigned to the true objects so that the sum of the costs is
    smallest (Hungarian matching), anew after each layer. The step waits for the device once, for all costs of a batch.

    The loss of a jet is, after the last layer,

        class_weight · mean over queries of -w ln p_c            (w = none_weight for queries without object, else 1)
        + mean over objects of  mask_weight · BCE + dice_weight · (1 - dice) + value_weight · |t - y|

    and `auxiliary` times the same after each layer before. BCE is the mean over the constituents of the jet, the
    difference of values (or their Huber loss) the mean over those of the object that are known. The cost of a pair is
    the same with -p_c for its class. The loss is averaged over jets.

    Takes the arguments of `Task` and:

    Args:
        objects: Dataset of the true objects; no input of the model.
        link: Field of the constituents that tells the `key` of their object; negative for none.
        key: Field that tells the objects of a jet apart.
        label: Field with the class of an object; ``None`` for objects of one kind.
        classes: Class names in the order of the label's values; ``None`` to take them from the file.
        label_map: Class name for each value of the label; ``None`` when the value is the class index.
        values: Field of the objects → scale on which the network works: ``"none"``, ``"standardise"``, ``"log"``.
        where: Expression on the fields of the objects; others are no objects.
        name: Name of the array of objects in prediction files; ``None`` for that of the dataset without ``truth_``.
        queries: Number of queries, at least that of objects that a jet can have.
        fewest: Objects with fewer constituents are not to be found.
        dim: Width of the queries, ``None`` for that of the tokens.
        layers: Number of layers of the decoder.
        heads: Number of attention heads.
        masked: Whether a query looks at the constituents in its mask of the layer before (arXiv:2112.01527).
        class_weight: Weight of the classes in loss and costs.
        mask_weight: Weight of the binary cross-entropy of the masks in loss and costs.
        dice_weight: Weight of the Dice loss of the masks in loss and costs.
        value_weight: Weight of the values in loss and costs.
        none_weight: Weight of queries without an object in the loss of the classes. Other than 1, probabilities hold
            for other frequencies of "none".
        auxiliary: Weight of the loss after each layer but the last.
        loss: ``"l1"`` or ``"huber"`` for the values.
        huber_delta: Residual, on the scale of the network, at which the Huber loss becomes linear.
        threshold: Probability above which an object exists, and above which a constituent belongs to it.
        hidden: Widths of the hidden layers of the head of classes and values; ``None`` for one as wide as a query.
        context: Give the queries their jet's pooled vector.

    Raises:
        ValueError: The stream is the global one, there are fewer queries than a jet can have objects, or a weight,
            threshold or name is not possible.
    """

    waits = True

    def __init__(
        self,
        spec: DataSpec,
        token_dim: int,
        pooled_dim: int,
        *,
        stream: str,
        objects: str,
        link: str,
        key: str = "barcode",
        label: str | None = None,
        classes: list[str] | None = None,
        label_map: dict[int, str] | None = None,
        values: dict[str, Scale] | None = None,
        where: str | None = None,
        name: str | None = None,
        queries: int = 5,
        fewest: int = 1,
        dim: int | None = None,
        layers: int = 3,
        heads: int = 4,
        masked: bool = True,
        weight: float = 1.0,
        class_weight: float = 1.0,
        mask_weight: float = 1.0,
        dice_weight: float = 1.0,
        value_weight: float = 1.0,
        none_weight: float = 1.0,
        auxiliary: float = 1.0,
        loss: Literal["l1", "huber"] = "l1",
        huber_delta: float = 1.0,
        threshold: float = 0.5,
        hidden: list[int] | None = None,
        activation: str = "SiLU",
        dropout: float = 0.0,
        context: bool = True,
    ) -> None:
        super().__init__(spec, token_dim, pooled_dim, stream=stream, weight=weight, context=context)
        if self.is_global:
            raise ValueError(f"stream must be one of constituents, '{stream}' has one row per jet")
        at_least(0, fewest=fewest)
        self.objects, self.queries = objects, queries
        self.name = objects.removeprefix("truth_") if name is None else name
        arguments = {"stream": stream, "objects": objects, "link": link, "key": key, "label": label, "where": where}
        asked = self.reads(**arguments, classes=classes, label_map=label_map, values=values)
        linked, told, *others = (spec.label(one.stream, one.key) for one in asked)
        kinds = None if label is None else others.pop(0)
        self.classes = (self.name,) if kinds is None else kinds.classes
        number = spec.stream(objects).length
        self.sought = Sought(
            stream, linked.key, objects, told.key, None if kinds is None else kinds.key, number, fewest
        )
        self._check(spec, number, loss, threshold)
        scales = (values or {}).values()
        self.targets = [Target.build(spec, one, scale, None) for one, scale in zip(others, scales, strict=True)]
        delta = huber_delta if loss == "huber" else None
        self.criterion = SetLoss(class_weight, mask_weight, dice_weight, value_weight, none_weight, auxiliary, delta)
        self.threshold = math.log(threshold / (1 - threshold))
        width = token_dim if dim is None else dim
        self.decoder = QueryDecoder(
            token_dim,
            pooled_dim if self.context else 0,
            width,
            queries,
            layers,
            heads,
            activation=activation,
            dropout=dropout,
            masked=masked,
        )
        size = len(self.classes) + 1 + len(self.targets)
        self.head = Dense(width, size, [width] if hidden is None else hidden, activation, dropout=dropout)
        self.outputs = self._said()

    @classmethod
    def reads(cls, **init_args: Any) -> tuple[Request, ...]:
        objects, where = init_args["objects"], init_args.get("where")
        key = init_args.get("key") or "barcode"
        asked = [
            Request(init_args["stream"], init_args["link"], "index"),
            Request(objects, key, "index", where=where, unique=True),
        ]
        if init_args.get("label") is not None:
            classes, mapping = init_args.get("classes"), init_args.get("label_map")
            names = None if classes is None else tuple(classes)
            asked.append(Request(objects, init_args["label"], "class", classes=names, label_map=mapping, where=where))
        asked += [Request(objects, name, "real", where=where) for name in init_args.get("values") or {}]
        return tuple(asked)

    def forward(self, tokens: Tokens | None, pooled: Tensor) -> Found:
        x, layout = self._constituents(tokens)
        decoded = self.decoder(x, pooled, layout)
        classes, values = self.head(decoded.queries).split([len(self.classes) + 1, len(self.targets)], -1)
        return Found(classes, values, decoded.masks)

    def loss_terms(self, logits: Found, batch: Batch) -> tuple[Tensor, Tensor]:
        layout = layout_of(batch, self.stream)
        losses = self.criterion.of_jets(logits, self.sought.truth(batch), self._values(batch), layout)
        if batch.weights is not None:
            losses = losses * batch.weights
        return losses.sum(), self.count(batch)

    def count(self, batch: Batch) -> Tensor:
        """Number of jets, as a float: those without an object say so."""
        return torch.ones_like(batch.rows).sum().float()

    def predict(self, logits: Found, batch: Batch) -> dict[Output, Tensor]:
        classes, scaled, masks = logits.last()
        values = [target.physical(scaled[..., place], batch) for place, target in enumerate(self.targets)]
        index = logits.assigned(layout_of(batch, self.stream), self.threshold)
        said = (*classes.softmax(-1).unbind(-1), *values, ln_share(masks).exp(), index)
        return dict(zip(self.outputs, said, strict=True))

    def moved(self, logits: Found, margin: float) -> tuple[Found, ...]:
        return logits.moved(margin)

    def unlike(self, other: Task) -> str:
        del other
        return "the queries of two taggers are not aligned, so there is no mean of the objects that they find"

    def metrics(self) -> dict[str, Metric]:
        found: dict[str, Metric] = {
            "efficiency": ObjectEfficiency(self.sought, self.threshold),
            "purity": ObjectPurity(self.sought, self.threshold),
            "intersection": ObjectIntersection(self.sought, self.threshold),
            "assignment_accuracy": AssignmentAccuracy(self.sought, self.threshold),
        }
        return (
            found
            if self.sought.label is None
            else {**found, "class_accuracy": ObjectClassAccuracy(self.sought, self.threshold)}
        )

    def _said(self) -> tuple[Output, ...]:
        name, number, labels = self.name, self.queries, [target.label for target in self.targets]
        return (
            *(
                Output(name, f"p{short_name(one)}", "probability", of_class=one, objects=number)
                for one in (*self.classes, NO_OBJECT)
            ),
            *(Output(name, one.name, "value", one.unit, objects=number) for one in labels),
            Output(self.stream, f"{name}_mask", "probability", width=number),
            Output(self.stream, f"{name}Index", "index"),
        )

    def _values(self, batch: Batch) -> Tensor | None:
        """Values of the true objects on the scale of the network, ``(B, M, K)``; ``None`` where there are none."""
        scaled = [self.sought.of_objects(target.scaled(batch), batch) for target in self.targets]
        return torch.stack(scaled, -1) if scaled else None

    def _check(self, spec: DataSpec, number: int, loss: str, threshold: float) -> None:
        """Refuse arguments that are not possible."""
        if self.queries < number:
            raise ValueError(
                f"queries must be at least {number}, as many objects as a jet can have in '{self.objects}', got "
                f"{self.queries}\nor look at fewer objects: data.max_constituents: {{{self.objects}: {self.queries}}}"
            )
        if loss not in ("l1", "huber"):
            raise ValueError(f"loss must be 'l1' or 'huber', got {loss!r}")
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be in (0, 1), got {threshold}")
        if self.name in [one.name for one in spec.streams]:
            raise ValueError(
                f"name must differ from the datasets {', '.join(one.name for one in spec.streams)}, got '{self.name}'"
            )
        if not self.name.isidentifier():
            raise ValueError(f"name must be a word of letters, digits and '_', got '{self.name}'")
        if NO_OBJECT in [short_name(one) for one in self.classes]:
            raise ValueError(f"no class can be called '{NO_OBJECT}', which stands for no object")
