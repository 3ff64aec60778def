"""Processes that make the numbered parts of a sample: blocks of the pool of pile-up, then chunks of events."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property

from salt_like.errors import UserError
from salt_like.simulation.chunk import Chunks, block_of
from salt_like.simulation.parts import Parts
from salt_like.simulation.settings import Settings


class Tasks:
    """Parts that are being made; every one that was begun is finished, also after a failure of another.

    Args:
        executor: Where they are made, as `workers` gives it.
        make: `block` or `chunk`.
        failed: Gives the message when a part has failed.

    Attributes:
        running: Numbers of the parts that are being made.
        failure: Of the first part that failed.
    """

    def __init__(
        self, executor: Executor, make: Callable[[int], int], failed: Callable[[BaseException, int], UserError]
    ) -> None:
        self._executor, self._make, self._failed = executor, make, failed
        self._futures: dict[Future[int], int] = {}
        self.failure: UserError | None = None

    @property
    def running(self) -> set[int]:
        return set(self._futures.values())

    def begin(self, index: int) -> None:
        """Begin to make a part."""
        self._futures[self._executor.submit(self._make, index)] = index

    def finished(self) -> dict[int, int]:
        """Wait until something ends, and return the sizes of the parts that are finished since the last call."""
        made = {}
        done, _ = wait(self._futures, return_when=FIRST_COMPLETED)
        for future in done:
            index = self._futures.pop(future)
            error = future.exception()
            if error is None:
                made[index] = future.result()
            elif self.failure is None:
                self.failure = self._failed(error, index)
        return made


@contextmanager
def workers(number: int, settings: Settings, parts: Parts) -> Iterator[Executor]:
    """Within the ``with`` block: processes that make parts of a sample; this one alone if the number is 1.

    Args:
        number: How many.
        settings: What is simulated.
        parts: Where the parts are kept.
    """
    if number == 1:
        _set_up(settings, parts)
        yield _Here()
        return
    executor = ProcessPoolExecutor(
        number, multiprocessing.get_context("spawn"), initializer=_set_up_worker, initargs=(settings, parts)
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


class _Here(Executor):
    """Does at once what it is given, in this process."""

    def submit(self, function, /, *arguments, **options):  # type: ignore[no-untyped-def]
        future: Future[int] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


# What follows runs in the workers, or in this process where there is only one.
class _Worker:
    """Makes parts, and keeps them."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings, self.parts = settings, parts

    @cached_property
    def chunks(self) -> Chunks:
        """With the pool, so not before all blocks are finished."""
        return Chunks(self.settings, self.parts.pool())


_worker: _Worker | None = None


def _set_up(settings: Settings, parts: Parts) -> None:
    global _worker
    _worker = _Worker(settings, parts)


def block(index: int) -> int:
    """Make a block of the pool in a worker, and return its number of collisions."""
    assert _worker is not None
    return _worker.parts.save_block(index, block_of(index, _worker.settings))


def chunk(index: int) -> int:
    """Make a chunk in a worker, and return its number of jets."""
    assert _worker is not None
    return _worker.parts.save(index, _worker.chunks.make(index))


def _set_up_worker(settings: Settings, parts: Parts) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent alone decides what ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _set_up(settings, parts)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody would read what comes
