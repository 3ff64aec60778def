"""Chunks from several processes to one file: the same file for any number of them, whatever was interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from itertools import accumulate
from pathlib import Path

from salt_like.errors import UserError
from salt_like.simulation import engines
from salt_like.simulation import workers as processes
from salt_like.simulation.chunk import blocks_of, process_of
from salt_like.simulation.parts import Parts, Streams
from salt_like.simulation.provenance import attributes, versions
from salt_like.simulation.settings import Settings
from salt_like.simulation.workers import Tasks
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
        report: Called with what is being done ("pile-up" or "jets"), how many of its collisions or jets are finished,
            and how many there will be.

    Raises:
        UserError: The file exists, a number makes no sense, an optional package is missing, the finished chunks do not
            fit, a process was killed, or a part failed. What is finished is kept in the last two cases.
    """
    _check(out, jets, workers)
    engines.require_engines()
    parts = Parts.beside(out)
    parts.begin({"settings": json.loads(settings.normalised()), "versions": versions()}, resume)
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
    """Chunks in their order until there are enough jets; the pool of pile-up is made before the first.

    Each is handed over, to be compressed, as soon as those before it are there: the workers go on meanwhile.
    """
    with processes.workers(workers, settings, parts) as executor:
        _make_pool(executor, parts, settings, workers, report)
        finished, given = parts.finished(), 0
        tasks = Tasks(executor, processes.chunk, partial(_failed_chunk, settings, parts))
        while True:
            report("jets", min(sum(finished.values()), jets), jets)
            if tasks.failure is None and not _needed(finished, jets):
                _begin(tasks, finished, jets, settings, workers)
            while tasks.failure is None and given in finished:
                yield parts.load(given)
                given += 1
            if not tasks.running:
                break
            finished.update(tasks.finished())
            tasks.failure = tasks.failure or _without_jets(finished, settings)
    if tasks.failure is not None:
        raise tasks.failure


def _make_pool(executor: Executor, parts: Parts, settings: Settings, workers: int, report: Report) -> None:
    """Make the blocks of the pool that are missing, several at a time."""
    sizes, tasks = blocks_of(settings), Tasks(executor, processes.block, partial(_failed_block, settings, parts))
    missing = sorted(set(range(len(sizes))).difference(parts.blocks()))
    done = sum(sizes) - sum(sizes[index] for index in missing)
    while tasks.running or (missing and tasks.failure is None):
        report("pile-up", done, sum(sizes))
        while missing and tasks.failure is None and len(tasks.running) < workers:
            tasks.begin(missing.pop(0))
        done += sum(tasks.finished().values())
    if tasks.failure is not None:
        raise tasks.failure


def _begin(tasks: Tasks, finished: dict[int, int], jets: int, settings: Settings, workers: int) -> None:
    """Begin the next chunks: as many as keep all workers busy, but not more than will be needed."""
    most = workers + 1 if workers > 1 else 1
    known = sum(finished.values()) / (len(finished) * settings.chunk) if finished else _EXPECTED
    begun = finished.keys() | tasks.running
    expected = 0.0
    for index in range(len(begun) + most):
        running = len(tasks.running)
        if running >= most or (running and expected >= jets):
            return
        if index not in begun:
            tasks.begin(index)
        expected += finished.get(index, known * settings.chunk)


def _failed_chunk(settings: Settings, parts: Parts, error: BaseException, index: int) -> UserError:
    what, process = f"chunk {index} of seed {settings.seed}", process_of(index, settings).name
    return _failed(error, what, f" ({process})", f"finished chunks ({len(parts.finished())})", parts.folder)


def _failed_block(settings: Settings, parts: Parts, error: BaseException, index: int) -> UserError:
    what = f"block {index} of the pile-up of seed {settings.seed}"
    return _failed(error, what, "", f"finished blocks ({len(parts.blocks())})", parts.folder)


def _failed(error: BaseException, what: str, process: str, finished: str, folder: Path) -> UserError:
    kept = f"{finished} are kept in {folder}"
    if isinstance(error, UserError):
        return error
    if isinstance(error, BrokenProcessPool):
        return UserError(
            f"a process was killed while it simulated {what}, or one next to it\n"
            f"was there enough memory? each worker takes about 300 MB\n{kept}; go on with --resume"
        )
    if isinstance(error, OSError):
        return UserError(
            f"{what} cannot be written to {folder}: {error.strerror}\n{kept}; make room there, and go on with --resume"
        )
    first = (str(error).strip().splitlines() or [""])[0]
    return UserError(
        f"{what}{process} failed: {type(error).__name__}: {first}\n"
        f"{kept}; go on with --resume, or with another seed if it fails again"
    )


def _without_jets(finished: dict[int, int], settings: Settings) -> UserError | None:
    if len(finished) < WITHOUT_JETS or any(finished.values()):
        return None
    return UserError(
        f"no jet in {len(finished) * settings.chunk} events: the mix, or jets.minimum_pt and jets.maximum_eta, "
        f"leave none\nminimum_pt is {settings.jets.minimum_pt} GeV"
    )
