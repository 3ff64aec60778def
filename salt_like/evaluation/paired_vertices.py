"""How two taggers group the same constituents into vertices: efficiencies, purities and fake rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.event_sums import add_by_event
from salt_like.evaluation.paired import LeftOutError, Pair, Row
from salt_like.evaluation.paired_constituents import require_same_truth, same_constituents, truth_column
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.resampling import Draws, EventResamples
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.task_metrics import knows_origin, label_of, vertexed
from salt_like.evaluation.vertexing import COUNTS, RATIOS, Tracks, count

OF_CLASS = tuple(one for one in RATIOS if "pair" not in one[0])  # what is compared per class of the jets too


class VertexRatios:
    """Sums per event from which efficiencies, purities and fake rates of vertices follow for any resample.

    Args:
        events: Number of events.
        classes: Names of the classes of the jets, for numbers of each.
    """

    def __init__(self, events: int, classes: Sequence[str] = ()) -> None:
        self.names = [name for name, _, _ in RATIOS]
        self._columns = list(range(len(COUNTS)))  # of the counts, in the order of the sums
        self._above = [above for _, above, _ in RATIOS]
        self._below = [below for _, _, below in RATIOS]
        self._of: list[int | None] = [None] * len(COUNTS)
        for index, kind in enumerate(classes):
            wanted = sorted({column for _, above, below in OF_CLASS for column in (above, below)})
            start = len(self._columns)
            self._columns += wanted
            self._of += [index] * len(wanted)
            for name, above, below in OF_CLASS:
                self.names.append(f"{name.partition(' (')[0]}, {kind}")
                self._above.append(start + wanted.index(above))
                self._below.append(start + wanted.index(below))
        self._sums = np.zeros((events, len(self._columns)))
        self._entries = np.zeros((events, len(self._columns)))

    def add(
        self,
        tracks: Tracks,
        found: NDArray[np.integer],
        event: NDArray[np.intp],
        weights: Floats | None = None,
        of_class: NDArray[np.integer] | None = None,
    ) -> None:
        """Add some jets.

        Args:
            tracks: Their constituents and the truth.
            found: Predicted vertex index, ``(T,)``.
            event: Event of each jet, ``(jets,)``.
            weights: Weight of each jet, ``(jets,)``; ``None`` for 1.
            of_class: Class of each jet, ``(jets,)``, negative for none.
        """
        counts = count(tracks, found)
        columns = [
            counts[:, column] if of is None or of_class is None else counts[:, column] * (of_class == of)
            for column, of in zip(self._columns, self._of, strict=True)
        ]
        add_by_event(self._entries, event, columns)
        add_by_event(self._sums, event, columns if weights is None else [weights * one for one in columns])

    def events(self) -> list[int]:
        """For each number, how many events have something in its denominator."""
        return [int((self._entries[:, below] > 0).sum()) for below in self._below]

    def __call__(self, draws: Draws) -> Floats:
        """For each resample, ``(r, len(names))``; NaN where the denominator is not positive."""
        found = draws.copies @ self._sums
        above, below = found[:, self._above], found[:, self._below]
        with np.errstate(all="ignore"):
            ratios: Floats = np.where(below > 0, above / below, np.nan)
        return ratios


def found_vertices(
    first: PredictionFile, task: TaskRecord, second: PredictionFile, other: TaskRecord, drawn: EventResamples
) -> Pair:
    """A search for vertices by both.

    Where only one of the files says which constituents are from heavy flavour, that is true of both.

    Args:
        first: File of A.
        task: Its task.
        second: File of B.
        other: Its task.
        drawn: The resamples.

    Raises:
        LeftOutError: Not the same constituents, vertices or origins, or no labels.
    """
    for side, file, record in (("A", first, task), ("B", second, other)):
        truth_column(file, label_of(file, record, "index"), side)
    known = knows_origin(first, task.stream), knows_origin(second, other.stream)
    classes, of_class = first.flavours() or second.flavours() or ((), None)
    sums = VertexRatios(drawn.events, classes), VertexRatios(drawn.events, classes)
    entries = 0
    same = same_constituents(first, ["valid"], second, ["valid"], task.stream)
    for _, (part, one, found), (_, two, found2) in zip(
        same, vertexed(first, task), vertexed(second, other), strict=True
    ):
        jet = part.first + part.jet
        require_same_truth(np.maximum(one.truth, -1), np.maximum(two.truth, -1), "true vertex of a constituent", jet)
        if all(known):
            require_same_truth(one.heavy, two.heavy, "true origin of a constituent", jet)
        one, two = (one, replace(two, heavy=one.heavy)) if known[0] else (replace(one, heavy=two.heavy), two)
        at = part.rows
        for ratios, tracks, said in zip(sums, (one, two), (found, found2), strict=True):
            ratios.add(tracks, said, drawn.event[at], part.jet_weights, None if of_class is None else of_class[at])
        entries += len(found)
    if not entries:
        raise LeftOutError(f"no constituent in {task.stream}")
    events = [min(pair) for pair in zip(sums[0].events(), sums[1].events(), strict=True)]
    rows = [
        Row(name, higher_is_better=not name.startswith("fake"), events=number, detail=place >= len(RATIOS))
        for place, (name, number) in enumerate(zip(sums[0].names, events, strict=True))
    ]
    return Pair(task.name, task.stream, tuple(rows), sums, tuple(_notes(task.name, known)))


def _notes(name: str, known: tuple[bool, bool]) -> list[str]:
    if known[0] == known[1]:
        return []
    return [f"{name}: only {'A' if known[0] else 'B'} has the origins, which say for both what is heavy flavour"]
