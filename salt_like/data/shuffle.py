"""The order in which an epoch visits the jets, and how it is cut into batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import positions
from salt_like.errors import UserError

Indices = NDArray[np.int64]
Item = TypeVar("Item")

CHUNK = 65_536  # jets that a cache shuffles among themselves while it is written
WINDOW = 131_072  # jets that are shuffled one by one where the data is read window by window, at most
WINDOW_BYTES = 1 << 26  # of these jets; two windows are in memory at once
WHOLE_BYTES = 1 << 28  # data that is one window
RUN = 64  # jets that are next to each other in the cache and enter the same window, at least


@dataclass(frozen=True)
class Order:
    """A reproducible order of jets for each epoch; the same for any number of workers and ranks.

    Up to `window` jets are permuted individually. More jets are divided into windows of equal size, each of which takes
    one run from every chunk of the cache, and are permuted individually within the window. The chunks were shuffled
    when the cache was written and all windows take the same share of each, so neighbours in the file are no more likely
    to meet in a batch than any other jets, while the disk is read in runs and only the jets of two windows need to be
    in memory.

    Args:
        size: Number of jets.
        seed: Seed of the whole training.
        chunk: Jets per chunk of the cache.
        window: Jets that are permuted individually, at most.
        run: Jets of a run, at least: of very large data not every window gets jets of every chunk.
        in_order: Visit the jets as they stand in the cache, in every epoch.
    """

    size: int
    seed: int = 0
    chunk: int = CHUNK
    window: int = WINDOW
    run: int = RUN
    in_order: bool = False

    @classmethod
    def of(cls, size: int, nbytes: int, seed: int = 0, chunk: int = CHUNK, in_order: bool = False) -> Order:
        """The order of `size` jets that have `nbytes` in all, in windows that fit in memory."""
        if nbytes <= WHOLE_BYTES:
            return cls(size, seed, chunk, max(size, 1), in_order=in_order)
        return cls(size, seed, chunk, max(min(WINDOW, WINDOW_BYTES * size // nbytes), RUN), in_order=in_order)

    @property
    def windows(self) -> int:
        """Number of windows."""
        return max(1, -(-self.size // self.window))

    @property
    def length(self) -> int:
        """Jets of each window; the last one may have fewer."""
        return max(1, -(-self.size // self.windows))

    def epoch(self, number: int) -> EpochOrder:
        """The order of one epoch."""
        return EpochOrder(self, number)


class EpochOrder:
    """The order of one epoch, made window by window as it is asked for.

    Args:
        order: Of which jets, and how they are shuffled.
        number: Number of the epoch.
    """

    def __init__(self, order: Order, number: int) -> None:
        self.order = order
        self.number = number
        self._places: dict[int, Indices] = {}

    def take(self, start: int, stop: int) -> Indices:
        """Positions in the data of the jets that are visited from `start` up to `stop`."""
        size = self.order.length
        windows = range(start // size, max(-(-stop // size), start // size + 1))
        parts = [self._visited(number)[max(start - number * size, 0) : stop - number * size] for number in windows]
        return np.concatenate(parts)

    def runs(self, window: int) -> tuple[Indices, Indices]:
        """First and last (excluded) position in the data of each run of jets in a window."""
        start, stop = self._bounds(window)
        if self.order.in_order or self.order.windows == 1:
            return np.array([start]), np.array([stop])
        firsts, lasts, ends = self._runs
        chosen = slice(int(np.searchsorted(ends, start, "right")), int(np.searchsorted(ends, stop, "left")) + 1)
        firsts, lasts, ends = firsts[chosen].copy(), lasts[chosen].copy(), ends[chosen]
        # the first and the last run may be shared with the windows before and behind
        firsts[0] = lasts[0] - (ends[0] - start)
        lasts[-1] -= ends[-1] - stop
        return firsts, lasts

    def places(self, window: int, rates: Callable[[], NDArray[np.float64]] | None = None) -> Indices:
        """Which of the jets of a window's runs, counted run by run, is visited when.

        Args:
            window: Number of the window.
            rates: Says how often each of the window's jets is to be drawn, up to a factor; ``None`` to visit each once.
        """
        if window not in self._places:
            if len(self._places) > 1:
                del self._places[next(iter(self._places))]
            start, stop = self._bounds(window)
            random = np.random.default_rng([self.order.seed, self.number, 1, window])
            if rates is not None:
                self._places[window] = drawn(random, rates())
            else:
                number = stop - start
                self._places[window] = np.arange(number) if self.order.in_order else random.permutation(number)
        return self._places[window]

    def _bounds(self, window: int) -> tuple[int, int]:
        return window * self.order.length, min((window + 1) * self.order.length, self.order.size)

    def _visited(self, window: int) -> Indices:
        return positions(*self.runs(window)).take(self.places(window))

    @cached_property
    def _runs(self) -> tuple[Indices, Indices, Indices]:
        """Runs of jets in the order in which they are visited: first, last (excluded), jets up to and with this run."""
        order = self.order
        random = np.random.default_rng([order.seed, self.number, 0])
        firsts, lasts, keys = [], [], []
        for begin in range(0, order.size, order.chunk):
            end = min(begin + order.chunk, order.size)
            number = min(order.windows, max(1, (end - begin) // order.run))  # one for each window
            # another phase in each epoch, so that it is not always the same jets that share a run; what stands before
            # the first whole run and behind the last one is a run too, in two parts
            places = random.random() + np.arange(number)
            edges = begin + np.floor(places * (end - begin) / number).astype(np.int64)
            firsts.append(np.concatenate([[begin], edges]))
            lasts.append(np.append(edges, end))
            key = random.permutation(number).astype(np.float64)
            if number < order.windows:
                key = (key + random.random(number)) * order.windows / number
            keys.append(np.append(key[-1], key))
        first, last = np.concatenate(firsts), np.concatenate(lasts)
        visit = np.argsort(np.concatenate(keys), kind="stable")
        visit = visit[(last > first)[visit]]
        return first[visit], last[visit], np.cumsum((last - first)[visit])


def drawn(random: np.random.Generator, rates: NDArray[np.float64]) -> Indices:
    """As many of these jets as there are, drawn with replacement in proportion to their rates.

    Args:
        random: Where the randomness comes from.
        rates: Not negative, ``(n,)``; all 0 counts as all alike.
    """
    ends = np.cumsum(rates if rates.any() else np.ones(len(rates)))
    if not len(ends):
        return np.zeros(0, np.int64)
    # a number below 1 times the end is below the end, also when rounded
    jets: Indices = np.searchsorted(ends, random.random(len(ends)) * ends[-1], "right")
    return jets


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
