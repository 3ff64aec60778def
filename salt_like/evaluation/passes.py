"""Metrics of constituents, from one reading of a prediction file for all jets, their ranges and their bins together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.bins import Bins, TaskProfile
from salt_like.evaluation.classification import ClassificationSums
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.found_objects import evaluate_objects
from salt_like.evaluation.origins import in_bins
from salt_like.evaluation.reader import GROUPS, Constituents, PredictionFile, decode
from salt_like.evaluation.results import TaskResult
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.task_metrics import (
    classified,
    evaluate_jets,
    label_of,
    names_of,
    real_labels,
    regressed,
    trivial,
    vertices_of,
)
from salt_like.evaluation.vertexing import VertexSums, count_all

Integers = NDArray[np.integer]
Flags = NDArray[np.bool_]


def evaluate_tasks(views: Sequence[PredictionFile], bins: Bins | None = None) -> list[tuple[TaskResult, ...]]:
    """Metrics of every task, of all jets of a file and of some of its ranges; constituents are read once.

    Args:
        views: The file, and its jets in ranges.
        bins: Bins of all jets, in which regressions, vertices and classes of constituents are measured too.

    Returns:
        The results of the tasks in order, for each view; those of the first have the bins.
    """
    whole = views[0]
    spec = whole.contents.spec
    found: dict[str, list[TaskResult]] = {}
    waiting: dict[str, list[_Pass]] = {}
    every = [_View(one) for one in views]
    for task in whole.contents.tasks:
        if task.objects:
            found[task.name] = [evaluate_objects(one, task) for one in views]
        elif spec.stream(task.stream).is_global:
            found[task.name] = _of_jets(views, task, bins)
        else:
            waiting.setdefault(task.stream, []).append(_pass_of(task)(whole, task, every, bins))
    for stream, passes in waiting.items():
        for part in whole.constituents(stream):
            for one in passes:
                one.add(part)
        for one in passes:
            found[one.task.name] = one.results()
    return [tuple(found[task.name][place] for task in whole.contents.tasks) for place in range(len(views))]


def _of_jets(views: Sequence[PredictionFile], task: TaskRecord, bins: Bins | None) -> list[TaskResult]:
    results = [evaluate_jets(one, task) for one in views]
    if bins is not None and {output.kind for output in task.outputs} != {"probability"}:
        parts = [evaluate_jets(one, task) for one in views[0].in_bins(bins)]
        results[0] = replace(results[0], profile=_profile(bins, parts))
    return results


def _profile(bins: Bins, parts: Sequence[TaskResult]) -> TaskProfile:
    return TaskProfile(bins, tuple(part.metrics for part in parts), tuple(part.by_class for part in parts))


class _View:
    """What metrics of constituents need to know of each jet of the file, ``(N,)`` each.

    Args:
        file: The file, or its jets in a range.
    """

    def __init__(self, file: PredictionFile) -> None:
        self.file = file
        self.inside = file.inside
        self.group = np.zeros(len(self.inside), np.int64)
        self.group[self.inside] = file.groups()


class _Pass(ABC):
    """Adds up what a task says of constituents.

    Args:
        whole: The file.
        task: The task.
        views: All jets and those of ranges.
        bins: Bins of all jets.
    """

    def __init__(self, whole: PredictionFile, task: TaskRecord, views: Sequence[_View], bins: Bins | None) -> None:
        self.whole, self.task, self.views, self.bins = whole, task, views, bins
        self.start()

    @abstractmethod
    def start(self) -> None:
        """Make what is added to."""

    @abstractmethod
    def add(self, part: Constituents) -> None:
        """Add the constituents of some jets of the whole file."""

    @abstractmethod
    def results(self) -> list[TaskResult]:
        """What was found, for each view."""


class _Classified(_Pass):
    """Classes of constituents."""

    def start(self) -> None:
        self.label = label_of(self.whole, self.task, "class")
        self.names = names_of(self.whole, self.task.outputs)
        prior, named = trivial(self.task, self.label)
        classes = self.label.classes
        self.sums = [ClassificationSums(classes, prior, GROUPS, named) for _ in self.views]
        self.entries = np.zeros((len(self.views), len(classes)), np.int64)
        self.confusion = np.zeros((len(self.bins) if self.bins else 0, GROUPS, len(classes), len(classes)))

    def add(self, part: Constituents) -> None:
        labels = decode(self.label, part.fields[self.whole.column_of(self.label)])
        used = labels >= 0
        labels, jet = labels[used], part.jet[used]
        probabilities = np.stack([part.fields[name][used] for name in self.names], 1)
        weights = None if part.weights is None else part.weights[used]
        for place, view in enumerate(self.views):
            kept = view.inside[part.rows][jet]
            group = view.group[part.rows][jet]
            some = labels[kept]
            own = None if weights is None else weights[kept]
            self.sums[place].add(probabilities[kept], some, group[kept], own)
            self.entries[place] += np.bincount(some, minlength=self.entries.shape[1])
        if self.bins is not None:
            inside, number = self.bins.of[part.rows][jet], len(self.label.classes)
            kept = inside >= 0
            cells = (inside * GROUPS + part.group[jet]) * number + labels
            cells = cells * number + probabilities.argmax(1)
            own = None if weights is None else weights[kept]
            found = np.bincount(cells[kept], own, minlength=self.confusion.size)
            self.confusion += found.reshape(self.confusion.shape)

    def results(self) -> list[TaskResult]:
        assumed, fractions = self.task.assumes(self.label)
        results = []
        for sums, entries in zip(self.sums, self.entries, strict=True):
            found = sums.reliability.merged().result(assumed, fractions)
            calibrations = () if found is None else (found,)
            results.append(
                classified(self.task, self.label, entries.tolist(), sums.metrics(), sums.confusion.sum(0), calibrations)
            )
        if self.bins is not None:
            results[0] = replace(
                results[0], profile=TaskProfile(self.bins, in_bins(self.confusion, self.label.classes))
            )
        return results


class _Vertices(_Pass):
    """Found vertices, which are counted once for all views."""

    def start(self) -> None:
        flavours = self.whole.flavours()
        self.of_class = None if flavours is None else flavours[1]
        classes = flavours[0] if flavours else ()
        self.all = list(self.views)
        if self.bins is not None:
            self.all += [_View(one) for one in self.whole.in_bins(self.bins)]
        self.sums = [VertexSums(GROUPS, classes) for _ in self.all]
        self.entries = np.zeros(len(self.all), np.int64)

    def add(self, part: Constituents) -> None:
        tracks, said = vertices_of(self.whole, self.task, part)
        counts = count_all(tracks, said)
        for place, view in enumerate(self.all):
            inside = view.inside[part.rows]
            some = {name: rows[inside] for name, rows in counts.items()}
            weights = None if part.jet_weights is None else part.jet_weights[inside]
            of_class = None if self.of_class is None else self.of_class[part.rows][inside]
            self.sums[place].add_counts(some, view.group[part.rows][inside], weights, of_class)
            self.entries[place] += int(inside[part.jet].sum())

    def results(self) -> list[TaskResult]:
        results = [self._result(place) for place in range(len(self.all))]
        shown, binned = results[: len(self.views)], results[len(self.views) :]
        if self.bins is not None:
            shown[0] = replace(shown[0], profile=_profile(self.bins, binned))
        return shown

    def _result(self, place: int) -> TaskResult:
        sums, entries = self.sums[place], int(self.entries[place])
        metrics = tuple(sums.metrics()) if entries else ()
        by_class = sums.by_class() if entries else {}
        return TaskResult(self.task.name, self.task.stream, entries, metrics, by_class=by_class)


class _Regressed(_Pass):
    """Values of constituents, whose quantiles need all of them."""

    def start(self) -> None:
        labels = real_labels(self.whole, self.task).values()
        self.columns = [*names_of(self.whole, self.task.outputs), *map(self.whole.column_of, labels)]
        self.parts: list[Mapping[str, NDArray[np.generic]]] = []
        self.jets: list[NDArray[np.int32]] = []

    def add(self, part: Constituents) -> None:
        self.parts.append({name: part.fields[name] for name in self.columns})
        self.jets.append((part.jet + part.first).astype(np.int32))

    def results(self) -> list[TaskResult]:
        self.values = {name: np.concatenate([one[name] for one in self.parts]) for name in self.columns}
        self.jet = np.concatenate(self.jets)
        results = [self._result(one.inside) for one in self.views]
        if self.bins is not None:
            parts = [self._result(one.inside) for one in self.whole.in_bins(self.bins)]
            results[0] = replace(results[0], profile=_profile(self.bins, parts))
        return results

    def _result(self, inside: Flags) -> TaskResult:
        kept = inside[self.jet]
        jet, weights, flavours = self.jet[kept], self.whole.weights(), self.whole.flavours()
        own: Floats | None = None if weights is None else weights[jet]
        classes = None if flavours is None else (flavours[0], flavours[1][jet])
        values = {name: one[kept] for name, one in self.values.items()}
        return regressed(self.whole, self.task, values, own, classes)


def _pass_of(task: TaskRecord) -> type[_Pass]:
    kinds = {output.kind for output in task.outputs}
    return _Classified if kinds == {"probability"} else _Vertices if kinds == {"index"} else _Regressed
