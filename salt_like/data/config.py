"""The entries of the `data:` section that have entries of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from salt_like.spec import Request


@dataclass(frozen=True)
class VariableConfig:
    """How one input variable is prepared.

    Args:
        transform: ``log``, ``log1p``, ``asinh`` or nothing.
        clip: Lower and upper bound in the file's unit, applied before the transform; ``null`` for an open end.
        default: Value that means "not measured"; ``data.defaults`` says it for several variables at once.
        flag_default: Adds an input that is 1 where the value is the default.
    """

    transform: str | None = None
    clip: Sequence[float | None] | None = None
    default: float | None = None
    flag_default: bool = False


@dataclass(frozen=True)
class LabelConfig:
    """How one truth field is read.

    Args:
        classes: Class names in the order of the field's values 0, 1, ...; by default the file or the field's
            conventions say them.
        ignore: Values of the field that are left out of the loss.
        allow_absent: Accept classes of which the training sample has none.
    """

    classes: Sequence[str] | None = None
    ignore: Sequence[int] = ()
    allow_absent: bool = False


@dataclass(frozen=True)
class ReweightConfig:
    """How jets are weighted so that all classes have the same kinematics.

    Args:
        label: Label of the jets that holds the class.
        bins: Variable of the jets (a field, an expression such as ``abs(eta)``, or ``abs_eta`` for the same) → edges of
            its bins in the file's unit; what is outside belongs to the first and the last bin.
        target: ``mean`` of the classes' distributions, ``flat`` over the bins, or the class whose distribution all get.
        mode: ``weights`` multiplies the loss of each jet, ``sampling`` draws each jet as often.
        max_weight: Largest weight; each class keeps its sum of weights, so the mean of a class is 1.
    """

    label: str
    bins: Mapping[str, Sequence[float]]
    target: str = "mean"
    mode: Literal["weights", "sampling"] = "weights"
    max_weight: float = 20.0


@dataclass(frozen=True)
class ParameterConfig:
    """A hypothesis as an input (arXiv:1601.07913), which only jets of the signal have by themselves.

    Args:
        field: Input of the jets that holds it.
        label: Label of the jets that holds the class.
        signal: Classes whose jets keep their own value in training; all others are given one that the signal has.
        bins: Input of the jets → edges of its bins in the file's unit, within which values are drawn; what is outside
            belongs to the first and the last bin.
    """

    field: str
    label: str
    signal: Sequence[str]
    bins: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)


VariableEntry: TypeAlias = VariableConfig | str | None
StreamInputs: TypeAlias = Sequence[str] | Mapping[str, VariableEntry]


@dataclass(frozen=True)
class DataConfig:
    """What the configuration says about the content of the data; the arguments of the data module that matter here.

    Args:
        inputs: Stream → its input variables, as names or with their preparation.
        requests: Fields that the tasks need.
        global_stream: Stream with one row per jet.
        select: Stream → condition on its fields; one on the global stream drops whole jets.
        order: Stream → field by which its constituents are ordered, ``-pt`` for descending.
        max_constituents: Stream → number of constituents kept.
        defaults: Variable or wildcard → value that means "not measured".
        labels: Field → how it is read.
        event: Field or fields that identify an event; ``eventNumber`` if the file has it.
        weight: Field of the global stream with the weight of each jet.
        allow_truth_inputs: Truth fields that may be inputs, as ``field`` or ``stream.field``.
        discriminants: Name → ``{signal: class, background: {class: fraction}}``; ``None`` for the usual ones.
        reweight: How jets are weighted by class and kinematics; ``None`` for not at all.
        parameter: The input that is a hypothesis; ``None`` for none.
        seed: Of everything random.
    """

    inputs: Mapping[str, StreamInputs]
    requests: Sequence[Request] = ()
    global_stream: str = "jets"
    select: Mapping[str, str] = field(default_factory=dict)
    order: Mapping[str, str] = field(default_factory=dict)
    max_constituents: Mapping[str, int] = field(default_factory=dict)
    defaults: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, LabelConfig] = field(default_factory=dict)
    event: str | Sequence[str] | None = None
    weight: str | None = None
    allow_truth_inputs: Sequence[str] = ()
    discriminants: Mapping[str, Mapping[str, object]] | None = None
    reweight: ReweightConfig | None = None
    parameter: ParameterConfig | None = None
    seed: int = 0


def request(plain: Mapping[str, Any]) -> Request:
    """A request from plain data, as a configuration holds it."""
    classes, mapping = plain.get("classes"), plain.get("label_map")
    return Request(
        **{
            **plain,
            "classes": None if classes is None else tuple(classes),
            "label_map": None if mapping is None else {int(raw): name for raw, name in mapping.items()},
        }
    )
