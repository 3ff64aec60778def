"""What two taggers say about the class of the same jets, number by number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from salt_like.errors import UserError
from salt_like.evaluation.classification import negative_log
from salt_like.evaluation.ranking import log_odds
from salt_like.evaluation.reader import PredictionFile, decode
from salt_like.evaluation.rejection import FEWEST, discriminant
from salt_like.evaluation.resampling import Areas, Interval, Mistags
from salt_like.evaluation.statistics import Floats, effective_entries
from salt_like.evaluation.task_metrics import label_of, prior_of
from salt_like.evaluation.working_points import EFFICIENCIES

CROSS_ENTROPY = "cross-entropy"


@dataclass(frozen=True)
class Compared:
    """One number of both.

    Args:
        name: What was measured.
        first: Of A.
        second: Of B.
        change: B/A for a rejection, B - A for everything else.
        neutral: The change when both are equal: 1 or 0.
        higher_is_better: True where a larger number is the better one.
        passing: Effective number of background jets that pass in the one with fewer; ``None`` where that is no limit.
    """

    name: str
    first: float
    second: float
    change: Interval
    neutral: float
    higher_is_better: bool
    passing: float | None = None

    @property
    def conclusive(self) -> bool:
        """False where too few jets pass."""
        return math.isfinite(self.change.value) and (self.passing is None or self.passing >= FEWEST)

    @property
    def verdict(self) -> str:
        """What the 95 % interval says."""
        if not self.conclusive:
            return (
                "inconclusive: no jets" if self.passing is None else f"inconclusive: only {self.passing:.0f} jets pass"
            )
        if self.change.low95 <= self.neutral <= self.change.high95:
            return "no difference shown"
        return "B is better" if (self.change.low95 > self.neutral) == self.higher_is_better else "A is better"


class Tagger:
    """What one of the two says about the class of the jets.

    Args:
        file: The prediction file.

    Raises:
        UserError: It has no classification of jets, or no labels.
    """

    def __init__(self, file: PredictionFile) -> None:
        jets = file.contents.spec.global_stream.name
        found = [
            task
            for task in file.contents.tasks
            if task.stream == jets and {one.kind for one in task.outputs} == {"probability"}
        ]
        if not found:
            raise UserError(f"no classification of jets to compare\nin {file.path}")
        self.file, self.task = file, found[0]
        label = label_of(file, self.task, "class")
        if file.column_of(label) not in file.jet_fields:
            raise UserError(
                f"no label '{label.name}' of the jets: {file.path}\npredict with `train test`, which copies labels"
            )
        self.classes = label.classes
        names = {one.of_class: one.column(file.contents.model) for one in self.task.outputs}
        read = file.columns([*names.values(), file.column_of(label)])
        self.labels = decode(label, read[file.column_of(label)])
        self.probabilities = {name: read[column] for name, column in names.items()}
        given = file.weights()
        # jets without a label count nowhere
        self.weights: Floats = np.where(self.labels >= 0, 1.0 if given is None else given, 0.0)
        self.discriminants = {
            one.name: one
            for one in file.contents.spec.discriminants
            if {one.signal, *one.background} <= set(self.probabilities)
        }

    def measure(self, rows: Sequence[Row]) -> Callable[[Floats], Floats]:
        """From weights of the jets ``(r, n)`` to what each row needs of this tagger, ``(r, rows)``."""
        parts: list[Callable[[Floats], Floats]] = []
        for name in dict.fromkeys(row.discriminant for row in rows if row.discriminant):
            one = self.discriminants[name]
            values = discriminant(self.probabilities, one.signal, one.background)
            signal = self.classes.index(one.signal)
            others = [index for index in range(len(self.classes)) if index != signal]
            parts.append(_flat(Mistags(values, self.labels, signal, others, EFFICIENCIES)))
        shares = np.stack([self.probabilities[name] for name in self.classes], 1)
        if any(row.name == CROSS_ENTROPY for row in rows):
            loss = negative_log(shares, np.maximum(self.labels, 0))
            parts.append(_mean(loss))
        odds = log_odds(shares)
        for index in range(len(self.classes)):
            parts.append(_column(Areas(odds[:, index], self.labels == index)))
        return lambda weights: np.concatenate([part(weights) for part in parts], 1)


def _mean(values: Floats) -> Callable[[Floats], Floats]:
    def mean(weights: Floats) -> Floats:
        with np.errstate(all="ignore"):  # a resample may hold no jet
            found: Floats = (weights @ values / weights.sum(1))[:, None]
        return found

    return mean


def _flat(mistags: Mistags) -> Callable[[Floats], Floats]:
    return lambda weights: mistags(weights).reshape(len(weights), -1)


def _column(areas: Areas) -> Callable[[Floats], Floats]:
    return lambda weights: areas(weights)[:, None]


@dataclass(frozen=True)
class Row:
    """One number that is compared.

    Args:
        name: What it is.
        discriminant: The discriminant of a rejection, empty for other numbers.
        background: Index of its background class.
        higher_is_better: True where a larger number is the better one.
    """

    name: str
    discriminant: str = ""
    background: int = -1
    higher_is_better: bool = True

    @property
    def is_ratio(self) -> bool:
        """True for a rejection, of which the ratio is taken."""
        return self.discriminant != ""

    def compared(self, first: float, second: float, change: Interval, side: Tagger) -> Compared:
        """The number of both with the interval of its change.

        Args:
            first: Of A; for a rejection the passing share.
            second: Of B.
            change: Their ratio or difference.
            side: Either of the two.
        """
        if not self.discriminant:
            return Compared(self.name, first, second, change, 0.0, self.higher_is_better)
        passing = min(first, second) * effective_entries(side.weights[side.labels == self.background])
        with np.errstate(divide="ignore"):
            one, other = (float(np.float64(1) / share) for share in (first, second))
        return Compared(self.name, one, other, change, 1.0, True, 0.0 if math.isnan(passing) else passing)


def rows_of(first: Tagger, second: Tagger) -> list[Row]:
    """What can be compared, in the order of `Tagger.measure`."""
    rows = []
    for name, one in first.discriminants.items():
        if name in second.discriminants and second.discriminants[name].signal == one.signal:
            rows += [
                Row(f"{name} {100 * efficiency:.0f} %, {background} rejection", name, index)
                for efficiency in EFFICIENCIES
                for index, background in enumerate(first.classes)
                if background != one.signal
            ]
    if prior(first) == prior(second):
        rows.append(Row(CROSS_ENTROPY, higher_is_better=False))
    return rows + [Row(f"AUC {name} against rest") for name in first.classes]


def require_same_classes(first: Tagger, second: Tagger) -> None:
    """Refuse taggers of other classes, and files with other labels or weights.

    Raises:
        UserError: They differ.
    """
    if first.classes != second.classes or set(first.probabilities) != set(second.probabilities):
        raise UserError(
            f"not the same classes: {', '.join(first.classes)} in A and {', '.join(second.classes)} in B\n"
            f"A: {first.file.path}\nB: {second.file.path}"
        )
    for what, one, other in (("class", first.labels, second.labels), ("weight", first.weights, second.weights)):
        if not np.array_equal(one, other):
            jet = int((one != other).argmax())
            raise UserError(
                f"not the same {what} of jet {jet}: {one[jet]} in A and {other[jet]} in B\n"
                f"A: {first.file.path}\nB: {second.file.path}"
            )


def prior(side: Tagger) -> dict[str, float]:
    """Class fractions for which its probabilities hold; empty for those of the training sample."""
    return prior_of(side.task, side.classes)
