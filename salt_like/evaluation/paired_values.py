"""What two taggers predict for the same targets: bias, resolution, pulls and likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.event_sums import Quantiles, add_by_event
from salt_like.evaluation.paired import LeftOutError, Pair, Row, require_finite
from salt_like.evaluation.paired_constituents import require_same_truth, same_constituents, truth_column
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.regression import negative_log_likelihood
from salt_like.evaluation.resampling import Draws, EventResamples
from salt_like.evaluation.statistics import ONE_SIGMA, Floats
from salt_like.spec import Label, Output

_TAIL = (1 - ONE_SIGMA) / 2


class ValueSums:
    """What the metrics of predicted values need, for any resample.

    Args:
        values: Predictions, ``(m,)``.
        targets: ``(m,)``.
        sigmas: Predicted standard deviations, ``(m,)``; ``None`` where there are none, or none are compared.
        event: Event of each row, ``(m,)``.
        events: Number of events.
        own: Weight of each row, ``(m,)``; ``None`` for 1.
    """

    def __init__(
        self,
        values: Floats,
        targets: Floats,
        sigmas: Floats | None,
        event: NDArray[np.intp],
        events: int,
        own: Floats | None = None,
    ) -> None:
        difference = values - targets
        weights = np.ones(len(values)) if own is None else own
        columns = [weights, weights * difference, weights * difference**2]
        widths: list[tuple[float, ...]] = [(_TAIL, 1 - _TAIL)]
        spreads = [difference]
        self.positive = bool((targets > 0).all())
        self.gaussian = sigmas is not None
        if self.positive:
            spreads.append(values / targets)
            widths.append((_TAIL, 0.5, 1 - _TAIL))
        if sigmas is not None:
            pulls = difference / sigmas
            spreads.append(pulls)
            widths.append((_TAIL, 1 - _TAIL))
            columns += [weights * pulls, weights * negative_log_likelihood(difference, sigmas)]
        self._sums = np.zeros((events, len(columns)))
        add_by_event(self._sums, event, columns)
        self._quantiles = [Quantiles(one, levels, event, own) for one, levels in zip(spreads, widths, strict=True)]

    def rows(self, name: str, unit: str, events: int) -> list[Row]:
        """What is compared, in the order of the numbers.

        Args:
            name: Of the target.
            unit: Its unit.
            events: Number of events with a target.
        """

        def nearer(what: str, ideal: float, unit: str = "") -> Row:
            return Row(f"{name}: {what}", "difference", None, ideal, events=events, unit=unit)

        def narrower(what: str, unit: str = "") -> Row:
            return Row(f"{name}: {what}", "ratio", False, events=events, unit=unit)

        rows = [nearer("bias", 0.0, unit), narrower("RMS", unit), narrower("half central 68 %", unit)]
        if self.positive:
            rows += [nearer("median of value/target", 1.0), narrower("half central 68 % of value/target")]
        if self.gaussian:
            rows += [nearer("pull mean", 0.0), nearer("pull width (half central 68 %)", 1.0)]
            rows.append(Row(f"{name}: negative log-likelihood", "difference", False, events=events))
        return rows

    def __call__(self, draws: Draws) -> Floats:
        """For each resample, ``(r, rows)``."""
        sums = (draws.copies @ self._sums).T
        found = [one(draws).T for one in self._quantiles]
        with np.errstate(all="ignore"):  # a resample may hold no target, and squares with negative weights no root
            means = np.where(sums[0] > 0, sums[1:] / sums[0], np.nan)
            columns = [means[0], np.sqrt(means[1]), _half(found[0])]
        if self.positive:
            columns += [found[1][1], _half(found[1])]
        if self.gaussian:
            columns += [means[2], _half(found[-1]), means[3]]
        return np.stack(columns, 1)


def _half(quantiles: Floats) -> Floats:
    """Half the distance between the first and the last, ``(r,)``."""
    half: Floats = (quantiles[-1] - quantiles[0]) / 2
    return half


def regressed(
    first: PredictionFile,
    task: TaskRecord,
    second: PredictionFile,
    other: TaskRecord,
    output: Output,
    drawn: EventResamples,
) -> Pair:
    """A value that both predict.

    Args:
        first: File of A.
        task: Its task.
        second: File of B.
        other: Its task.
        output: The value, of the same name in both.
        drawn: The resamples.

    Raises:
        LeftOutError: Not the same constituents or targets, no targets, or predictions that are no numbers.
    """
    label, label2 = target(first, task, output), target(second, other, output)
    names = [_columns(first, task, output, label, "A"), _columns(second, other, output, label2, "B")]
    read, jet = _read(first, names[0], second, names[1], task.stream)
    truth, truth2 = (one[column[0]] for one, column in zip(read, names, strict=True))
    require_same_truth(truth, truth2, f"target {output.field}", jet)
    used = np.isfinite(truth.astype(np.float64))
    if not used.any():
        raise LeftOutError("no row has a target")
    gaussian = all(len(one) == 3 for one in names)
    own = None if drawn.own is None else drawn.own[jet[used]]
    event = drawn.event[jet[used]]
    sides = []
    for side, one, column in zip("AB", read, names, strict=True):
        said = [one[name] for name in column[1 : 3 if gaussian else 2]]
        for values, name in zip(said, column[1:], strict=False):
            require_finite(values, used, name, side, jet)
        values, *sigmas = (values[used].astype(np.float64) for values in said)
        if sigmas and not (sigmas[0] > 0).all():
            raise LeftOutError(f"{column[2]} of {side} is not positive in jet {jet[used][(sigmas[0] <= 0).argmax()]}")
        targets = truth[used].astype(np.float64)
        sides.append(ValueSums(values, targets, sigmas[0] if sigmas else None, event, drawn.events, own))
    rows = sides[0].rows(label.name, output.unit or label.unit, len(np.unique(event)))
    notes = [] if len(names[0]) == len(names[1]) else [f"{label.name}: only one of the two says a standard deviation"]
    return Pair(task.name, task.stream, tuple(rows), (sides[0], sides[1]), tuple(notes))


def target(file: PredictionFile, task: TaskRecord, output: Output) -> Label:
    """The label that says what a value should have been."""
    labels = (file.contents.spec.label(task.stream, key) for key in task.labels)
    return next(label for label in labels if label.kind == "real" and label.name == output.field)


def _columns(file: PredictionFile, task: TaskRecord, output: Output, label: Label, side: str) -> list[str]:
    """Target, value, and standard deviation where there is one."""
    value = output.column(file.contents.model)
    sigma = f"{value}_stddev"
    found = [truth_column(file, label, side), value]
    return [*found, sigma] if sigma in file.fields[task.stream] else found


def _read(
    first: PredictionFile, names: list[str], second: PredictionFile, others: list[str], stream: str
) -> tuple[list[dict[str, NDArray[np.generic]]], NDArray[np.intp]]:
    """Columns of both, ``(m,)`` each, and the jet of each row."""
    if first.contents.spec.stream(stream).is_global:
        return [first.columns(names), second.columns(others)], np.arange(first.jets)
    parts = list(same_constituents(first, names, second, others, stream))
    read = [
        {name: np.concatenate([part[side].fields[name] for part in parts]) for name in wanted}
        for side, wanted in enumerate((names, others))
    ]
    return read, np.concatenate([one.first + one.jet for one, _ in parts])
