"""Events and jets that are in the file twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import EVENT, WEIGHT, Block, Layout, hashed
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.verdict import Row, exact

OF_EVENT = ("jets.process", "jets.n_pileup", "jets.primaryVertexZ", WEIGHT)
OF_JET = ("jets.pt", "jets.eta", "jets.phi")
MOST_KEPT = 2_000_000  # jets whose identity is remembered; of larger files those of a random share of the events


class Identity(Part):
    """Whether an event number means one event, and a jet is there once.

    Jets of one event have the same process, pile-up, vertex and weight; a number with several of these is the number of
    several events. Of files with many jets a random share of the events is looked at, so that memory stays bounded.
    """

    section, what, needs = "Events", "event numbers", (EVENT,)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.of_event = [key for key in OF_EVENT if layout.has(key)]
        self.of_jet = [key for key in OF_JET if layout.has(key)]
        self.kept: list[NDArray[np.uint64]] = []
        self.one_in = 1

    def fill(self, block: Block) -> None:
        events = block[EVENT]
        rows = np.stack([_bits(events), _mixed(block, self.of_event), _mixed(block, self.of_jet)], 1)
        self.kept.append(self._thinned(rows))
        if sum(map(len, self.kept)) > MOST_KEPT:
            self.one_in *= 2
            self.kept = [self._thinned(np.concatenate(self.kept))]

    def _thinned(self, rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return np.asarray(rows[hashed(rows[:, 0]) % np.uint64(self.one_in) == 0])

    def rows(self) -> list[Row]:
        """Numbers of events, of numbers used twice, and of jets that are there twice."""
        rows = np.concatenate(self.kept) if self.kept else np.zeros((0, 3), np.uint64)
        events = len(np.unique(rows[:, 0]))
        note = f"estimated from one event in {self.one_in}" if self.one_in > 1 else ""
        found = [
            exact("events", events * self.one_in, note=note),
            exact("jets per event", round(len(rows) / events, 3) if events else np.nan),
        ]
        if self.of_event:
            different = len(np.unique(rows[:, :2], axis=0))
            note = "told apart by " + ", ".join(key.partition(".")[2] for key in self.of_event)
            shared = different - events
            found.append(exact("event numbers that several events have", shared, expected.NOTHING, note=note))
        if self.of_jet:
            jets = len(np.unique(rows, axis=0))
            found.append(exact("jets that are there twice", len(rows) - jets, expected.NOTHING))
        return found


def _mixed(block: Block, keys: list[str]) -> NDArray[np.uint64]:
    """A number for each jet that is the same where all of these fields are, (n,)."""
    found = np.zeros(len(block), np.uint64)
    for key in keys:
        found = hashed(found ^ _bits(block[key]))
    return found


def _bits(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(values).view(np.uint64)
