"""Everything that a prediction file tells about how good a model is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.classification import ClassificationSums, classify
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.metric import Metric
from salt_like.evaluation.reader import GROUPS, PredictionFile, decode
from salt_like.evaluation.regression import regress
from salt_like.evaluation.rejection import EFFICIENCIES, apply, discriminant, working_points
from salt_like.evaluation.results import Cuts, DiscriminantResult, Evaluation, TaskResult
from salt_like.evaluation.statistics import effective_entries
from salt_like.evaluation.vertexing import Tracks, VertexSums
from salt_like.spec import Discriminant, Label, Output

HEAVY = ("fromB", "fromBC", "fromC")
PRIMARY = "primary"


def evaluate(path: Path, cuts: Cuts | None = None, efficiencies: Sequence[float] = EFFICIENCIES) -> Evaluation:
    """Metrics of every task and discriminant of a labelled prediction file, every row weighted by its jet.

    Args:
        path: The prediction file.
        cuts: Working points made on another sample; this sample's own without them.
        efficiencies: Signal efficiencies of the working points that are made here.

    Raises:
        UserError: Not a prediction file, or weights that do not sum to something positive.
    """
    file = PredictionFile(path)
    contents = file.contents
    weights = file.weights()
    results = tuple(_task(file, task) for task in contents.tasks)
    own = Cuts(contents.sample, {})
    discriminants = []
    for one in contents.spec.discriminants:
        jets = _scores(file, one)
        if jets is None:
            continue
        values, labels, task, classes = jets
        signal = labels == classes.index(one.signal)
        points = working_points(values[signal], None if weights is None else weights[signal], efficiencies)
        own = Cuts(own.sample, {**own.points, one.name: tuple(points)})
        used = own if cuts is None else cuts
        applied = apply(used.points.get(one.name, ()), values, labels, classes, one.signal, weights)
        discriminants.append(DiscriminantResult(one, used.sample, tuple(applied), _prior(task, classes)))
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
        contents.weight,
        float(file.jets) if weights is None else effective_entries(weights),
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
        return _classified_jets(file, task) if is_global else _classified_constituents(file, task)
    return _vertices(file, task) if kinds == {"index"} else _regressed(file, task, is_global)


def _label(file: PredictionFile, task: TaskRecord, kind: str) -> Label:
    labels = (file.contents.spec.label(task.stream, key) for key in task.labels)
    return next(label for label in labels if label.kind == kind)


def _names(file: PredictionFile, outputs: Iterable[Output]) -> list[str]:
    return [output.column(file.contents.model) for output in outputs]


def _prior(task: TaskRecord, classes: Sequence[str]) -> dict[str, float]:
    return dict(zip(classes, task.prior, strict=True)) if task.prior else {}


def _classified(task: TaskRecord, label: Label, entries: Sequence[int], metrics: Iterable[Metric]) -> TaskResult:
    absent = tuple(name for name, number in zip(label.classes, entries, strict=True) if number == 0)
    return TaskResult(task.name, task.stream, int(sum(entries)), tuple(metrics), absent, _prior(task, label.classes))


def _classified_jets(file: PredictionFile, task: TaskRecord) -> TaskResult:
    label = _label(file, task, "class")
    names = _names(file, task.outputs)
    columns = file.columns([*names, file.column_of(label)])
    labels = decode(label, columns[file.column_of(label)])
    probabilities = np.stack([columns[name] for name in names], 1)
    entries = np.bincount(labels[labels >= 0], minlength=len(label.classes))
    metrics = classify(probabilities, labels, label.classes, label.prior, file.weights())
    return _classified(task, label, entries.tolist(), metrics)


def _classified_constituents(file: PredictionFile, task: TaskRecord) -> TaskResult:
    label = _label(file, task, "class")
    names = _names(file, task.outputs)
    sums = ClassificationSums(label.classes, label.prior, GROUPS)
    entries = np.zeros(len(label.classes), np.int64)
    for part in file.constituents(task.stream):
        labels = decode(label, part.fields[file.column_of(label)])
        probabilities = np.stack([part.fields[name] for name in names], 1)
        sums.add(probabilities, labels, part.group[part.jet], part.weights)
        entries += np.bincount(labels[labels >= 0], minlength=len(entries))
    return _classified(task, label, entries.tolist(), sums.metrics())


def _regressed(file: PredictionFile, task: TaskRecord, is_global: bool) -> TaskResult:
    read = (file.contents.spec.label(task.stream, key) for key in task.labels)
    labels = {label.name: label for label in read if label.kind == "real"}
    columns = [*_names(file, task.outputs), *(file.column_of(label) for label in labels.values())]
    if is_global:
        values, weights = file.columns(columns), file.weights()
    else:
        parts = list(file.constituents(task.stream, columns))
        values = {name: np.concatenate([part.fields[name] for part in parts]) for name in columns}
        known = [part.weights for part in parts if part.weights is not None]
        weights = np.concatenate(known) if known else None
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
            weights,
        )
        metrics += [replace(metric, name=f"{label.name}: {metric.name}") for metric in found]
        entries = max(entries, int(np.isfinite(targets).sum()))
    return TaskResult(task.name, task.stream, entries, tuple(metrics))


def _vertices(file: PredictionFile, task: TaskRecord) -> TaskResult:
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
        sums.add(tracks, part.fields[column].astype(np.int64), part.group, part.jet_weights)
        entries += len(truth)
    return TaskResult(task.name, task.stream, entries, tuple(sums.metrics()) if entries else ())


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


Scores = tuple[NDArray[np.floating], NDArray[np.integer], TaskRecord, tuple[str, ...]]


def _scores(file: PredictionFile, wanted: Discriminant) -> Scores | None:
    """Discriminant and class index of all jets, task and its classes; ``None`` when no task has the classes."""
    jets = file.contents.spec.global_stream.name
    needed = {wanted.signal, *wanted.background}
    for task in file.contents.tasks:
        columns = {output.of_class: output.column(file.contents.model) for output in task.outputs}
        if task.stream == jets and needed <= set(columns):
            label = _label(file, task, "class")
            values = file.columns([*columns.values(), file.column_of(label)])
            probabilities = {name: values[column] for name, column in columns.items()}
            labels = decode(label, values[file.column_of(label)])
            return discriminant(probabilities, wanted.signal, wanted.background), labels, task, label.classes
    return None
