"""Metrics of a task that finds objects, from its prediction file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.metric import Metric
from salt_like.evaluation.objects import Objects, ObjectSums, Said, matches
from salt_like.evaluation.reader import GROUPS, Constituents, PredictionFile, decode
from salt_like.evaluation.regression import regress
from salt_like.evaluation.results import TaskResult
from salt_like.evaluation.statistics import Floats
from salt_like.spec import Label, Output


@dataclass(frozen=True)
class Columns:
    """Columns and labels of a task that finds objects.

    Args:
        link: Column of the constituents with the key of their true object.
        index: Column of the constituents with their found object.
        key: Column of the true objects that tells them apart.
        label: Label with their class, ``None`` for one kind.
        probabilities: Columns of the found objects with the probabilities of the classes, without that of none.
        values: Label and output of each regressed value.
    """

    link: str
    index: str
    key: str
    label: Label | None
    probabilities: tuple[str, ...]
    values: tuple[tuple[Label, Output], ...]


@dataclass(frozen=True)
class Piece:
    """Some jets of a prediction file.

    Args:
        part: Their constituents.
        objects: Their true objects.
        said: What was found.
        true_values: Values of the true objects by label, ``(n, M)``; NaN where unknown.
        found_values: Values of the found objects by label, ``(n, Q)``.
    """

    part: Constituents
    objects: Objects
    said: Said
    true_values: dict[str, Floats]
    found_values: dict[str, Floats]


def columns_of(file: PredictionFile, task: TaskRecord) -> Columns:
    """Which columns belong to a task that finds objects."""
    spec, model = file.contents.spec, file.contents.model
    (link,) = (spec.label(task.stream, key) for key in task.labels)
    labels = [spec.label(task.objects, key) for key in task.object_labels]
    label = next((one for one in labels if one.kind == "class"), None)
    of_objects = [one for one in task.outputs if one.objects]
    shares = [one.column(model) for one in of_objects if one.kind == "probability"]
    real = {one.name: one for one in labels if one.kind == "real"}
    return Columns(
        link=file.column_of(link),
        index=next(one.column(model) for one in task.outputs if one.kind == "index"),
        key=file.column_of(next(one for one in labels if one.kind == "index")),
        label=label,
        probabilities=tuple(shares[:-1]),  # the last one is that of none
        values=tuple((real[one.field], one) for one in of_objects if one.field in real),
    )


def pieces(file: PredictionFile, task: TaskRecord) -> Iterator[Piece]:
    """True and found objects, some jets at a time.

    Args:
        file: The prediction file, or its jets in a range.
        task: One of its tasks, which finds objects.
    """
    columns, model = columns_of(file, task), file.contents.model
    found_in = next(one.stream for one in task.outputs if one.objects)
    parts = file.constituents(task.stream, [columns.link, columns.index])
    for part, true, found in zip(parts, file.arrays(task.objects), file.arrays(found_in), strict=True):
        keys = np.where(true["valid"], true[columns.key].astype(np.int64), -1)
        classes = np.zeros(keys.shape, np.int64)
        if columns.label is not None:
            classes = decode(columns.label, true[file.column_of(columns.label)])
        there = (keys >= 0) & (classes >= 0)
        shares = np.stack([found[name] for name in columns.probabilities], -1)
        objects = Objects(part.jet, _linked(part, columns.link, np.where(there, keys, -1)), there, classes)
        said = Said(part.fields[columns.index].astype(np.int64), shares.argmax(-1))
        yield Piece(
            part,
            objects,
            said,
            {label.name: _known(true[file.column_of(label)], there) for label, _ in columns.values},
            {label.name: found[output.column(model)].astype(np.float64) for label, output in columns.values},
        )


def _linked(part: Constituents, link: str, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Object of each constituent, ``(T,)``; -1 for none."""
    own = part.fields[link].astype(np.int64)[:, None] == keys[part.jet]
    own &= keys[part.jet] >= 0
    return np.where(own.any(1), own.argmax(1), -1) if keys.shape[1] else np.full(len(part.jet), -1)


def _known(values: NDArray[np.generic], there: NDArray[np.bool_]) -> Floats:
    return np.where(there, values.astype(np.float64), np.nan)


def evaluate_objects(file: PredictionFile, task: TaskRecord) -> TaskResult:
    """Metrics of a task that finds objects.

    Args:
        file: The prediction file, or its jets in a range.
        task: One of its tasks, which finds objects.
    """
    columns, flavours = columns_of(file, task), file.flavours()
    label = columns.label
    kinds = () if label is None else label.classes
    commonest = int(np.argmax(label.prior)) if label is not None and label.prior else 0
    sums = ObjectSums(GROUPS, kinds, commonest, flavours[0] if flavours else ())
    pairs: dict[str, list[tuple[Floats, Floats, Floats]]] = {label.name: [] for label, _ in columns.values}
    entries = 0
    for piece in pieces(file, task):
        part = piece.part
        of_class = flavours[1][part.rows] if flavours else None
        sums.add(piece.objects, piece.said, part.group, part.jet_weights, of_class)
        entries += int((piece.objects.sizes(piece.objects.truth, piece.objects.there.shape[1]) > 0).sum())
        jet, query, place = np.nonzero(matches(piece.objects, piece.said)[0])
        weights = np.ones(len(part.group)) if part.jet_weights is None else part.jet_weights
        for name, known in pairs.items():
            known.append((piece.found_values[name][jet, query], piece.true_values[name][jet, place], weights[jet]))
    metrics = sums.metrics() if entries else []
    for label, output in columns.values:
        metrics += _value_metrics(label, output, pairs[label.name])
    by_class = sums.by_class() if entries else {}
    return TaskResult(task.name, task.stream, entries, tuple(metrics), by_class=by_class, objects=task.objects)


def _value_metrics(label: Label, output: Output, found: list[tuple[Floats, Floats, Floats]]) -> list[Metric]:
    if not found:
        return []
    values, targets, weights = (np.concatenate(some) for some in zip(*found, strict=True))
    metrics = regress(values, targets, None, label.mean, output.unit or label.unit, weights)
    return [replace(one, name=f"{label.name} of matched objects: {one.name}") for one in metrics]
