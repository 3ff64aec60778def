"""Windows of jets, each read by a thread while the one before is used."""

from __future__ import annotations

import os
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.packed import Buffers, Held, PackedColumns
from salt_like.data.reading import PieceReader, memory_limit
from salt_like.data.shuffle import EpochOrder


class Windows:
    """The jets of an epoch in its order, of which no more than two windows are in memory.

    A sample of one window is mapped into memory as a whole.

    Args:
        columns: The jets.
        leave_out: Attributes of `Columns` that nobody needs.
        alone: No other process reads the same jets at the same time.
        rates: How often a jet of each cell is drawn, ``(cells + 1,)``; ``None`` to visit each jet once.
    """

    def __init__(
        self,
        columns: PackedColumns,
        leave_out: Collection[str] = (),
        alone: bool = True,
        rates: NDArray[np.float64] | None = None,
    ) -> None:
        self.rates = rates
        self.columns = columns
        self.leave_out = leave_out
        self.process = os.getpid()
        self.buffers = (Buffers(), Buffers())
        # what several processes read, the system should fetch for them once
        self.reader = PieceReader(direct=alone and columns.nbytes > memory_limit() // 2)
        # one thread: what is asked for first is read first, and a buffer has one writer at a time
        self._thread = ThreadPoolExecutor(1, "salt-like-reader")
        self._read: dict[tuple[int, int], Future[Held]] = {}

    def take(self, epoch: EpochOrder, start: int, stop: int) -> Columns:
        """The jets that are visited from `start` up to `stop`.

        Raises:
            OSError: A file cannot be read.
        """
        size = epoch.order.length
        parts = []
        for window in range(start // size, max(-(-stop // size), start // size + 1)):
            held = self._held(epoch, window)
            index = self._places(epoch, window, held)[max(start - window * size, 0) : stop - window * size]
            parts.append(held.take(index, self.leave_out))
        return Columns.concatenate(parts)

    def _places(self, epoch: EpochOrder, window: int, held: Held) -> NDArray[np.int64]:
        rates = self.rates
        return epoch.places(window, None if rates is None else lambda: rates[held.cells()])

    def _held(self, epoch: EpochOrder, window: int) -> Held:
        if epoch.order.windows == 1:
            return self.columns.whole()
        soon = [(epoch, window)] + ([(epoch, window + 1)] if window + 1 < epoch.order.windows else [])
        self._read = {
            (one.number, number): self._read.get((one.number, number)) or self._thread.submit(self._fetch, one, number)
            for one, number in soon
        }
        return self._read[epoch.number, window].result()

    def _fetch(self, epoch: EpochOrder, window: int) -> Held:
        # a window in use and the one behind it have different buffers
        return self.columns.read(*epoch.runs(window), self.reader, self.buffers[window % 2], self.leave_out)
