"""What the data is: plain, frozen, serialisable descriptions that every other part reads.

A `DataSpec` is resolved once, from the configuration and from the header and statistics of the training file. Module
sizes, class names, output names, normalisation and prediction columns all come from it. It is stored in the checkpoint,
so that nothing but the checkpoint is needed to test, predict or export.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from salt_like.conditioning import Conditioning
from salt_like.reweighting import Reweighting

SCHEMA_VERSION = 1

LabelKind = Literal["class", "real", "index"]
OutputKind = Literal["probability", "discriminant", "value", "sigma", "index", "embedding"]


class SpecError(ValueError):
    """A description that cannot be: unknown stream, label or schema version."""


@dataclass(frozen=True)
class Variable:
    """One input variable of a stream.

    Args:
        name: Field of the file.
        transform: ``None``, ``"log"``, ``"log1p"`` or ``"asinh"``; applied inside the model before normalisation.
        clip: Lower and upper bound applied before the transform, ``None`` for no clipping.
        default: Value that means "not measured" (may be NaN). It is left out of mean and width and becomes 0 after
            normalisation.
        flag_default: Adds one more input that is 1 where the value is the default and 0 elsewhere.
        mean: Mean of the transformed variable on the training file.
        std: Standard deviation of the transformed variable on the training file.
        unit: Unit of the file's values, for everything that is shown.
        low: Smallest value seen in training, in the file's unit.
        high: Largest value seen in training, in the file's unit.
    """

    name: str
    transform: str | None = None
    clip: tuple[float | None, float | None] | None = None
    default: float | None = None
    flag_default: bool = False
    mean: float = 0.0
    std: float = 1.0
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Stream:
    """One kind of input, such as ``jets`` or ``tracks``.

    Args:
        name: Dataset of the file.
        variables: Inputs of the model in order; may be empty for a stream that only carries labels.
        is_global: True for the stream with one row per jet, False for a set of constituents.
        capacity: Number of constituents that the file can hold per jet (0 for the global stream).
        max_constituents: Number of constituents kept per jet, ``None`` for all.
        order_by: Field by which constituents are ordered before truncation; ``None`` keeps the file's order. A leading
            minus means descending, as in ``"-pt"``.
        selection: Expression that constituents (or jets) must fulfil, ``None`` for no selection.
    """

    name: str
    variables: tuple[Variable, ...] = ()
    is_global: bool = False
    capacity: int = 0
    max_constituents: int | None = None
    order_by: str | None = None
    selection: str | None = None

    @property
    def width(self) -> int:
        """Number of values per constituent after normalisation (flags of defaults included)."""
        return len(self.variables) + sum(variable.flag_default for variable in self.variables)

    @property
    def length(self) -> int:
        """Largest number of constituents that a jet can have after truncation."""
        return self.capacity if self.max_constituents is None else min(self.capacity, self.max_constituents)


@dataclass(frozen=True)
class Label:
    """One truth field that a task learns.

    Args:
        stream: Stream that carries the field.
        key: Name under which the loader hands it over; the field's name unless a label map or a `where` changes it.
        name: Field of the file.
        kind: ``"class"`` (index into the classes), ``"real"`` (regression target) or ``"index"`` (such as a vertex
            index; only equality means something).
        classes: Class names in order of the index (empty for other kinds).
        counts: Training entries per class, in the order of ``classes``.
        prior: Effective class fractions of the training sample, in the order of ``classes``; sums to 1.
        values: Raw value of the file for each class where a label map is used (several raw values may share a class),
            as pairs (raw value, class index); empty when the file's value already is the class index.
        ignore: Raw values that are left out of the loss; negative class labels of constituents always are.
        mean: Mean of a real label on the training file (NaN targets left out).
        std: Standard deviation of a real label on the training file.
        unit: Unit of a real label.
        low: Smallest target of a real label on the training file; -inf when not known.
        high: Largest target of a real label on the training file; inf when not known.
        where: Expression on the stream's fields; rows that do not fulfil it have no label.
        unique: Whether no two rows of a jet may have the same (not negative) value.
    """

    stream: str
    key: str
    name: str
    kind: LabelKind
    classes: tuple[str, ...] = ()
    counts: tuple[float, ...] = ()
    prior: tuple[float, ...] = ()
    values: tuple[tuple[int, int], ...] = ()
    ignore: tuple[int, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    where: str | None = None
    unique: bool = False

    @property
    def class_weights(self) -> tuple[float, ...]:
        """Inverse class frequency, scaled so that a training jet has weight 1 on average; 0 for an absent class."""
        present = [count for count in self.counts if count > 0]
        total = sum(present)
        return tuple(total / (len(present) * count) if count > 0 else 0.0 for count in self.counts)


@dataclass(frozen=True)
class Request:
    """A field that a task needs, named before any file is opened.

    Args:
        stream: Stream that carries the field.
        name: Field of the file.
        kind: How the field is used.
        pairs: True when the task looks at pairs of constituents of this stream.
        classes: Class names fixed by the task's configuration, ``None`` to take them from the file.
        label_map: Raw value of the file → class name, ``None`` when the file's value is the class index.
        where: Expression on the stream's fields; the task sees only rows that fulfil it.
        unique: An index by which the rows of a jet are told apart: no two of a jet may have the same.
        task: Name of the task, for messages; empty where it is not known.
    """

    stream: str
    name: str
    kind: LabelKind
    pairs: bool = False
    classes: tuple[str, ...] | None = None
    label_map: dict[int, str] | None = None
    where: str | None = None
    unique: bool = False
    task: str = dataclasses.field(default="", compare=False)

    @property
    def asked(self) -> str:
        """The part of the configuration that asks for the field, for messages."""
        return f"model.tasks.{self.task}" if self.task else "model.tasks"

    @property
    def key(self) -> str:
        """Name of the resolved label: the field's name, plus what makes this reading of it different from others."""
        mapped = "" if self.label_map is None else f"{{{', '.join(f'{k}: {v}' for k, v in self.label_map.items())}}}"
        return self.name + mapped + ("" if self.where is None else f"[{self.where}]")


@dataclass(frozen=True)
class Discriminant:
    """``ln(p_signal / sum_i f_i p_i)`` of one class against a mixture of the others.

    Args:
        name: Name of the output, such as ``Db``.
        signal: Class in the numerator.
        background: Class → fraction; the fractions sum to 1.
    """

    name: str
    signal: str
    background: dict[str, float]


@dataclass(frozen=True)
class Output:
    """One thing that a tagger says, fixed when its task is built.

    Args:
        stream: Stream whose rows it describes; or array of objects that the tagger itself finds.
        field: Name without the model's prefix, such as ``pb`` or ``VertexIndex``.
        kind: ``"probability"``, ``"discriminant"``, ``"value"``, ``"sigma"``, ``"index"`` or ``"embedding"``.
        unit: Unit of a value or a width, empty otherwise.
        of_class: Class that a probability belongs to, empty otherwise.
        objects: Objects of each jet in the array that the tagger itself finds; 0 for rows of a stream.
        width: Numbers for each row, for a vector; 0 for a single one.
    """

    stream: str
    field: str
    kind: OutputKind
    unit: str = ""
    of_class: str = ""
    objects: int = 0
    width: int = 0

    def column(self, model: str) -> str:
        """Name in prediction files and exported graphs: the one place where the model's name is added."""
        return self.field if self.kind == "index" else f"{model}_{self.field}"


@dataclass(frozen=True)
class DataSpec:
    """Everything that a model knows about its data.

    Args:
        streams: Streams in the order of the configuration.
        labels: Truth fields that the tasks learn.
        discriminants: Combinations of the class probabilities of the global stream.
        event: Fields of the global stream that together identify an event.
        units: Units of the training file as it states them.
        reweighting: Weights of jets by class and kinematics in training; ``None`` for none.
        parameter: The input of the jets that is a hypothesis; ``None`` for none.
        version: Schema version of this description.
    """

    streams: tuple[Stream, ...]
    labels: tuple[Label, ...] = ()
    discriminants: tuple[Discriminant, ...] = ()
    event: tuple[str, ...] = ()
    units: str = ""
    reweighting: Reweighting | None = None
    parameter: Conditioning | None = None
    version: int = SCHEMA_VERSION

    @property
    def global_stream(self) -> Stream:
        """The stream with one row per jet."""
        return next(stream for stream in self.streams if stream.is_global)

    @property
    def set_streams(self) -> tuple[Stream, ...]:
        """Streams of constituents that are inputs, in order."""
        return tuple(stream for stream in self.streams if not stream.is_global and stream.variables)

    def stream(self, name: str) -> Stream:
        """The stream of this name."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise SpecError(f"no stream '{name}' (there are: {', '.join(s.name for s in self.streams)})")

    def label(self, stream: str, key: str) -> Label:
        """The label of this stream and key."""
        for label in self.labels:
            if label.stream == stream and label.key == key:
                return label
        known = ", ".join(f"{label.stream}.{label.key}" for label in self.labels) or "none"
        raise SpecError(f"no label '{key}' of stream '{stream}' in the data (there are: {known})")

    def to_dict(self) -> dict[str, Any]:
        """Plain data (dicts, lists, numbers, strings), fit for JSON except that NaN and inf occur."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> DataSpec:
        """The inverse of `to_dict`, lists in place of tuples accepted.

        Raises:
            SpecError: The schema version is newer than this code.
        """
        version = plain.get("version", SCHEMA_VERSION)
        if version > SCHEMA_VERSION:
            raise SpecError(f"the data description has schema version {version}, this release reads {SCHEMA_VERSION}")
        return cls(
            streams=tuple(_stream(stream) for stream in plain["streams"]),
            labels=tuple(_label(label) for label in plain["labels"]),
            discriminants=tuple(Discriminant(**one) for one in plain["discriminants"]),
            event=tuple(plain["event"]),
            units=plain["units"],
            reweighting=None if plain.get("reweighting") is None else Reweighting.from_dict(plain["reweighting"]),
            parameter=None if plain.get("parameter") is None else Conditioning.from_dict(plain["parameter"]),
            version=version,
        )


def _stream(plain: dict[str, Any]) -> Stream:
    variables = tuple(
        Variable(**{**one, "clip": None if one["clip"] is None else tuple(one["clip"])}) for one in plain["variables"]
    )
    return Stream(**{**plain, "variables": variables})


def _label(plain: dict[str, Any]) -> Label:
    fields = dict(plain)
    for name in ("classes", "counts", "prior", "ignore"):
        fields[name] = tuple(fields[name])
    fields["values"] = tuple((int(raw), int(index)) for raw, index in fields["values"])
    return Label(**fields)
