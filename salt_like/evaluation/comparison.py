"""Two taggers on the same jets: what each task says, with the intervals of differences and ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from salt_like.errors import UserError
from salt_like.evaluation.matching import paired
from salt_like.evaluation.metric import plain
from salt_like.evaluation.paired import Compared, Pair
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.resampling import Draws, EventResamples, resampled
from salt_like.evaluation.statistics import Floats


@dataclass(frozen=True)
class TaskComparison:
    """A task of both taggers.

    Args:
        task: Its name in A.
        stream: Stream whose rows it describes.
        rows: The numbers.
    """

    task: str
    stream: str
    rows: tuple[Compared, ...]


@dataclass(frozen=True)
class Comparison:
    """Two taggers on the same jets.

    Args:
        sample: Name of the sample.
        files: The prediction files.
        models: Their models.
        jets: Number of jets.
        events: Number of events that were resampled; that of the jets where the files do not identify events.
        by_event: False where jets were resampled one by one.
        resamples: Number of resamples.
        seed: Their seed.
        ratios: Rejections.
        differences: Cross-entropy and AUC of the class of the jets.
        tasks: All other tasks.
        notes: What one must know to read them.
    """

    sample: str
    files: tuple[str, str]
    models: tuple[str, str]
    jets: int
    events: int
    by_event: bool
    resamples: int
    seed: int
    ratios: tuple[Compared, ...]
    differences: tuple[Compared, ...]
    tasks: tuple[TaskComparison, ...] = ()
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = plain(asdict(self))
        found["ratios"], found["differences"] = _with_verdicts(self.ratios), _with_verdicts(self.differences)
        found["tasks"] = {one.task: {"stream": one.stream, "metrics": _with_verdicts(one.rows)} for one in self.tasks}
        return found


def _with_verdicts(rows: Sequence[Compared]) -> list[dict[str, Any]]:
    return [{**plain(asdict(row)), "verdict": row.verdict} for row in rows]


def compare(
    first: PredictionFile,
    second: PredictionFile,
    resamples: int = 1000,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare what the tasks in two prediction files say.

    Cuts are made anew for each model and each resample, so that their uncertainty is in the intervals.

    Args:
        first: A.
        second: B, of the same jets.
        resamples: Number of resamples of the events.
        seed: Of the random numbers.
        report: Called with the number of resamples done and that of all.

    Raises:
        UserError: Other jets or weights, other classes of the jets, or no task that both have.
    """
    require_same_jets(first, second)
    events = first.events() if first.events() is not None else second.events()
    numbers = np.arange(first.jets) if events is None else events
    drawn = EventResamples(numbers, _weights(first, second), resamples, seed)
    pairs, notes = paired(first, second, drawn)
    if not pairs:
        said = "\n".join(notes[:2]) or "no task has a truth in either"
        raise UserError(f"nothing to compare\n{said}\nA: {first.path}\nB: {second.path}")
    main = next((pair for pair in pairs if pair.of_jets), None)
    jets: tuple[Compared, ...] = ()
    others: dict[tuple[str, str], tuple[Compared, ...]] = {}
    for pair, rows in zip(pairs, _resample(pairs, drawn, report), strict=True):
        if pair is main:
            jets = rows
        else:  # several values of one task stand together
            others[pair.name, pair.stream] = (*others.get((pair.name, pair.stream), ()), *rows)
    if events is None:
        notes.insert(0, "the files do not identify events: jets were resampled one by one, as if they were independent")
    return Comparison(
        first.contents.sample,
        (str(first.path), str(second.path)),
        (first.contents.model, second.contents.model),
        first.jets,
        drawn.events,
        events is not None,
        resamples,
        seed,
        tuple(row for row in jets if row.neutral == 1),
        tuple(row for row in jets if row.neutral == 0),
        tuple(TaskComparison(*named, rows) for named, rows in others.items()),
        tuple(notes),
    )


def _resample(
    pairs: Sequence[Pair], drawn: EventResamples, report: Callable[[int, int], None] | None
) -> list[tuple[Compared, ...]]:
    """The rows of each pair with their intervals, all from the same resamples."""

    def numbers(draws: Draws) -> Floats:
        return np.concatenate([side(draws) for pair in pairs for side in pair.sides], 1)

    values, here = resampled(numbers, drawn, report), numbers(drawn.whole())[0]
    found, start = [], 0
    for pair in pairs:
        number = len(pair.rows)
        found.append(
            tuple(
                row.compared(float(here[one]), float(here[other]), (values[:, one], values[:, other]))
                for row, one, other in zip(
                    pair.rows, range(start, start + number), range(start + number, start + 2 * number), strict=True
                )
            )
        )
        start += 2 * number
    return found


def _weights(first: PredictionFile, second: PredictionFile) -> Floats | None:
    """Weight of each jet, the same in both files.

    Raises:
        UserError: They differ.
    """
    one, other = first.weights(), second.weights()
    if one is None and other is None:
        return None
    one, other = (np.ones(first.jets) if weights is None else weights for weights in (one, other))
    if not np.array_equal(one, other):
        jet = int((one != other).argmax())
        raise UserError(
            f"not the same weight of jet {jet}: {one[jet]} in A and {other[jet]} in B\n"
            f"A: {first.path}\nB: {second.path}"
        )
    return one


def require_same_jets(first: PredictionFile, second: PredictionFile) -> None:
    """Refuse files whose jets differ in number or in a field that was copied from the source to both.

    Raises:
        UserError: They do; the message names the first difference.
    """
    advice = f"A: {first.path}\nB: {second.path}\ncompare predictions of the same files with the same selection"
    if first.jets != second.jets:
        raise UserError(f"not the same jets: {first.jets} in A and {second.jets} in B\n{advice}")
    if first.jets == 0:
        raise UserError(f"no jets to compare{f': {first.range}' if first.range else ''}\n{advice}")
    said = {output.column(file.contents.model) for file in (first, second) for output in file.outputs}
    for name in [one for one in first.jet_fields if one in second.jet_fields and one not in said]:
        one, other = (file.columns([name])[name] for file in (first, second))
        is_float = one.dtype.kind == "f" and other.dtype.kind == "f"
        differs = ~np.isclose(one, other, rtol=0, atol=0, equal_nan=True) if is_float else one != other
        if differs.any():
            jet = int(differs.argmax())
            raise UserError(
                f"not the same jets: {name} of jet {jet} is {one[jet]} in A and {other[jet]} in B "
                f"({int(differs.sum())} of {len(one)} jets differ)\n{advice}"
            )
