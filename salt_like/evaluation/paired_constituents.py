"""What two taggers say about the class of the same constituents: cross-entropy, macro-F1 and AUC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.classification import EXACT_ROWS, negative_log
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.event_sums import add_by_event
from salt_like.evaluation.paired import LeftOutError, Pair, Row, require_finite
from salt_like.evaluation.ranking import area_of_histograms, log_odds, score_bins
from salt_like.evaluation.reader import Constituents, PredictionFile, decode
from salt_like.evaluation.resampling import Draws, EventResamples, Statistic
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.task_metrics import label_of, prior_of
from salt_like.spec import Label

Integers = NDArray[np.integer]


class ClassSums:
    """Sums per event from which the metrics of class probabilities of constituents follow for any resample.

    Args:
        classes: Number of classes.
        events: Number of events.
    """

    def __init__(self, classes: int, events: int) -> None:
        self.classes = classes
        # weighted: -ln p, 1, and per class: right, true, predicted
        self._sums = np.zeros((events, 2 + 3 * classes))
        self._entries = np.zeros((events, classes))
        self._kept: list[_Scores] = []
        self._exact = True

    def add(
        self, probabilities: Floats, labels: Integers, event: NDArray[np.intp], weights: Floats | None = None
    ) -> None:
        """Add some constituents.

        Args:
            probabilities: ``(T, C)``.
            labels: ``(T,)``; entries with a negative label are left out.
            event: Event of each, ``(T,)``.
            weights: Weight of the jet of each, ``(T,)``; ``None`` for 1.
        """
        used = labels >= 0
        probabilities, labels, event = probabilities[used], labels[used], event[used]
        own = np.ones(len(labels)) if weights is None else weights[used].astype(np.float64)
        said, each = probabilities.argmax(1), range(self.classes)
        columns = [own * negative_log(probabilities, labels), own]
        columns += [own * ((labels == one) & (said == one)) for one in each]
        columns += [own * (labels == one) for one in each]
        columns += [own * (said == one) for one in each]
        add_by_event(self._sums, event, columns)
        add_by_event(self._entries, event, [labels == one for one in each])
        odds = log_odds(probabilities)
        self._kept.append(
            _Scores(odds if self._exact else _binned(odds), labels.astype(np.int16), event.astype(np.int32), own)
        )
        if self._exact and sum(len(one.labels) for one in self._kept) > EXACT_ROWS:
            self._exact = False
            for one in self._kept:
                one.scores = _binned(one.scores)

    def events(self) -> tuple[int, list[int]]:
        """Number of events with a labelled constituent; for each class with one of it, or with one of the others."""
        all_entries = self._entries.sum(1)
        has = self._entries > 0
        rest = self._entries < all_entries[:, None]
        return int((all_entries > 0).sum()), np.minimum(has.sum(0), rest.sum(0)).tolist()

    def statistic(self) -> Statistic:
        """From resamples to cross-entropy, macro-F1 and the AUC of each class, ``(r, 2 + C)``.

        The AUC is the sum over all pairs of one of the class and one of the others. Its change in a resample is taken
        from the change of the mean rank of either, as DeLong et al. (Biometrics 44 (1988) 837) do for its error; what
        is left out is the product of two such changes.
        """
        areas, shares = self._areas()
        sums = np.concatenate([self._sums, shares], 1)
        self._kept = []
        number = self.classes

        def metrics(draws: Draws) -> Floats:
            found = draws.copies @ sums
            loss, total = found[:, 0], found[:, 1]
            right, true, predicted, below, above = np.split(found[:, 2:], 5, 1)
            present = (true > 0) & (true + predicted > 0)
            with np.errstate(all="ignore"):
                each = np.where(present, 2 * right / (true + predicted), 0.0)
                area = below / true + above / (total[:, None] - true) - areas
                columns = [loss / total, each.sum(1) / present.sum(1), *area.T[:number]]
            return np.where((total > 0)[:, None], np.stack(columns, 1), np.nan)

        return metrics

    def _areas(self) -> tuple[Floats, Floats]:
        """AUC of each class, and sums per event of the weighted ranks of constituents of it and of the others."""
        shares = np.zeros((len(self._sums), 2 * self.classes))
        labels, event, own = (
            np.concatenate([getattr(one, name) for one in self._kept]) for name in ("labels", "event", "weights")
        )
        areas = np.full(self.classes, np.nan)
        for index in range(self.classes):
            scores = np.concatenate([one.scores[:, index] for one in self._kept])
            code = np.unique(scores, return_inverse=True)[1].reshape(-1) if self._exact else scores
            of_class = labels == index
            highest = int(code.max(initial=0)) + 1
            one, rest = (
                np.bincount(code[chosen], own[chosen], minlength=highest).astype(np.float64)
                for chosen in (of_class, ~of_class)
            )
            areas[index] = area_of_histograms(one, rest)
            if np.isnan(areas[index]):
                continue
            beaten = (np.cumsum(rest) - rest / 2) / rest.sum()
            beating = (one.sum() - np.cumsum(one) + one / 2) / one.sum()
            add_by_event(shares[:, index : index + 1], event[of_class], [(own * beaten[code])[of_class]])
            place = self.classes + index
            add_by_event(shares[:, place : place + 1], event[~of_class], [(own * beating[code])[~of_class]])
        return areas, shares


@dataclass
class _Scores:
    """Log-odds of each class, or their bins, ``(T, C)``; labels, events and weights, ``(T,)``."""

    scores: NDArray[np.generic]
    labels: Integers
    event: Integers
    weights: Floats


def _binned(odds: NDArray[np.generic]) -> NDArray[np.uint16]:
    return score_bins(odds).astype(np.uint16)  # type: ignore[arg-type]


def same_constituents(
    first: PredictionFile, names: Sequence[str], second: PredictionFile, others: Sequence[str], stream: str
) -> Iterator[tuple[Constituents, Constituents]]:
    """The constituents of a stream in both files, some jets at a time.

    Args:
        first: File of A.
        names: Fields of A.
        second: File of B.
        others: Fields of B.
        stream: The stream.

    Raises:
        LeftOutError: The models did not see the same constituents.
    """
    for one, other in zip(first.constituents(stream, names), second.constituents(stream, others), strict=True):
        if not (np.array_equal(one.jet, other.jet) and (one.slot == other.slot).all()):
            count, count2 = (np.bincount(part.jet, minlength=len(part.group)) for part in (one, other))
            jet = int((count != count2).argmax())
            raise LeftOutError(
                f"not the same constituents: {count[jet]} in jet {one.first + jet} of A and {count2[jet]} in that of B"
                if (count != count2).any()
                else "not the same constituents: as many in each jet, in other slots of the array"
            )
        yield one, other


def require_same_truth(one: NDArray[np.generic], other: NDArray[np.generic], what: str, jet: Integers) -> None:
    """Leave out a task whose truth is not the same in both.

    Args:
        one: Truth in A, ``(n,)``.
        other: Truth in B, ``(n,)``.
        what: What is true.
        jet: Jet of each, ``(n,)``.

    Raises:
        LeftOutError: It differs.
    """
    is_float = one.dtype.kind == "f" and other.dtype.kind == "f"
    differs = ~np.isclose(one, other, rtol=0, atol=0, equal_nan=True) if is_float else one != other
    if differs.any():
        at = int(differs.argmax())
        raise LeftOutError(
            f"not the same {what}, in jet {jet[at]}: {one[at]} in A and {other[at]} in B "
            f"({int(differs.sum())} of these {len(one)} differ)"
        )


def truth_column(file: PredictionFile, label: Label, side: str) -> str:
    """The column with a label.

    Args:
        file: The prediction file.
        label: The label.
        side: ``"A"`` or ``"B"``.

    Raises:
        LeftOutError: There is none.
    """
    column = file.column_of(label)
    if column not in file.fields[label.stream]:
        raise LeftOutError(f"no label '{label.name}' of {label.stream} in {side}; `train test` copies labels")
    return column


def classified_constituents(
    first: PredictionFile, task: TaskRecord, second: PredictionFile, other: TaskRecord, drawn: EventResamples
) -> Pair:
    """A classification of constituents by both.

    Args:
        first: File of A.
        task: Its task.
        second: File of B.
        other: Its task.
        drawn: The resamples.

    Raises:
        LeftOutError: Not the same classes, constituents or labels, no labels, or probabilities that are no numbers.
    """
    labels = label_of(first, task, "class"), label_of(second, other, "class")
    classes = labels[0].classes
    if classes != labels[1].classes:
        raise LeftOutError(f"not the same classes: {', '.join(classes)} in A and {', '.join(labels[1].classes)} in B")
    columns, names = [], []
    for side, file, record, label in zip("AB", (first, second), (task, other), labels, strict=True):
        said = {one.of_class: one.column(file.contents.model) for one in record.outputs}
        columns.append([said[name] for name in classes])
        names.append(truth_column(file, label, side))
    sums = [ClassSums(len(classes), drawn.events) for _ in columns]
    for parts in same_constituents(first, [*columns[0], names[0]], second, [*columns[1], names[1]], task.stream):
        truth = [decode(label, part.fields[name]) for label, part, name in zip(labels, parts, names, strict=True)]
        jet = parts[0].first + parts[0].jet
        require_same_truth(truth[0], truth[1], f"true class of constituents in {task.stream}", jet)
        for side, one, part, wanted in zip("AB", sums, parts, columns, strict=True):
            for name in wanted:
                require_finite(part.fields[name], truth[0] >= 0, name, side, jet)
            shares = np.stack([part.fields[name] for name in wanted], 1)
            one.add(shares, truth[0], drawn.event[jet], part.weights)
    events, of_class = sums[0].events()
    if not events:
        raise LeftOutError(f"no labelled constituent in {task.stream}")
    priors = [prior_of(record, classes) for record in (task, other)]
    loss, *rows = [Row("cross-entropy", higher_is_better=False, events=events), Row("macro-F1", events=events)]
    rows += [Row(f"AUC {name} against rest", events=of_class[i], detail=True) for i, name in enumerate(classes)]
    statistics = sums[0].statistic(), sums[1].statistic()
    if priors[0] == priors[1]:
        return Pair(task.name, task.stream, (loss, *rows), statistics)
    note = f"{task.name}: probabilities for different class fractions, cross-entropies are not compared"
    return Pair(task.name, task.stream, tuple(rows), (_rest(statistics[0]), _rest(statistics[1])), (note,))


def _rest(statistic: Statistic) -> Statistic:
    """All but the first number."""
    return lambda draws: statistic(draws)[:, 1:]
