"""Two taggers on the same jets: ratios of rejections, differences of cross-entropy and AUC, with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from salt_like.errors import UserError
from salt_like.evaluation.metric import plain
from salt_like.evaluation.paired import Compared, Tagger, prior, require_same_classes, rows_of
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.resampling import EventResamples, interval, resampled
from salt_like.evaluation.statistics import Floats
from salt_like.spec import Output


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
        differences: Cross-entropy and AUC.
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
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = plain(asdict(self))
        for key, rows in (("ratios", self.ratios), ("differences", self.differences)):
            found[key] = [{**one, "verdict": row.verdict} for one, row in zip(found[key], rows, strict=True)]
        return found


def compare(
    first: PredictionFile,
    second: PredictionFile,
    resamples: int = 1000,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare the classification of the jets in two prediction files.

    Cuts are made anew for each model and each resample, so that their uncertainty is in the intervals.

    Args:
        first: A.
        second: B, of the same jets.
        resamples: Number of resamples of the events.
        seed: Of the random numbers.
        report: Called with the number of resamples done and that of all.

    Raises:
        UserError: Other jets, other classes, or no classification of jets.
    """
    require_same_jets(first, second)
    sides = Tagger(first), Tagger(second)
    require_same_classes(*sides)
    rows = rows_of(*sides)
    measured = [side.measure(rows) for side in sides]
    is_ratio = np.array([row.is_ratio for row in rows])
    events = first.events() if first.events() is not None else second.events()
    drawn = EventResamples(np.arange(first.jets) if events is None else events, sides[0].weights, resamples, seed)

    def changes(weights: Floats) -> Floats:
        one, other = (measure(weights) for measure in measured)
        with np.errstate(all="ignore"):
            return np.where(
                is_ratio, one / other, other - one
            )  # of passing shares, so the rejection of B over that of A

    found = resampled(changes, drawn, report)
    own = sides[0].weights[None]
    here, values = changes(own)[0], [measure(own)[0] for measure in measured]
    compared = [
        row.compared(
            float(values[0][place]), float(values[1][place]), interval(float(here[place]), found[:, place]), sides[0]
        )
        for place, row in enumerate(rows)
    ]
    return Comparison(
        first.contents.sample,
        (str(first.path), str(second.path)),
        (first.contents.model, second.contents.model),
        first.jets,
        drawn.events,
        events is not None,
        resamples,
        seed,
        tuple(one for one, ratio in zip(compared, is_ratio, strict=True) if ratio),
        tuple(one for one, ratio in zip(compared, is_ratio, strict=True) if not ratio),
        tuple(_notes(*sides, events is not None)),
    )


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
    said = {output.column(file.contents.model) for file in (first, second) for output in _outputs(file)}
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


def _outputs(file: PredictionFile) -> list[Output]:
    return [output for task in file.contents.tasks for output in task.outputs]


def _notes(first: Tagger, second: Tagger, by_event: bool) -> list[str]:
    notes = []
    if not by_event:
        notes.append("the files do not identify events: jets were resampled one by one, as if they were independent")
    if prior(first) != prior(second):
        notes.append("probabilities for different class fractions: cross-entropies are not compared")
    for name, one in first.discriminants.items():
        other = second.discriminants.get(name)
        if other is None:
            notes.append(f"{name}: not in B")
        elif other != one:
            notes.append(f"{name}: not the same fractions: {dict(one.background)} in A, {dict(other.background)} in B")
    return notes
