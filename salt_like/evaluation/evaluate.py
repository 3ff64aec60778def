"""Everything that a prediction file tells about how good a model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.classification import ClassificationSums, classify
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.metric import Metric, plain
from salt_like.evaluation.reader import GROUPS, PredictionFile, decode
from salt_like.evaluation.regression import regress
from salt_like.evaluation.rejection import (
    EFFICIENCIES,
    Point,
    WorkingPoint,
    apply,
    discriminant,
    working_points,
)
from salt_like.evaluation.vertexing import Tracks, VertexSums
from salt_like.spec import Discriminant, Label, Output

HEAVY = ("fromB", "fromBC", "fromC")
PRIMARY = "primary"


@dataclass(frozen=True)
class TaskResult:
    """Metrics of one task.

    Args:
        task: Name of the task.
        stream: Stream whose rows it describes.
        entries: Number of rows with a label.
        metrics: The metrics; none when no row has a label.
    """

    task: str
    stream: str
    entries: int
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class Cuts:
    """Working points of each discriminant and the sample that they were made on."""

    sample: str
    points: Mapping[str, tuple[WorkingPoint, ...]]


@dataclass(frozen=True)
class DiscriminantResult:
    """What the working points of a discriminant do.

    Args:
        discriminant: Its definition.
        cuts_from: Sample that the cuts were made on.
        points: One for each working point.
    """

    discriminant: Discriminant
    cuts_from: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Evaluation:
    """All metrics of a sample.

    Args:
        sample: Name of the sample.
        model: Name of the model.
        file: The prediction file.
        sources: Files that were predicted.
        jets: Number of jets.
        ranges: Input variable of the jets → smallest value, largest value and unit.
        tasks: Results of the tasks in order.
        discriminants: Results of the discriminants in order.
        cuts: This sample's own working points.
    """

    sample: str
    model: str
    file: str
    sources: tuple[str, ...]
    jets: int
    ranges: Mapping[str, tuple[float, float, str]]
    tasks: tuple[TaskResult, ...]
    discriminants: tuple[DiscriminantResult, ...]
    cuts: Cuts

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "sample": self.sample,
            "model": self.model,
            "file": self.file,
            "sources": list(self.sources),
            "jets": self.jets,
            "ranges": {
                name: {"low": low, "high": high, "unit": unit} for name, (low, high, unit) in self.ranges.items()
            },
            "tasks": {
                one.task: {
                    "stream": one.stream,
                    "entries": one.entries,
                    "metrics": [metric.plain() for metric in one.metrics],
                }
                for one in self.tasks
            },
            "discriminants": {
                one.discriminant.name: {
                    "signal": one.discriminant.signal,
                    "background": plain(one.discriminant.background),
                    "cuts_from": one.cuts_from,
                    "points": [point.plain() for point in one.points],
                }
                for one in self.discriminants
            },
        }


def evaluate(path: Path, cuts: Cuts | None = None, efficiencies: Sequence[float] = EFFICIENCIES) -> Evaluation:
    """Metrics of every task and discriminant of a labelled prediction file.

    Args:
        path: The prediction file.
        cuts: Working points made on another sample; this sample's own without them.
        efficiencies: Signal efficiencies of the working points that are made here.

    Raises:
        UserError: Not a prediction file.
    """
    file = PredictionFile(path)
    contents = file.contents
    results = tuple(_task(file, task) for task in contents.tasks)
    own = Cuts(contents.sample, {})
    discriminants = []
    for one in contents.spec.discriminants:
        jets = _scores(file, one)
        if jets is None:
            continue
        values, labels, classes = jets
        weights = file.weights()
        signal = labels == classes.index(one.signal)
        points = working_points(values[signal], None if weights is None else weights[signal], efficiencies)
        own = Cuts(own.sample, {**own.points, one.name: tuple(points)})
        used = own if cuts is None else cuts
        applied = apply(used.points.get(one.name, ()), values, labels, classes, one.signal, weights)
        discriminants.append(DiscriminantResult(one, used.sample, tuple(applied)))
    return Evaluation(
        contents.sample,
        contents.model,
        str(path),
        contents.sources,
        file.jets,
        _ranges(file),
        results,
        tuple(discriminants),
        own,
    )


def _ranges(file: PredictionFile) -> dict[str, tuple[float, float, str]]:
    stream = file.contents.spec.global_stream
    shown = {one.name: one.unit for one in stream.variables if one.name in file.fields[stream.name]}
    columns = file.columns(list(shown)) if file.jets else {}
    return {name: (float(np.nanmin(one)), float(np.nanmax(one)), shown[name]) for name, one in columns.items()}


def _task(file: PredictionFile, task: TaskRecord) -> TaskResult:
    is_global = file.contents.spec.stream(task.stream).is_global
    kinds = {output.kind for output in task.outputs}
    if kinds == {"probability"}:
        result = _classified_jets(file, task) if is_global else _classified_constituents(file, task)
    elif kinds == {"index"}:
        result = _vertices(file, task)
    else:
        result = _regressed(file, task, is_global)
    return TaskResult(task.name, task.stream, *result)


def _labels(file: PredictionFile, task: TaskRecord) -> list[Label]:
    return [file.contents.spec.label(task.stream, key) for key in task.labels]


def _label(file: PredictionFile, task: TaskRecord, kind: str) -> Label:
    return next(label for label in _labels(file, task) if label.kind == kind)


def _names(file: PredictionFile, outputs: Sequence[Output]) -> list[str]:
    return [output.column(file.contents.model) for output in outputs]


Result = tuple[int, tuple[Metric, ...]]


def _classified_jets(file: PredictionFile, task: TaskRecord) -> Result:
    label = _label(file, task, "class")
    names = _names(file, task.outputs)
    columns = file.columns([*names, file.column_of(label)])
    labels = decode(label, columns[file.column_of(label)])
    probabilities = np.stack([columns[name] for name in names], 1)
    metrics = classify(probabilities, labels, label.classes, label.prior, file.weights())
    return int((labels >= 0).sum()), tuple(metrics)


def _classified_constituents(file: PredictionFile, task: TaskRecord) -> Result:
    label = _label(file, task, "class")
    names = _names(file, task.outputs)
    sums = ClassificationSums(label.classes, label.prior, GROUPS)
    for part in file.constituents(task.stream):
        labels = decode(label, part.fields[file.column_of(label)])
        sums.add(np.stack([part.fields[name] for name in names], 1), labels, part.group[part.jet])
    return int(sums.losses[:, 1].sum()), tuple(sums.metrics())


def _regressed(file: PredictionFile, task: TaskRecord, is_global: bool) -> Result:
    labels = {label.name: label for label in _labels(file, task) if label.kind == "real"}
    columns = [*_names(file, task.outputs), *(file.column_of(label) for label in labels.values())]
    if is_global:
        values = file.columns(columns)
    else:
        parts = [part.fields[columns] for part in file.constituents(task.stream)]
        values = {name: np.concatenate([part[name] for part in parts]) for name in columns}
    metrics, entries = [], 0
    for output in task.outputs:
        if output.kind != "value" or output.field not in labels:
            continue
        label = labels[output.field]
        sigma = f"{output.column(file.contents.model)}_stddev"
        targets = values[file.column_of(label)].astype(np.float64)
        found = regress(
            values[output.column(file.contents.model)],
            targets,
            values.get(sigma),
            label.mean,
            output.unit or label.unit,
        )
        metrics += [replace(metric, name=f"{label.name}: {metric.name}") for metric in found]
        entries = max(entries, int(np.isfinite(targets).sum()))
    return entries, tuple(metrics)


def _vertices(file: PredictionFile, task: TaskRecord) -> Result:
    label = _label(file, task, "index")
    (column,) = _names(file, task.outputs)
    origin = _origin(file, task.stream)
    sums, entries = VertexSums(GROUPS), 0
    for part in file.constituents(task.stream):
        truth = part.fields[file.column_of(label)].astype(np.int64)
        heavy, primary = np.ones(len(truth), bool), None
        if origin is not None:
            classes = decode(origin[0], part.fields[file.column_of(origin[0])])
            heavy = np.isin(classes, [i for i, name in enumerate(origin[0].classes) if name in HEAVY])
            if origin[1]:
                said = np.stack([part.fields[name] for name in origin[1]], 1).argmax(1)
                primary = said == origin[0].classes.index(PRIMARY)
        tracks = Tracks(part.jet, truth, heavy, primary, len(part.group))
        sums.add(tracks, part.fields[column].astype(np.int64), part.group)
        entries += len(truth)
    return entries, tuple(sums.metrics()) if entries else ()


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


Scores = tuple[NDArray[np.floating], NDArray[np.integer], tuple[str, ...]]


def _scores(file: PredictionFile, wanted: Discriminant) -> Scores | None:
    """Discriminant, class index and class names of all jets; ``None`` when no task has its classes."""
    jets = file.contents.spec.global_stream.name
    needed = {wanted.signal, *wanted.background}
    for task in file.contents.tasks:
        columns = {output.of_class: output.column(file.contents.model) for output in task.outputs}
        if task.stream == jets and needed <= set(columns):
            label = _label(file, task, "class")
            values = file.columns([*columns.values(), file.column_of(label)])
            probabilities = {name: values[column] for name, column in columns.items()}
            labels = decode(label, values[file.column_of(label)])
            return discriminant(probabilities, wanted.signal, wanted.background), labels, label.classes
    return None
