"""How long the graph of a bundle takes for a jet, and how much memory: measured in processes of its own."""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.bundle import Bundle, read_bundle
from salt_like.errors import UserError
from salt_like.export import verify
from salt_like.export.answers import Jets, golden_jets
from salt_like.loading.session import open_session

Report = Callable[[int, int, str], None]

FORMAT = "salt-like latency"
CONSTITUENTS = (0, 1, 5, 10, 20, 40, 80)
LONG = 100
BATCHES = (1, 10, 100, 1000)
ROUNDS = 3  # all points are gone through so often, so that a busy minute is not one point's
SHARE = 0.1  # of all the time that one run may take
MEMORY = 0.7  # of the free memory that may be used


@dataclass(frozen=True)
class Point:
    """What is timed.

    Args:
        threads: Threads within an operation.
        batch: Jets given together.
        constituents: Constituents of each jet, in each stream.
    """

    threads: int
    batch: int
    constituents: int


def measure(folder: Path, seconds: float, report: Report = lambda *_: None) -> dict[str, Any]:
    """Time the graph of a bundle, with one thread and with all cores.

    Args:
        folder: The bundle.
        seconds: About how long to take for all of it.
        report: Called with the number of steps done, that of all, and what is being done.

    Returns:
        Microseconds per jet of each `Point` (median and central 68 % of the repetitions), what was left out and why,
        memory beyond imports and inputs, sizes, and the machine; for JSON.

    Raises:
        UserError: The bundle is damaged, or onnxruntime does not take it.
    """
    bundle = read_bundle(folder)
    if "data" not in golden_jets(bundle).cases:
        raise UserError(f"the golden jets of the bundle hold no jet of data\nin {folder}")
    started = time.perf_counter()
    open_session(bundle.model)
    loading = time.perf_counter() - started
    batches = BATCHES if bundle.manifest["profile"] == "batched" else BATCHES[:1]
    most = most_in_training(bundle)
    threads = sorted({1, cores()})
    points = [Point(number, batch, some) for number in threads for batch in batches for some in counts(most)]
    steps = len(points) * ROUNDS + len(batches)
    found: dict[str, Any] = {"points": [], "left_out": [], "memory": []}
    done = 0
    for number in threads:
        own = [one for one in points if one.threads == number]
        for kind, values in _asked(_time, folder, own, seconds * len(own) / len(points)):
            if kind == "progress":
                report(done + int(values), steps, f"{number} thread{'s' if number > 1 else ''}")
            else:
                found[kind].append(values)
        done += len(own) * ROUNDS
    for batch in batches:
        report(done, steps, "memory")
        for kind, values in _asked(_weigh, folder, [Point(1, batch, most)], 0.0):
            found[kind].append(values)
        done += 1
    report(done, steps, "memory")
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "format": FORMAT,
        "model": bundle.manifest["model"],
        "profile": bundle.manifest["profile"],
        "machine": machine(),
        "most_in_training": most,
        "seconds": seconds,
        **found,
        "loading_seconds": loading,
        "bytes": {"graph": len(bundle.model), "bundle": sum(path.stat().st_size for path in files)},
    }


def counts(most: int) -> tuple[int, ...]:
    """Numbers of constituents that are timed: up to the most of the training, and `LONG`."""
    if not most:
        return (0,)
    return tuple(sorted({*(number for number in CONSTITUENTS if number < most), most, LONG}))


def most_in_training(bundle: Bundle) -> int:
    """Most constituents of a jet in the training, in any stream; 0 where there are none."""
    return max((one["most_in_training"] for one in bundle.manifest["inputs"] if "most_in_training" in one), default=0)


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """What the numbers hold for."""
    import onnxruntime

    lines = _lines("/proc/cpuinfo")
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "processor": name or platform.processor() or platform.machine(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": onnxruntime.__version__,
    }


def jets_with(golden: Jets, number: int, constituents: int, seed: int = 0) -> Jets:
    """Jets with so many constituents each, drawn from those of the golden jets that are data.

    Args:
        golden: The golden jets.
        number: Number of jets.
        constituents: Constituents of each, in each stream.
        seed: Which are drawn.
    """
    data = np.flatnonzero(np.array(golden.cases) == "data")
    random = np.random.default_rng(seed)
    inputs: dict[str, NDArray[Any]] = {}
    valid = {}
    for stream, values in golden.inputs.items():
        if stream not in golden.valid:
            inputs[stream] = values[random.choice(data, number)]
            continue
        pool = values[data][golden.valid[stream][data]]
        pool = pool if len(pool) else np.zeros((1, values.shape[-1]), values.dtype)
        inputs[stream] = pool[random.integers(len(pool), size=(number, constituents))]
        valid[stream] = np.ones((number, constituents), bool)
    return Jets(("data",) * number, inputs, valid)


def _asked(target: Callable[..., None], folder: Path, points: Sequence[Point], seconds: float) -> Any:
    """What a process says about some points; one that ends before it is done is said to be that."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(theirs, folder, list(points), seconds), daemon=True)
    process.start()
    theirs.close()
    waiting = list(points)
    try:
        while waiting:
            kind, values = ours.recv()
            if kind != "progress":
                waiting = [one for one in waiting if asdict(one) != {key: values[key] for key in asdict(one)}]
            yield kind, values
    except EOFError:
        for one in waiting:
            yield "left_out", {**asdict(one), "why": "the process ended, perhaps for lack of memory"}
    finally:
        process.terminate()
        process.join()
        ours.close()


def _time(connection: Connection, folder: Path, points: Sequence[Point], seconds: float) -> None:
    """Times points, in a process of its own."""
    bundle = read_bundle(folder)
    golden = golden_jets(bundle)
    _limit_memory()
    session = open_session(bundle.model, points[0].threads)
    share = seconds / (ROUNDS * len(points))
    times: dict[Point, list[float]] = {}
    left: dict[Point, str] = {}
    done = 0
    for _ in range(ROUNDS):
        for point in points:
            if point not in left:
                why = _too_long(point, times, SHARE * seconds) if point not in times else ""
                try:
                    if not why:
                        given = _inputs(bundle, golden, point)
                        _repeat(session, given, point, times.setdefault(point, []), share)
                except Exception as error:  # of no common kind: what the runtime says when memory is short
                    why = f"not enough memory, or: {str(error).splitlines()[0][:100] if str(error) else 'MemoryError'}"
                if why:
                    left[point] = why
            done += 1
            connection.send(("progress", done))
    for point in points:
        if point in left:
            connection.send(("left_out", {**asdict(point), "why": left[point]}))
        else:
            low, median, high = np.quantile(times[point], [0.16, 0.5, 0.84]).tolist()
            numbers = {"median": median, "low": low, "high": high, "repetitions": len(times[point])}
            connection.send(("points", {**asdict(point), **numbers}))


def _too_long(point: Point, times: dict[Point, list[float]], most: float) -> str:
    """Why a point is not tried, from the one with a tenth of the jets."""
    smaller = times.get(Point(point.threads, point.batch // 10, point.constituents))
    if point.batch == 1 or (smaller and np.median(smaller) * point.batch * 1e-6 < most):
        return ""
    expected = f"about {np.median(smaller) * point.batch * 1e-6:.2g} s" if smaller else "longer than fewer jets"
    return f"one run would take {expected}, and may take {most:.2g} s: give more --seconds"


def _inputs(bundle: Bundle, golden: Jets, point: Point) -> dict[str, NDArray[Any]]:
    jets = jets_with(golden, point.batch, point.constituents)
    batched = bundle.manifest["profile"] == "batched"
    return verify.feeds(dict(bundle.manifest), jets, slice(0, point.batch), not batched)[0]


def _repeat(session: Any, given: dict[str, NDArray[Any]], point: Point, times: list[float], share: float) -> None:
    """Runs a point again and again, at least once, and after one that is not counted where there is time for it."""
    if not times or times[-1] * point.batch * 1e-6 < share:
        session.run(None, given)
    end = time.perf_counter() + share
    while True:
        before = time.perf_counter()
        session.run(None, given)
        after = time.perf_counter()
        times.append((after - before) * 1e6 / point.batch)
        if after >= end:
            return


def _weigh(connection: Connection, folder: Path, points: Sequence[Point], seconds: float) -> None:
    """Memory that a graph and one run need beyond imports and inputs, in a process of its own."""
    del seconds
    (point,) = points
    bundle = read_bundle(folder)
    given = _inputs(bundle, golden_jets(bundle), point)
    _limit_memory()
    import onnxruntime  # noqa: F401

    try:
        before = _reset_peak()
        open_session(bundle.model).run(None, given)
        connection.send(("memory", {**asdict(point), "bytes": max(_status("VmHWM") - before, 0)}))
    except Exception:
        connection.send(("left_out", {**asdict(point), "why": "not enough memory"}))


def _reset_peak() -> int:
    """Forget the largest memory so far where the system can, and say what is in use now, or was at most; in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError:
        return _status("VmHWM")


def _status(key: str) -> int:
    """A number of bytes of this process; 0 where the system does not say."""
    found = next((line.split()[1] for line in _lines("/proc/self/status") if line.startswith(key)), "0")
    return int(found) * 1024


def _limit_memory() -> None:
    """Let what needs too much memory fail, before the system ends some other process for it."""
    import resource

    free = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemAvailable")), None)
    if free is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + int(MEMORY * int(free) * 1024), hard))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
