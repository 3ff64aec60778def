"""Chunks from several processes to one file: the same file for any number of them, whatever was interrupted."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from itertools import accumulate
from pathlib import Path

from salt_like.errors import UserError
from salt_like.simulation import engines
from salt_like.simulation.chunk import Chunks, pool_of, process_of
from salt_like.simulation.parts import Parts, Streams
from salt_like.simulation.pileup import Pool
from salt_like.simulation.provenance import attributes, versions
from salt_like.simulation.settings import Settings
from salt_like.simulation.writer import write

Report = Callable[[str, int, int], None]

WITHOUT_JETS = 20  # chunks without a single jet after which there will never be one
_EXPECTED = 4.0  # jets of an event, as long as nothing is known


def produce(
    out: Path, jets: int, settings: Settings, workers: int = 1, resume: bool = False, report: Report = lambda *_: None
) -> None:
    """Simulate jets and write them to a file.

    Args:
        out: The file, which must not exist.
        jets: Number of jets.
        settings: What is simulated.
        workers: Number of processes.
        resume: Go on with what an interrupted simulation of the same settings has finished.
        report: Called with what is being done, the number of jets that are finished, and that of all.

    Raises:
        UserError: The file exists, a number makes no sense, an optional package is missing, the finished chunks do not
            fit, a process was killed, or a chunk failed. What is finished is kept in the last two cases.
    """
    _check(out, jets, workers)
    engines.require_engines()
    parts = Parts.beside(out)
    parts.begin({"settings": json.loads(settings.normalised()), "versions": versions()}, resume)
    if settings.pileup.mean > 0 and not parts.pool.is_file():
        report("pile-up", 0, jets)
        pool = pool_of(settings)
        if pool is not None:
            pool.save(parts.pool)
    # whatever ends the writing ends the workers at once, not when Python happens to drop the generator
    with closing(_simulated(parts, jets, settings, workers, report)) as chunks:
        write(out, chunks, jets, attributes(settings, jets))
    parts.remove()


def _check(out: Path, jets: int, workers: int) -> None:
    if jets < 1:
        raise UserError(f"the number of jets must be at least 1, not {jets}")
    if workers < 1:
        raise UserError(f"the number of workers must be at least 1, not {workers}")
    if out.exists():
        what = "is a folder" if out.is_dir() else "exists already, and is not overwritten"
        raise UserError(f"{out} {what}\ngive another name to --out")


def _needed(finished: dict[int, int], jets: int) -> int:
    """Number of chunks, from the first one on without a gap, that have enough jets together; 0 if they have not."""
    whole = [finished[index] for index in range(len(finished)) if index in finished]
    for number, total in enumerate(accumulate(whole), start=1):
        if number - 1 not in finished:
            break
        if total >= jets:
            return number
    return 0


def _simulated(
    parts: Parts, jets: int, settings: Settings, workers: int, report: Report
) -> Generator[Streams, None, None]:
    """Chunks in their order until there are enough jets; every one that was begun is finished, also after a failure.

    Each is handed over, to be compressed, as soon as those before it are there: the workers go on meanwhile.
    """
    finished = parts.finished()
    running: dict[Future[int], int] = {}
    failure: UserError | None = None
    given = 0
    with _executor(settings, parts, workers) as executor:
        while True:
            report("jets", min(sum(finished.values()), jets), jets)
            if failure is None and not _needed(finished, jets):
                _submit(executor, running, finished, jets, settings, workers)
            while failure is None and given in finished:
                yield parts.load(given)
                given += 1
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                index = running.pop(future)
                error = future.exception()
                if error is None:
                    finished[index] = future.result()
                elif failure is None:
                    failure = _failed(error, index, settings, parts)
            failure = failure or _without_jets(finished, settings)
    if failure is not None:
        raise failure


def _submit(
    executor: Executor,
    running: dict[Future[int], int],
    finished: dict[int, int],
    jets: int,
    settings: Settings,
    workers: int,
) -> None:
    """Begin the next chunks: as many as keep all workers busy, but not more than will be needed."""
    most = workers + 1 if workers > 1 else 1
    known = sum(finished.values()) / (len(finished) * settings.chunk) if finished else _EXPECTED
    begun = finished.keys() | set(running.values())
    expected = 0.0
    for index in range(len(begun) + most):
        enough = expected >= jets and bool(running)
        if enough or len(running) >= most:
            return
        if index not in begun:
            running[executor.submit(_make, index)] = index
        expected += finished.get(index, known * settings.chunk)


def _failed(error: BaseException, index: int, settings: Settings, parts: Parts) -> UserError:
    kept = f"finished chunks ({len(parts.finished())}) are kept in {parts.folder}"
    if isinstance(error, BrokenProcessPool):
        return UserError(
            f"a process was killed while it simulated chunk {index} of seed {settings.seed}, or one next to it\n"
            f"was there enough memory? each worker takes about 300 MB\n{kept}; go on with --resume"
        )
    if isinstance(error, OSError):
        return UserError(
            f"chunk {index} of seed {settings.seed} cannot be written to {parts.folder}: {error.strerror}\n"
            f"{kept}; make room there, and go on with --resume"
        )
    first = (str(error).strip().splitlines() or [""])[0]
    return UserError(
        f"chunk {index} of seed {settings.seed} ({process_of(index, settings).name}) failed: "
        f"{type(error).__name__}: {first}\n{kept}; go on with --resume, or with another seed if it fails again"
    )


def _without_jets(finished: dict[int, int], settings: Settings) -> UserError | None:
    if len(finished) < WITHOUT_JETS or any(finished.values()):
        return None
    return UserError(
        f"no jet in {len(finished) * settings.chunk} events: the mix, or jets.minimum_pt and jets.maximum_eta, "
        f"leave none\nminimum_pt is {settings.jets.minimum_pt} GeV"
    )


# What follows runs in the workers, or in this process where there is only one.
_chunks: Chunks | None = None
_parts: Parts | None = None


def _set_up(settings: Settings, parts: Parts) -> None:
    global _chunks, _parts
    _parts = parts
    _chunks = Chunks(settings, Pool.load(parts.pool) if settings.pileup.mean > 0 else None)


def _make(index: int) -> int:
    assert _chunks is not None
    assert _parts is not None
    return _parts.save(index, _chunks.make(index))


def _set_up_worker(settings: Settings, parts: Parts) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent alone decides what ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _set_up(settings, parts)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody would read what comes


class _Here(Executor):
    """Does at once what it is given, in this process."""

    def submit(self, function, /, *arguments, **options):  # type: ignore[no-untyped-def]
        future: Future[int] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def _executor(settings: Settings, parts: Parts, workers: int) -> Iterator[Executor]:
    if workers == 1:
        _set_up(settings, parts)
        yield _Here()
        return
    executor = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_set_up_worker, initargs=(settings, parts)
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
