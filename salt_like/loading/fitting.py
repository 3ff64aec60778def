"""Fits the temperatures of a tagger's classifications on its validation data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.sample import Progress, Sample
from salt_like.errors import UserError
from salt_like.evaluation.calibration import calibration
from salt_like.evaluation.priors import shares
from salt_like.evaluation.reader import GROUPS
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.temperature import NoTemperatureError, fit_temperature, scaled
from salt_like.loading.calibration import CalibratedTask
from salt_like.loading.ready import after_training
from salt_like.loading.tagger import LoadedTagger
from salt_like.spec import Label
from salt_like.tasks import Task

MOST_SLOTS = 10_000_000  # of constituents: of more, every second, third, … jet is taken


@dataclass
class _Rows:
    """The labelled rows of one task, in pieces."""

    name: str
    task: Task
    label: Label
    ratios: list[NDArray[np.float32]] = field(default_factory=list)
    labels: list[NDArray[np.int64]] = field(default_factory=list)
    weights: list[Floats] = field(default_factory=list)
    events: list[NDArray[np.uint64]] = field(default_factory=list)


def calibrate(
    tagger: LoadedTagger, samples: Mapping[str, Sample], batch_size: int = 1000, progress: Progress | None = None
) -> dict[str, CalibratedTask]:
    """The temperature of every classification, from labelled jets with the weights of the validation loss.

    Each is fitted for the class fractions of the sample. It acts on likelihood ratios, so it holds for all others.

    Args:
        tagger: The tagger; a temperature or class fractions that it has are not looked at.
        samples: The jets by name.
        batch_size: Jets that are computed together.
        progress: Called with the number of rows done and the number of rows in total.

    Returns:
        Task → what was found.

    Raises:
        UserError: The tagger classifies nothing, or the sample does not tell a temperature.
    """
    tasks = [
        _Rows(name, task, tagger.spec.label(task.stream, _class_label(tagger, name)))
        for name, task in ((name, tagger.tagger.task(name)) for name in tagger.tagger.tasks)
        if task.trained_prior
    ]
    if not tasks:
        raise UserError(f"the model has no classification to calibrate\ntasks: {', '.join(tagger.tagger.tasks)}")
    rows, before = sum(one.rows for one in samples.values()), 0
    strides = _strides(tasks, samples)
    with after_training():
        for number, sample in enumerate(samples.values()):
            for columns in sample.chunks():
                _collect(tasks, tagger, sample, columns, number, strides, batch_size)
                if progress is not None and len(columns):
                    progress(before + int(columns.rows[-1]) + 1, rows)
            before += sample.rows
    return {one.name: _fitted(one) for one in tasks}


def _class_label(tagger: LoadedTagger, name: str) -> str:
    record = next(one for one in tagger.tasks if one.name == name)
    return next(key for key in record.labels if tagger.spec.label(record.stream, key).kind == "class")


def _strides(tasks: list[_Rows], samples: Mapping[str, Sample]) -> dict[str, int]:
    """Of which jets a task's rows are kept: every one, or every second, … where there are too many constituents."""
    slots: dict[str, int] = {}
    for stream in {one.task.stream for one in tasks}:
        slots[stream] = sum(one.rows * max(one.source.header(stream).capacity, 1) for one in samples.values())
    return {stream: max(1, math.ceil(number / MOST_SLOTS)) for stream, number in slots.items()}


def _collect(
    tasks: list[_Rows],
    tagger: LoadedTagger,
    sample: Sample,
    columns: Columns,
    number: int,
    strides: Mapping[str, int],
    batch_size: int,
) -> None:
    if not len(columns):
        return
    weights, events = _weights(tagger, columns), columns.events
    if events is None:  # every jet is an event of its own; the number of the sample keeps samples apart
        events = columns.rows.astype(np.uint64) * np.uint64(1000) + np.uint64(number)
    found = tagger.logits(columns, batch_size)
    for one in tasks:
        stream = one.task.stream
        counts = columns.counts.get(stream, np.ones(len(columns), np.int64))
        jet = np.repeat(np.arange(len(columns)), counts)
        truth = columns.labels[stream][one.label.key]
        _refuse_nan(found[one.name], columns.rows[jet], one.name, sample, tagger)
        prior = np.array(one.task.trained_prior)
        # a class that the loss saw nothing of has no likelihood ratio
        used = (truth >= 0) & (prior[truth] > 0) & (columns.rows[jet] % strides[stream] == 0)
        logs = found[one.name][used].astype(np.float64)
        with np.errstate(divide="ignore"):
            one.ratios.append((logs - logs.max(1, keepdims=True) - np.log(prior)).astype(np.float32))
        one.labels.append(truth[used])
        one.weights.append(weights[jet][used])
        one.events.append(events[jet][used])


def _weights(tagger: LoadedTagger, columns: Columns) -> Floats:
    """Those of the validation loss: the jets' own, and of class and kinematics."""
    weights: Floats = np.ones(len(columns)) if columns.weights is None else columns.weights.astype(np.float64)
    reweighting = tagger.spec.reweighting
    return weights if reweighting is None or columns.cells is None else weights * reweighting.factors()[columns.cells]


def _refuse_nan(logits: Floats, rows: NDArray[np.int64], task: str, sample: Sample, tagger: LoadedTagger) -> None:
    finite = np.isfinite(logits).all(1)
    if not finite.all():
        raise UserError(
            f"the probabilities of task '{task}' are no numbers for row {rows[int(finite.argmin())]}\n"
            f"of the sample '{sample.name}' (rows of all its files together, from 0)\ncheckpoint: {tagger.checkpoint}"
        )


def _fitted(one: _Rows) -> CalibratedTask:
    ratios, labels, weights = np.concatenate(one.ratios), np.concatenate(one.labels), np.concatenate(one.weights)
    _, events = np.unique(np.concatenate(one.events), return_inverse=True)
    events, classes = events.reshape(-1), one.label.classes
    prior = shares(labels, len(classes), weights)
    present = [name for name, share in zip(classes, prior, strict=False) if share > 0]
    if len(present) < 2:
        entries = np.bincount(labels, minlength=len(classes))
        found = ", ".join(f"{name} {number}" for name, number in zip(classes, entries, strict=True))
        raise UserError(
            f"no temperature of task '{one.name}': the validation data must hold at least two of its classes\n"
            f"found: {found}" + ("" if prior else "; their weights do not sum to something positive")
        )
    used = np.array(prior)[labels] > 0  # negative weights can leave nothing of a class
    ratios, labels, weights, events = ratios[used], labels[used], weights[used], events[used]
    try:
        best = fit_temperature(ratios, labels, prior, weights, events)
    except NoTemperatureError as error:
        raise UserError(
            f"no temperature of task '{one.name}' on {len(labels)} validation rows\nfound: {error}"
        ) from error
    before, after = (
        calibration(scaled(ratios, prior, value), labels, classes, prior, "sample", events % GROUPS, weights)
        for value in (1.0, best.value)
    )
    assert before is not None  # weights of at least two classes are positive
    assert after is not None
    return CalibratedTask(
        best.value,
        best.error,
        best.differs,
        len(labels),
        dict(zip(classes, prior, strict=True)),
        (best.before, best.after),
        (before.ece, after.ece),
        (before.error, after.error),
        (before.chance, after.chance),
    )
