"""Metrics of each task of a prediction file: which columns and labels belong together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.calibrated import of_jets
from salt_like.evaluation.calibration import Calibration
from salt_like.evaluation.classification import ClassificationSums, classify, confusion_of
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.histogram import Histogram, edges_around, histogram
from salt_like.evaluation.metric import Metric
from salt_like.evaluation.reader import GROUPS, Constituents, PredictionFile, decode
from salt_like.evaluation.regression import regress
from salt_like.evaluation.results import TaskResult
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.vertexing import Tracks, VertexSums
from salt_like.spec import Label, Output

HEAVY = ("fromB", "fromBC", "fromC")
PRIMARY = "primary"


def evaluate_task(file: PredictionFile, task: TaskRecord) -> TaskResult:
    """Metrics of one task.

    Args:
        file: The prediction file, or its jets in a range.
        task: One of its tasks.
    """
    is_global = file.contents.spec.stream(task.stream).is_global
    kinds = {output.kind for output in task.outputs}
    if kinds == {"probability"}:
        return _classified_jets(file, task) if is_global else _classified_constituents(file, task)
    return _vertices(file, task) if kinds == {"index"} else _regressed(file, task, is_global)


def label_of(file: PredictionFile, task: TaskRecord, kind: str) -> Label:
    """The label of a task that is of this kind."""
    labels = (file.contents.spec.label(task.stream, key) for key in task.labels)
    return next(label for label in labels if label.kind == kind)


def _names(file: PredictionFile, outputs: Iterable[Output]) -> list[str]:
    return [output.column(file.contents.model) for output in outputs]


def prior_of(task: TaskRecord, classes: Sequence[str]) -> dict[str, float]:
    """Class fractions for which a task's probabilities hold; empty for those of the training sample."""
    return dict(zip(classes, task.prior, strict=True)) if task.prior else {}


def _classified(
    task: TaskRecord,
    label: Label,
    entries: Sequence[int],
    metrics: Iterable[Metric],
    confusion: Floats,
    calibrations: Iterable[Calibration],
) -> TaskResult:
    absent = tuple(name for name, number in zip(label.classes, entries, strict=True) if number == 0)
    return TaskResult(
        task.name,
        task.stream,
        int(sum(entries)),
        tuple(metrics),
        absent,
        prior_of(task, label.classes),
        classes=label.classes,
        confusion=tuple(map(tuple, confusion.tolist())),
        calibration=tuple(calibrations),
        temperature=task.temperature,
        given=task.given,
    )


def _trivial(task: TaskRecord, label: Label) -> tuple[tuple[float, ...], str]:
    """The class fractions that a trivial prediction says, and what they are called."""
    return (task.prior, "given prior") if task.given else (label.prior, "training prior")


def _classified_jets(file: PredictionFile, task: TaskRecord) -> TaskResult:
    label = label_of(file, task, "class")
    names = _names(file, task.outputs)
    columns = file.columns([*names, file.column_of(label)])
    labels = decode(label, columns[file.column_of(label)])
    probabilities = np.stack([columns[name] for name in names], 1)
    entries = np.bincount(labels[labels >= 0], minlength=len(label.classes))
    prior, named = _trivial(task, label)
    weights = file.weights()
    metrics = classify(probabilities, labels, label.classes, prior, weights, named)
    confusion = confusion_of(probabilities, labels, weights)
    calibrations = of_jets(file, task, label, probabilities, labels)
    return _classified(task, label, entries.tolist(), metrics, confusion, calibrations)


def _classified_constituents(file: PredictionFile, task: TaskRecord) -> TaskResult:
    label = label_of(file, task, "class")
    names = _names(file, task.outputs)
    prior, named = _trivial(task, label)
    sums = ClassificationSums(label.classes, prior, GROUPS, named)
    entries = np.zeros(len(label.classes), np.int64)
    for part in file.constituents(task.stream):
        labels = decode(label, part.fields[file.column_of(label)])
        probabilities = np.stack([part.fields[name] for name in names], 1)
        sums.add(probabilities, labels, part.group[part.jet], part.weights)
        entries += np.bincount(labels[labels >= 0], minlength=len(entries))
    assumed, fractions = task.assumes(label)
    found = sums.reliability.merged().result(assumed, fractions)
    calibrations = () if found is None else (found,)
    return _classified(task, label, entries.tolist(), sums.metrics(), sums.confusion.sum(0), calibrations)


def _regressed(file: PredictionFile, task: TaskRecord, is_global: bool) -> TaskResult:
    read = (file.contents.spec.label(task.stream, key) for key in task.labels)
    labels = {label.name: label for label in read if label.kind == "real"}
    columns = [*_names(file, task.outputs), *(file.column_of(label) for label in labels.values())]
    flavours = file.flavours()
    if is_global:
        values, weights = file.columns(columns), file.weights()
        of_class = flavours[1] if flavours else None
    else:
        parts = list(file.constituents(task.stream, columns))
        values = {name: np.concatenate([part.fields[name] for part in parts]) for name in columns}
        known = [part.weights for part in parts if part.weights is not None]
        weights = np.concatenate(known) if known else None
        of_class = np.concatenate([flavours[1][part.rows][part.jet] for part in parts]) if flavours else None
    metrics, entries = _regressions(file, task, labels, values, weights)
    by_class = {}
    for index, name in enumerate(flavours[0] if flavours else ()):
        chosen = of_class == index
        some = {column: one[chosen] for column, one in values.items()}
        found, _ = _regressions(file, task, labels, some, None if weights is None else weights[chosen])
        if found:
            by_class[name] = tuple(found)
    residuals = _residuals(file, task, labels, values, weights)
    return TaskResult(task.name, task.stream, entries, tuple(metrics), by_class=by_class, residuals=residuals)


def _regressions(
    file: PredictionFile,
    task: TaskRecord,
    labels: Mapping[str, Label],
    values: Mapping[str, NDArray[np.generic]],
    weights: Floats | None,
) -> tuple[list[Metric], int]:
    """Metrics of all values that a task says, and the largest number of targets."""
    metrics, entries = [], 0
    for output in task.outputs:
        if output.kind != "value" or output.field not in labels:
            continue
        label = labels[output.field]
        sigma = f"{output.column(file.contents.model)}_stddev"
        targets = values[file.column_of(label)].astype(np.float64)
        found = regress(
            values[output.column(file.contents.model)].astype(np.float64),
            targets,
            values[sigma].astype(np.float64) if sigma in values else None,
            label.mean,
            output.unit or label.unit,
            weights,
        )
        metrics += [replace(metric, name=f"{label.name}: {metric.name}") for metric in found]
        entries = max(entries, int(np.isfinite(targets).sum()))
    return metrics, entries


def _residuals(
    file: PredictionFile,
    task: TaskRecord,
    labels: Mapping[str, Label],
    values: Mapping[str, NDArray[np.generic]],
    weights: Floats | None,
) -> dict[str, Histogram]:
    """Distribution of value - target of all values that a task says."""
    found = {}
    for output in task.outputs:
        if output.kind == "value" and output.field in labels:
            targets = values[file.column_of(labels[output.field])].astype(np.float64)
            used = np.isfinite(targets)
            differences = values[output.column(file.contents.model)][used].astype(np.float64) - targets[used]
            drawn = histogram(differences, edges_around(differences), None if weights is None else weights[used])
            if drawn is not None:
                found[output.field] = drawn
    return found


def _vertices(file: PredictionFile, task: TaskRecord) -> TaskResult:
    flavours = file.flavours()
    sums, entries = VertexSums(GROUPS, flavours[0] if flavours else ()), 0
    for part, tracks, found in vertexed(file, task):
        of_class = flavours[1][part.rows] if flavours else None
        sums.add(tracks, found, part.group, part.jet_weights, of_class)
        entries += len(found)
    metrics = tuple(sums.metrics()) if entries else ()
    return TaskResult(task.name, task.stream, entries, metrics, by_class=sums.by_class() if entries else {})


def vertexed(file: PredictionFile, task: TaskRecord) -> Iterator[tuple[Constituents, Tracks, NDArray[np.int64]]]:
    """Constituents, their true vertices and the vertices that a task says, ``(T,)``, some jets at a time.

    Args:
        file: The prediction file.
        task: A task that finds vertices.
    """
    label = label_of(file, task, "index")
    (column,) = _names(file, task.outputs)
    origin = _origin(file, task.stream)
    for part in file.constituents(task.stream):
        truth = part.fields[file.column_of(label)].astype(np.int64)
        heavy, primary = np.ones(len(truth), bool), None
        if origin is not None:
            classes = decode(origin[0], part.fields[file.column_of(origin[0])])
            heavy = np.isin(classes, [i for i, name in enumerate(origin[0].classes) if name in HEAVY])
            if origin[1]:
                said = np.stack([part.fields[name] for name in origin[1]], 1).argmax(1)
                primary = said == origin[0].classes.index(PRIMARY)
        yield part, Tracks(part.jet, truth, heavy, primary, len(part.group)), part.fields[column].astype(np.int64)


def knows_origin(file: PredictionFile, stream: str) -> bool:
    """True where the file has a label that says which constituents are from heavy flavour."""
    return _origin(file, stream) is not None


def _origin(file: PredictionFile, stream: str) -> tuple[Label, list[str]] | None:
    """The label that says where constituents come from, and the columns of its predicted classes where there are."""
    for label in file.contents.spec.labels:
        known = label.stream == stream and PRIMARY in label.classes and set(HEAVY) & set(label.classes)
        if known and label.where is None and file.column_of(label) in file.fields[stream]:
            for task in file.contents.tasks:
                if task.stream == stream and tuple(output.of_class for output in task.outputs) == label.classes:
                    return label, _names(file, task.outputs)
            return label, []
    return None
