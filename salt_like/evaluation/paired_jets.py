"""What two taggers say about the class of the same jets: rejections, cross-entropy and AUC."""

from __future__ import annotations

import numpy as np

from salt_like.errors import UserError
from salt_like.evaluation.classification import negative_log
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.event_sums import add_by_event
from salt_like.evaluation.paired import Pair, Row
from salt_like.evaluation.ranking import log_odds
from salt_like.evaluation.reader import PredictionFile, decode
from salt_like.evaluation.rejection import discriminant
from salt_like.evaluation.resampling import Areas, Draws, EventResamples, Mistags, Statistic
from salt_like.evaluation.statistics import Floats, effective_entries
from salt_like.evaluation.task_metrics import label_of, prior_of
from salt_like.evaluation.working_points import EFFICIENCIES

CROSS_ENTROPY = "cross-entropy"
SHOWN = (0.70, 0.77, 0.85)  # working points of a short table
SAME_FRACTION = 0.01  # class fractions of two trainings that differ by less are taken for the same


class Tagger:
    """What one of the two says about the class of the jets.

    Args:
        file: The prediction file.
        task: A task that classifies jets.

    Raises:
        UserError: The file has no labels, or probabilities that are no numbers.
    """

    def __init__(self, file: PredictionFile, task: TaskRecord) -> None:
        self.file, self.task = file, task
        label = label_of(file, self.task, "class")
        if file.column_of(label) not in file.jet_fields:
            raise UserError(
                f"no label '{label.name}' of the jets: {file.path}\npredict with `train test`, which copies labels"
            )
        self.classes = label.classes
        names = {one.of_class: one.column(file.contents.model) for one in self.task.outputs}
        read = file.columns([*names.values(), file.column_of(label)])
        self.labels = decode(label, read[file.column_of(label)])
        self.used = self.labels >= 0  # jets without a label count nowhere
        for name in names.values():
            wrong = self.used & ~np.isfinite(read[name])
            if wrong.any():
                raise UserError(
                    f"{name} is no number in {int(wrong.sum())} of {file.jets} jets, the first of which is "
                    f"{int(wrong.argmax())}\nin {file.path}"
                )
        self.probabilities = {name: read[column] for name, column in names.items()}
        self.discriminants = {
            one.name: one
            for one in file.contents.spec.discriminants
            if {one.signal, *one.background} <= set(self.probabilities)
        }

    def statistic(self, rows: list[Row], wanted: list[str], drawn: EventResamples) -> Statistic:
        """From resamples to what each row needs of this tagger, ``(r, rows)``.

        Args:
            rows: As `rows_of` returns them.
            wanted: The discriminants, in their order.
            drawn: The resamples.
        """
        parts: list[Statistic] = []
        for name in wanted:
            one = self.discriminants[name]
            values = discriminant(self.probabilities, one.signal, one.background)
            signal = self.classes.index(one.signal)
            others = [index for index in range(len(self.classes)) if index != signal]
            parts.append(_flat(Mistags(values, self.labels, signal, others, EFFICIENCIES)))
        shares = np.stack([self.probabilities[name] for name in self.classes], 1)
        if any(row.name == CROSS_ENTROPY for row in rows):
            parts.append(self._mean(negative_log(shares[self.used], self.labels[self.used]), drawn))
        odds = log_odds(shares)
        parts += [_column(Areas(odds[:, one], self.labels == one, self.used)) for one in range(len(self.classes))]
        return lambda draws: np.concatenate([part(draws) for part in parts], 1)

    def _mean(self, values: Floats, drawn: EventResamples) -> Statistic:
        weights = np.ones(len(values)) if drawn.own is None else drawn.own[self.used]
        sums = np.zeros((drawn.events, 2))
        add_by_event(sums, drawn.event[self.used], [weights * values, weights])

        def mean(draws: Draws) -> Floats:
            above, below = (draws.copies @ sums).T
            with np.errstate(all="ignore"):  # a resample may hold no jet
                found: Floats = (above / below)[:, None]
            return found

        return mean


def _flat(mistags: Mistags) -> Statistic:
    return lambda draws: mistags(draws.jets).reshape(len(draws.copies), -1)


def _column(areas: Areas) -> Statistic:
    return lambda draws: areas(draws.jets)[:, None]


def classified_jets(
    first: PredictionFile, task: TaskRecord, second: PredictionFile, other: TaskRecord, drawn: EventResamples
) -> Pair:
    """A classification of jets by both.

    Args:
        first: File of A.
        task: Its task.
        second: File of B.
        other: Its task.
        drawn: The resamples.

    Raises:
        UserError: Other classes or labels, no labels, or probabilities that are no numbers.
    """
    sides = Tagger(first, task), Tagger(second, other)
    _require_same_classes(*sides)
    wanted = [
        name
        for name, one in sides[0].discriminants.items()
        if name in sides[1].discriminants and sides[1].discriminants[name].signal == one.signal
    ]
    rows = _rows(sides[0], wanted, _prior(sides[0]) == _prior(sides[1]), drawn)
    statistics = (sides[0].statistic(rows, wanted, drawn), sides[1].statistic(rows, wanted, drawn))
    return Pair(task.name, task.stream, tuple(rows), statistics, tuple(_notes(*sides)), of_jets=True)


def _rows(side: Tagger, wanted: list[str], same_prior: bool, drawn: EventResamples) -> list[Row]:
    """What can be compared, in the order of `Tagger.statistic`."""
    weights = np.ones(len(side.labels)) if drawn.own is None else drawn.own
    entries = [effective_entries(weights[side.labels == index]) for index in range(len(side.classes))]
    events = [drawn.number_of(side.labels == index) for index in range(len(side.classes))]
    rest = [drawn.number_of(side.used & (side.labels != index)) for index in range(len(side.classes))]
    rows = []
    for name in wanted:
        signal = side.classes.index(side.discriminants[name].signal)
        rows += [
            Row(
                f"{name} {100 * efficiency:.0f} %, {background} rejection",
                "rejection",
                entries=entries[index],
                events=events[signal],
                detail=efficiency not in SHOWN,
            )
            for efficiency in EFFICIENCIES
            for index, background in enumerate(side.classes)
            if index != signal
        ]
    if same_prior:
        rows.append(Row(CROSS_ENTROPY, higher_is_better=False, events=drawn.number_of(side.used)))
    return rows + [
        Row(f"AUC {name} against rest", events=min(events[index], rest[index]))
        for index, name in enumerate(side.classes)
    ]


def _require_same_classes(first: Tagger, second: Tagger) -> None:
    """Refuse taggers of other classes, and files with other labels.

    Raises:
        UserError: They differ.
    """
    if first.classes != second.classes or set(first.probabilities) != set(second.probabilities):
        raise UserError(
            f"not the same classes: {', '.join(first.classes)} in A and {', '.join(second.classes)} in B\n"
            f"A: {first.file.path}\nB: {second.file.path}"
        )
    differs = first.labels != second.labels
    if differs.any():
        jet = int(differs.argmax())
        raise UserError(
            f"not the same class of jet {jet}: {first.labels[jet]} in A and {second.labels[jet]} in B\n"
            f"A: {first.file.path}\nB: {second.file.path}"
        )


def _prior(side: Tagger) -> dict[str, float]:
    """Class fractions for which its probabilities hold; empty for those of the training sample."""
    return prior_of(side.task, side.classes)


def _trained_otherwise(first: Tagger, second: Tagger) -> list[str]:
    """What else than the tagger makes cross-entropies differ: jets that counted otherwise in the two trainings."""
    found = []
    one, other = (label_of(side.file, side.task, "class").prior for side in (first, second))
    if one and other and not first.task.prior:
        change = np.abs(np.subtract(one, other))
        index = int(change.argmax())
        if change[index] > SAME_FRACTION:
            found.append(
                f"cross-entropies hold for the class fractions of each training ({first.classes[index]}: "
                f"{one[index]:.3f} for A, {other[index]:.3f} for B): `train test --prior` makes them comparable"
            )
    weights = [side.file.contents.spec.reweighting for side in (first, second)]
    kinds = ["none" if one is None else str(one) for one in weights]
    if weights[0] != weights[1]:
        what = f"{kinds[0]} for A, {kinds[1]} for B" if kinds[0] != kinds[1] else f"{kinds[0]}, in other bins"
        found.append(
            f"not the same weights by class and kinematics ({what}): part of any difference of cross-entropies"
        )
    return found


def _notes(first: Tagger, second: Tagger) -> list[str]:
    notes = []
    if _prior(first) != _prior(second):
        notes.append("probabilities for different class fractions: cross-entropies are not compared")
    else:
        notes += _trained_otherwise(first, second)
    for name, one in first.discriminants.items():
        other = second.discriminants.get(name)
        if other is None:
            notes.append(f"{name}: not in B")
        elif other.signal != one.signal:
            notes.append(f"{name}: not the same signal, left out: {one.signal} in A, {other.signal} in B")
        elif other != one:
            notes.append(f"{name}: not the same fractions: {dict(one.background)} in A, {dict(other.background)} in B")
    return notes + [f"{name}: not in A" for name in second.discriminants if name not in first.discriminants]
