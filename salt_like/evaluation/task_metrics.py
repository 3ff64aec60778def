"""Metrics of each task of a prediction file: which columns and labels belong together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.calibrated import of_jets
from salt_like.evaluation.calibration import Calibration
from salt_like.evaluation.classification import classify, confusion_of
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.histogram import Histogram, edges_around, histogram
from salt_like.evaluation.metric import Metric
from salt_like.evaluation.reader import Constituents, PredictionFile, decode
from salt_like.evaluation.regression import regress
from salt_like.evaluation.results import TaskResult
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.vertexing import Tracks
from salt_like.spec import Label, Output

HEAVY = ("fromB", "fromBC", "fromC")
PRIMARY = "primary"
PULLS = np.linspace(-5.0, 5.0, 51)  # edges of their distribution


def evaluate_jets(file: PredictionFile, task: TaskRecord) -> TaskResult:
    """Metrics of a task of the jets.

    Args:
        file: The prediction file, or its jets in a range.
        task: One of its tasks.
    """
    is_classification = {output.kind for output in task.outputs} == {"probability"}
    return _classified_jets(file, task) if is_classification else _regressed_jets(file, task)


def label_of(file: PredictionFile, task: TaskRecord, kind: str) -> Label:
    """The label of a task that is of this kind."""
    labels = (file.contents.spec.label(task.stream, key) for key in task.labels)
    return next(label for label in labels if label.kind == kind)


def names_of(file: PredictionFile, outputs: Iterable[Output]) -> list[str]:
    """Columns of outputs."""
    return [output.column(file.contents.model) for output in outputs]


def prior_of(task: TaskRecord, classes: Sequence[str]) -> dict[str, float]:
    """Class fractions for which a task's probabilities hold; empty for those of the training sample."""
    return dict(zip(classes, task.prior, strict=True)) if task.prior else {}


def classified(
    task: TaskRecord,
    label: Label,
    entries: Sequence[int],
    metrics: Iterable[Metric],
    confusion: Floats,
    calibrations: Iterable[Calibration],
) -> TaskResult:
    """The result of a classification.

    Args:
        task: The task.
        label: Its label.
        entries: Labelled rows of each class.
        metrics: The metrics.
        confusion: Sum of the weights by true (rows) and most probable (columns) class, ``(C, C)``.
        calibrations: How well probabilities are calibrated.
    """
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


def trivial(task: TaskRecord, label: Label) -> tuple[tuple[float, ...], str]:
    """The class fractions that a trivial prediction says, and what they are called."""
    return (task.prior, "given prior") if task.given else (label.prior, "training prior")


def _classified_jets(file: PredictionFile, task: TaskRecord) -> TaskResult:
    label = label_of(file, task, "class")
    names = names_of(file, task.outputs)
    columns = file.columns([*names, file.column_of(label)])
    labels = decode(label, columns[file.column_of(label)])
    probabilities = np.stack([columns[name] for name in names], 1)
    entries = np.bincount(labels[labels >= 0], minlength=len(label.classes))
    prior, named = trivial(task, label)
    weights = file.weights()
    metrics = classify(probabilities, labels, label.classes, prior, weights, named)
    confusion = confusion_of(probabilities, labels, weights)
    calibrations = of_jets(file, task, label, probabilities, labels)
    return classified(task, label, entries.tolist(), metrics, confusion, calibrations)


def _regressed_jets(file: PredictionFile, task: TaskRecord) -> TaskResult:
    labels = real_labels(file, task)
    flavours = file.flavours()
    values = file.columns([*names_of(file, task.outputs), *(file.column_of(label) for label in labels.values())])
    return regressed(file, task, values, file.weights(), flavours)


def real_labels(file: PredictionFile, task: TaskRecord) -> dict[str, Label]:
    """What a regression predicts, by name."""
    read = (file.contents.spec.label(task.stream, key) for key in task.labels)
    return {label.name: label for label in read if label.kind == "real"}


def regressed(
    file: PredictionFile,
    task: TaskRecord,
    values: Mapping[str, NDArray[np.generic]],
    weights: Floats | None,
    flavours: tuple[Sequence[str], NDArray[np.integer]] | None,
) -> TaskResult:
    """Metrics of a regression.

    Args:
        file: The prediction file.
        task: The regression.
        values: Its columns and those of its labels, ``(n,)`` each.
        weights: ``(n,)``, ``None`` for 1.
        flavours: Classes of the jets and that of the jet of each row, ``(n,)``; ``None`` where they are not known.
    """
    labels = real_labels(file, task)
    metrics, entries = _regressions(file, task, labels, values, weights)
    by_class = {}
    names, of_class = flavours or ((), np.zeros(0, np.int64))
    for index, name in enumerate(names):
        chosen = of_class == index
        some = {column: one[chosen] for column, one in values.items()}
        found, _ = _regressions(file, task, labels, some, None if weights is None else weights[chosen])
        if found:
            by_class[name] = tuple(found)
    residuals, pulls = _distributions(file, task, labels, values, weights)
    return TaskResult(
        task.name, task.stream, entries, tuple(metrics), by_class=by_class, residuals=residuals, pulls=pulls
    )


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


def _distributions(
    file: PredictionFile,
    task: TaskRecord,
    labels: Mapping[str, Label],
    values: Mapping[str, NDArray[np.generic]],
    weights: Floats | None,
) -> tuple[dict[str, Histogram], dict[str, Histogram]]:
    """Distribution of value - target of all values that a task says, and of the pulls where it says a deviation."""
    residuals, pulls = {}, {}
    for output in task.outputs:
        if output.kind != "value" or output.field not in labels:
            continue
        column = output.column(file.contents.model)
        targets = values[file.column_of(labels[output.field])].astype(np.float64)
        used = np.isfinite(targets)
        some = None if weights is None else weights[used]
        differences = values[column][used].astype(np.float64) - targets[used]
        drawn = histogram(differences, edges_around(differences), some)
        if drawn is None:
            continue
        residuals[output.field] = drawn
        if f"{column}_stddev" in values:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios = differences / values[f"{column}_stddev"][used].astype(np.float64)
            pull = histogram(ratios, PULLS, some)
            if pull is not None:
                pulls[output.field] = pull
    return residuals, pulls


def vertexed(file: PredictionFile, task: TaskRecord) -> Iterator[tuple[Constituents, Tracks, NDArray[np.int64]]]:
    """Constituents, their true vertices and the vertices that a task says, ``(T,)``, some jets at a time.

    Args:
        file: The prediction file.
        task: A task that finds vertices.
    """
    for part in file.constituents(task.stream):
        yield part, *vertices_of(file, task, part)


def vertices_of(file: PredictionFile, task: TaskRecord, part: Constituents) -> tuple[Tracks, NDArray[np.int64]]:
    """The true vertices of some constituents, and the vertices that a task says, ``(T,)``.

    Args:
        file: The prediction file.
        task: A task that finds vertices.
        part: The constituents.
    """
    label = label_of(file, task, "index")
    (column,) = names_of(file, task.outputs)
    origin = _origin(file, task.stream)
    truth = part.fields[file.column_of(label)].astype(np.int64)
    heavy, primary = np.ones(len(truth), bool), None
    if origin is not None:
        classes = decode(origin[0], part.fields[file.column_of(origin[0])])
        heavy = np.isin(classes, [i for i, name in enumerate(origin[0].classes) if name in HEAVY])
        if origin[1]:
            said = np.stack([part.fields[name] for name in origin[1]], 1).argmax(1)
            primary = said == origin[0].classes.index(PRIMARY)
    return Tracks(part.jet, truth, heavy, primary, len(part.group)), part.fields[column].astype(np.int64)


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
                    return label, names_of(file, task.outputs)
            return label, []
    return None
