"""From the file's truth fields to class indices and regression targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.config import LabelConfig
from salt_like.data.conventions import LABEL_CLASSES, aliases
from salt_like.data.expressions import Expression
from salt_like.data.source import Header, Rows, Source
from salt_like.errors import UserError, nearest
from salt_like.spec import Label, Request

NO_CLASS = -1


@dataclass(frozen=True)
class Place:
    """Where the entries of an array come from, for messages.

    Args:
        file: File or whatever else they come from.
        stream: Dataset.
        rows: Row of each entry in that file, ``(n,)`` or ``(T,)``.
        slots: Slot of each constituent within its row, ``None`` for the global stream.
    """

    file: str
    stream: str
    rows: NDArray[np.int64]
    slots: NDArray[np.int64] | None = None

    def of(self, index: int) -> str:
        """Row, dataset and file of one entry."""
        slot = "" if self.slots is None else f", constituent {self.slots[index]}"
        return f"row {self.rows[index]}{slot} of dataset '{self.stream}' in {self.file}"


class Decoder:
    """Reads one label from structured rows.

    Args:
        label: What is read.
        of_set: True for labels of constituents, whose negative classes are ignored.
    """

    def __init__(self, label: Label, of_set: bool) -> None:
        self.label = label
        self.of_set = of_set
        self.where = None if label.where is None else Expression(label.where, f"where of {label.stream}.{label.name}")
        self.fields = (label.name, *(self.where.fields if self.where else ()))

    def __call__(self, rows: Rows, place: Place) -> NDArray[Any]:
        """Class index int64 (-1: ignored), target float32 (NaN: none) or index int64 (negative: none), one per row.

        Raises:
            UserError: A value is outside the classes or the label map, or is not a number.
        """
        raw = rows[self.label.name]
        chosen = None if self.where is None else self.where(rows)
        if self.label.kind == "real":
            return self._real(raw, chosen, place)
        whole = self._whole(raw, chosen, place)
        classes = whole if self.label.kind == "index" else self._classes(whole, chosen, place)
        classes = classes if chosen is None else np.where(chosen, classes, NO_CLASS)
        if self.label.unique:
            self._refuse_repeated(classes, place)
        return classes

    def _real(self, raw: NDArray[Any], chosen: NDArray[np.bool_] | None, place: Place) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            targets = raw.astype(np.float32)
        if chosen is not None:
            targets[~chosen] = np.nan
        bad = np.isinf(targets)
        if bad.any():
            first = int(bad.argmax())
            raise UserError(f"the target '{self.label.name}' is infinite ({raw[first]})\nin {place.of(first)}")
        return targets

    def _whole(self, raw: NDArray[Any], chosen: NDArray[np.bool_] | None, place: Place) -> NDArray[np.int64]:
        if raw.dtype.kind != "f":
            return raw.astype(np.int64)
        bad = ~np.isfinite(raw) | (raw != np.floor(raw))
        if chosen is not None:
            bad &= chosen
        if bad.any():
            first = int(bad.argmax())
            raise UserError(
                f"the label '{self.label.name}' is {raw[first]} where a whole number is needed "
                f"({int(bad.sum())} such rows among those read)\nin {place.of(first)}"
            )
        return np.where(np.isfinite(raw), raw, 0).astype(np.int64)

    def _classes(self, raw: NDArray[np.int64], chosen: NDArray[np.bool_] | None, place: Place) -> NDArray[np.int64]:
        label = self.label
        if label.values:
            known = np.array(sorted(label.values), np.int64).reshape(-1, 2)
            found = np.searchsorted(known[:, 0], raw).clip(max=len(known) - 1)
            classes = np.where(known[found, 0] == raw, known[found, 1], NO_CLASS)
        else:
            classes = np.where((raw >= 0) & (raw < len(label.classes)), raw, NO_CLASS)
        bad = classes == NO_CLASS
        if label.ignore:
            ignored = np.isin(raw, label.ignore)
            classes[ignored] = NO_CLASS
            bad &= ~ignored
        if self.of_set:
            bad &= raw >= 0
        if chosen is not None:
            bad &= chosen
        if bad.any():
            raise self._outside(raw, bad, place)
        return classes

    def _refuse_repeated(self, values: NDArray[np.int64], place: Place) -> None:
        order = np.lexsort((values, place.rows))
        rows, sorted_values = place.rows[order], values[order]
        repeated = (rows[1:] == rows[:-1]) & (sorted_values[1:] == sorted_values[:-1]) & (sorted_values[1:] >= 0)
        if repeated.any():
            index = int(order[1:][repeated].min())
            name = self.label.name
            raise UserError(
                f"two rows of '{self.label.stream}' of the same jet have the {name} {values[index]}\n"
                f"in {place.of(index)}\na {name} must tell the rows of a jet apart; negative stands for none"
            )

    def _outside(self, raw: NDArray[np.int64], bad: NDArray[np.bool_], place: Place) -> UserError:
        first = int(bad.argmax())
        value, label = raw[first], self.label
        number = int((raw[bad] == value).sum())
        if label.values:
            allowed = ", ".join(f"{raw}: {label.classes[index]}" for raw, index in label.values)
            problem = "is not in the label map"
        else:
            allowed = ", ".join(f"{index}: {name}" for index, name in enumerate(label.classes))
            problem = "is outside the classes"
        return UserError(
            f"the label '{label.name}' has the value {value}, which {problem} ({number} such rows among those read)\n"
            f"first in {place.of(first)}\n"
            f"known are {allowed}\n"
            f"to leave it out of the loss: data.labels.{label.name}.ignore: [{value}]; "
            f"to leave it out of the data: a selection"
        )


def resolve_label(request: Request, config: Mapping[str, LabelConfig], source: Source) -> Label:
    """A task's request as a label of the file: field, classes and how raw values become class indices.

    Args:
        request: What the task asked for.
        config: ``data.labels`` of the configuration.
        source: The training file.

    Raises:
        UserError: The field does not exist, or nothing says its classes.
    """
    header = source.header(request.stream)
    name = next((alias for alias in aliases(request.name) if alias in header.fields), request.name)
    source.require(request.stream, [name], request.asked)
    if request.where is not None:
        asked = f"where of {request.stream}.{name}"
        Expression(request.where, asked).check(header.fields, f"dataset '{request.stream}' of {source.parts[0][0]}")
    if request.kind != "class":
        return Label(request.stream, request.key, name, request.kind, where=request.where, unique=request.unique)
    own = config.get(request.name) or config.get(name) or LabelConfig()
    classes, values = _class_names(request, own, header, source)
    if len(set(classes)) != len(classes):
        raise UserError(f"two classes of the label '{name}' have the same name: {', '.join(classes)}")
    return Label(
        request.stream,
        request.key,
        name,
        "class",
        classes,
        values=values,
        ignore=tuple(own.ignore),
        where=request.where,
    )


def _class_names(
    request: Request, own: LabelConfig, header: Header, source: Source
) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """Classes in order, and (raw value, class index) pairs where raw values are not class indices."""
    if request.label_map is not None:
        classes = tuple(request.classes or own.classes or dict.fromkeys(request.label_map.values()))
        for raw, name in request.label_map.items():
            if name not in classes:
                raise UserError(
                    f"the label map of '{request.name}' maps {raw} to '{name}'{nearest(name, classes)}\n"
                    f"which is not one of its classes: {', '.join(classes)}"
                )
        return classes, tuple((int(raw), classes.index(name)) for raw, name in request.label_map.items())
    if request.classes or own.classes:
        return tuple(request.classes or own.classes or ()), ()
    for name in aliases(request.name):
        if name in header.attributes:
            return tuple(str(one) for one in header.attributes[name]), ()
    table = next((LABEL_CLASSES[name] for name in aliases(request.name) if name in LABEL_CLASSES), None)
    if table is None:
        raise UserError(
            f"nothing says the classes of the label '{request.name}' of dataset '{request.stream}'\n"
            f"neither the configuration nor an attribute of the dataset in {source.parts[0][0]}\n"
            f"give them: data.labels.{request.name}.classes: [first, second]"
        )
    shifted = list(table) != list(range(len(table)))
    return tuple(table.values()), tuple(zip(table, range(len(table)), strict=True)) if shifted else ()


def from_convention(label: Label) -> bool:
    """True where the classes are those that the field's conventions give to this label."""
    tables = (LABEL_CLASSES[name] for name in aliases(label.name) if name in LABEL_CLASSES)
    return any(tuple(table.values()) == label.classes for table in tables)
