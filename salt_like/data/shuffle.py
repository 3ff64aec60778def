"""The order in which an epoch visits the jets, and how it is cut into batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from salt_like.errors import UserError

Indices = NDArray[np.int64]
Item = TypeVar("Item")

CHUNK = 65_536  # jets that a cache shuffles among themselves while it is written
WINDOW = 131_072  # jets that are shuffled one by one: their bytes should fit in memory several times
RUN = 128  # jets that are read together when the data is larger than a window


@dataclass(frozen=True)
class Order:
    """A reproducible order of jets for each epoch; the same for any number of workers and ranks.

    Up to `window` jets are permuted individually. More jets are divided into windows, each of which takes its share of
    short runs from every chunk of the cache, and are permuted individually within the window. The chunks were shuffled
    when the cache was written, so neighbours in the file are no more likely to meet in a batch than any other jets,
    while the disk is read in runs and the jets of one window stay in memory.

    Args:
        size: Number of jets.
        seed: Seed of the whole training.
        chunk: Jets per chunk of the cache.
        window: Jets that are permuted individually.
        run: Jets that are next to each other in the cache and enter the same window.
    """

    size: int
    seed: int = 0
    chunk: int = CHUNK
    window: int = WINDOW
    run: int = RUN

    def epoch(self, number: int) -> EpochOrder:
        """The order of one epoch."""
        return EpochOrder(self, number)


class EpochOrder:
    """The order of one epoch, made window by window as it is asked for.

    Args:
        order: Of which jets, and how they are shuffled.
        epoch: Number of the epoch.
    """

    def __init__(self, order: Order, epoch: int) -> None:
        self.order = order
        self.number = epoch
        self._windows: dict[int, Indices] = {}

    def take(self, start: int, stop: int) -> Indices:
        """Positions in the data of the jets that are visited from `start` up to `stop`."""
        size = self.order.window
        windows = range(start // size, max(-(-stop // size), start // size + 1))
        parts = [self._window(number)[max(start - number * size, 0) : stop - number * size] for number in windows]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def ahead(self, start: int, stop: int) -> tuple[Indices, Indices]:
        """First and last (excluded) positions of the runs of jets that are visited from `start` to `stop` or nearby."""
        if self.order.size <= self.order.window:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        firsts, lasts, ends = self._runs
        chosen = slice(np.searchsorted(ends, start, "right"), np.searchsorted(ends, stop, "left") + 1)
        return firsts[chosen], lasts[chosen]

    def _window(self, number: int) -> Indices:
        if number not in self._windows:
            if len(self._windows) > 1:
                del self._windows[next(iter(self._windows))]
            start, stop = number * self.order.window, min((number + 1) * self.order.window, self.order.size)
            random = np.random.default_rng([self.order.seed, self.number, 1, number])
            self._windows[number] = random.permutation(self._contents(start, stop))
        return self._windows[number]

    def _contents(self, start: int, stop: int) -> Indices:
        if self.order.size <= self.order.window:
            return np.arange(self.order.size)
        firsts, lasts, ends = self._runs
        begin, end = int(np.searchsorted(ends, start, "right")), int(np.searchsorted(ends, stop, "left")) + 1
        lengths = (lasts - firsts)[begin:end]
        before = np.cumsum(lengths) - lengths
        jets = np.repeat(firsts[begin:end] - before, lengths) + np.arange(lengths.sum())
        skip = start - int(ends[begin] - lengths[0])
        return jets[skip : skip + stop - start]

    @cached_property
    def _runs(self) -> tuple[Indices, Indices, Indices]:
        """Runs of jets in the order in which they are visited: first, last (excluded), jets up to and with this run."""
        order = self.order
        random = np.random.default_rng([order.seed, self.number, 0])
        edges, keys = [], []
        for begin in range(0, order.size, order.chunk):
            end = min(begin + order.chunk, order.size)
            # few jets in the last chunk: shorter runs, so that they do not all enter one window
            run = max(1, order.run * (end - begin) // order.chunk)
            # another phase in each epoch, so that it is not always the same jets that share a run
            cuts = np.arange(begin + int(random.integers(1, run + 1)), end, run)
            edges.append(np.concatenate([[begin], cuts]))
            number = len(cuts) + 1
            # systematic sampling: each window gets its share of every chunk
            keys.append((random.permutation(number) + random.random(number)) / number)
        firsts = np.concatenate(edges)
        lasts = np.append(firsts[1:], order.size)
        visit = np.argsort(np.concatenate(keys), kind="stable")
        return firsts[visit], lasts[visit], np.cumsum((lasts - firsts)[visit])


@dataclass(frozen=True)
class Shards:
    """How an epoch is cut into batches, and which part of each belongs to this process.

    Every jet belongs to exactly one batch of one process. All processes have the same number of batches. What remains
    after the last full batch is a smaller batch, divided evenly over the processes; if it has fewer jets than there
    are processes it is added to the batch before.

    Args:
        size: Number of jets of all processes.
        batch_size: Jets in a batch of one process.
        rank: Number of this process.
        world: Number of processes.

    Raises:
        UserError: There are fewer jets than processes, or the batch size is not positive.
    """

    size: int
    batch_size: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"data.batch_size is {self.batch_size}: it must be at least 1")
        if self.size < self.world:
            raise UserError(f"{self.size} jets cannot be divided over {self.world} processes: use fewer processes")

    @property
    def batches(self) -> int:
        """Number of batches of this (and every other) process."""
        full, rest = divmod(self.size, self.batch_size * self.world)
        return full + (rest >= self.world or (rest > 0 and full == 0))

    def bounds(self, batch: int) -> tuple[int, int]:
        """Where this process's part of a batch begins and ends in the order of the epoch."""
        together = self.batch_size * self.world
        start = batch * together
        number = (self.size if batch == self.batches - 1 else start + together) - start
        return start + number * self.rank // self.world, start + number * (self.rank + 1) // self.world


def grouped(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """`items` in groups of `size`, the last one smaller where they do not divide."""
    return [items[start : start + size] for start in range(0, len(items), size)]
