"""Steps read from the files in each epoch, for data that cannot be cached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from salt_like.batch import Batch
from salt_like.data.columns import Columns
from salt_like.data.loader import Place, Preparation, Steps
from salt_like.data.shuffle import Shards, drawn, grouped
from salt_like.data.transfer import Step

BLOCK = 2000  # rows that are read together
WINDOW = 65_536  # jets that are shuffled together


class Blocks(Protocol):
    """What is read."""

    @property
    def rows(self) -> int:
        """Rows before any selection."""

    def chunks(self, *, first: int = 0, last: int | None = None) -> Iterator[Columns]:
        """The jets from row `first` up to `last`."""


@dataclass(frozen=True)
class Window:
    """Jets that are read and shuffled together.

    Args:
        blocks: Numbers of the blocks of rows that hold them.
        batches: Numbers of the batches that are made of them.
    """

    blocks: NDArray[np.int64]
    batches: range


class StreamedSteps(Steps):
    """Steps straight from the files; all steps of a window of jets are one item.

    The blocks of the files are visited in random order, and the jets of a window's blocks are shuffled together.
    Batches differ from the batch size by a few jets, so that every epoch has the same number of them.

    Args:
        sample: What is read.
        counts: Jets in each block of rows after selection (`block_counts`).
        shards: How an epoch is cut into batches.
        prepare: What happens to the jets of each batch.
        accumulate: Batches per optimiser step; with more than one, a step is a tuple of batches.
        block: Rows in a block.
        window: Jets in a window.
        rates: How often a jet of each cell is drawn in its window, ``(cells + 1,)``; ``None`` to visit each jet once.
    """

    def __init__(
        self,
        sample: Blocks,
        counts: Sequence[int] | NDArray[np.int64],
        shards: Shards,
        prepare: Preparation,
        accumulate: int = 1,
        block: int = BLOCK,
        window: int = WINDOW,
        rates: NDArray[np.float64] | None = None,
    ) -> None:
        self.rates = rates
        self.sample = sample
        self.counts = np.asarray(counts, np.int64)
        self.shards = shards
        self.prepare = prepare
        self.accumulate = accumulate
        self.block = block
        self.number = max(1, min(round(shards.size / window), self.length))

    @property
    def length(self) -> int:
        return -(-self.shards.batches // self.accumulate)

    def items(self, epoch: int, start: int) -> Iterator[tuple[Place, int]]:
        before = 0
        for number in range(self.number):
            after = before + len(self._steps(number))
            if after > start:
                yield (epoch, number), max(start - before, 0)
            before = after

    def __getitem__(self, place: Place) -> list[Step]:
        epoch, number = place
        window = self._windows(epoch)[number]
        parts = [part for block in np.sort(window.blocks).tolist() for part in self._read(block)]
        columns = Columns.concatenate(parts)
        random = np.random.default_rng([self.prepare.seed, epoch, 3, number])
        if self.rates is None:
            columns = columns.select(random.permutation(len(columns)))
        else:
            columns = columns.select(drawn(random, self.rates[columns.cells]))
        batches = [self._batch(columns, window, epoch, batch) for batch in window.batches]
        return [group[0] if self.accumulate == 1 else tuple(group) for group in grouped(batches, self.accumulate)]

    def _read(self, block: int) -> Iterator[Columns]:
        return self.sample.chunks(first=block * self.block, last=min((block + 1) * self.block, self.sample.rows))

    def _batch(self, columns: Columns, window: Window, epoch: int, batch: int) -> Batch:
        number, total = batch - window.batches.start, len(window.batches)
        start, stop = len(columns) * number // total, len(columns) * (number + 1) // total
        rank, world = self.shards.rank, self.shards.world
        own = slice(start + (stop - start) * rank // world, start + (stop - start) * (rank + 1) // world)
        return self.prepare(columns.select(own), epoch, batch)

    def _steps(self, number: int) -> range:
        """Steps of one window: as equal shares as whole steps allow."""
        return range(self.length * number // self.number, self.length * (number + 1) // self.number)

    def _batches(self, number: int) -> range:
        steps = self._steps(number)
        return range(steps.start * self.accumulate, min(steps.stop * self.accumulate, self.shards.batches))

    def _windows(self, epoch: int) -> list[Window]:
        blocks = np.random.default_rng([self.prepare.seed, epoch, 2]).permutation(len(self.counts))
        ends = np.cumsum(self.counts[blocks])
        # as many jets as batches are made of them
        shares = np.array([self._batches(number).start for number in range(1, self.number)]) / self.shards.batches
        edges = np.searchsorted(ends, self.shards.size * shares, "right")
        return [Window(part, self._batches(number)) for number, part in enumerate(np.split(blocks, edges))]


class FileSteps(Steps):
    """Batches in the order of the files, read once; of all processes each reads its own rows.

    A batch has fewer jets where the selection leaves fewer, and batches without any jets are left out.

    Args:
        sample: What is read.
        batch_size: Rows of the files for each batch.
        prepare: What happens to the jets of each batch.
        rank: Number of this process.
        world: Number of processes.
        block: Rows that are read together, at least.
    """

    def __init__(
        self,
        sample: Blocks,
        batch_size: int,
        prepare: Preparation,
        rank: int = 0,
        world: int = 1,
        block: int = BLOCK,
    ) -> None:
        self.sample = sample
        self.batch_size = batch_size
        self.prepare = prepare
        self.rank = rank
        self.world = world
        self.batches = -(-block // batch_size)  # in one item

    @property
    def length(self) -> int:
        per_item = self.batches * self.batch_size
        rows = (min((place + 1) * per_item, self.sample.rows) - place * per_item for place in self._places())
        # at least 1: Lightning refuses a process without any, which may well be where the files are few blocks long
        return max(1, sum(-(-number // self.batch_size) for number in rows))

    def items(self, epoch: int, start: int) -> Iterator[tuple[Place, int]]:
        places = list(self._places())
        return (((epoch, place), 0) for place in places[start // self.batches :])

    def __getitem__(self, place: Place) -> list[Step]:
        epoch, number = place
        first = number * self.batches * self.batch_size
        last = min(first + self.batches * self.batch_size, self.sample.rows)
        parts = list(self.sample.chunks(first=first, last=last))
        if not parts:  # all behind the limit on the number of jets
            return []
        columns = Columns.concatenate(parts)
        ends = np.searchsorted(columns.rows, np.arange(first, last, self.batch_size))
        bounds = zip(ends, [*ends[1:], len(columns)], strict=True)
        pieces = [columns.select(slice(start, stop)) for start, stop in bounds if stop > start]
        return [self.prepare(piece, epoch, number * self.batches + place) for place, piece in enumerate(pieces)]

    def _places(self) -> range:
        return range(self.rank, -(-self.sample.rows // (self.batches * self.batch_size)), self.world)


def block_counts(sample: Blocks, block: int = BLOCK) -> NDArray[np.int64]:
    """Jets in each block of rows after selection, found by reading everything once."""
    counts = np.zeros(-(-sample.rows // block), np.int64)
    for columns in sample.chunks():
        np.add.at(counts, columns.rows.astype(np.int64) // block, 1)
    return counts
