"""Speed and memory of `train simulate`: CPU time of each step, of each process, and of several workers.

    python benchmarks/simulation.py --out docs/benchmarks/simulation.json

Times are those of the CPU, so that other programs on the machine matter less; those of workers are also of the clock.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hardware

from salt_like.simulation import chunk
from salt_like.simulation.chunk import Chunks, pool_of
from salt_like.simulation.engines import Generator
from salt_like.simulation.pileup import Pool
from salt_like.simulation.production import produce
from salt_like.simulation.provenance import versions
from salt_like.simulation.settings import Settings, parse_mix

STEPS = ("overlay", "prompt_leptons", "track", "flows", "truth_jets", "jets", "hadrons", "streams")
MIXES = ("", "ttbar", "zprime800", "zprime2000", "qqbar", "qcd")


class Steps:
    """CPU time in the steps of a chunk."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        for name in STEPS:
            setattr(chunk, name, self.timed(name, getattr(chunk, name)))
        for name in ("events", "charges"):
            setattr(Generator, name, self.timed(f"Pythia: {name}", getattr(Generator, name)))

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] += time.process_time() - began

        return measured


def one_mix(mix: str, jets: int, pool: Pool | None) -> dict[str, Any]:
    """In a process of its own: how long each step takes, and how much memory."""
    settings = Settings(1, mix=parse_mix(mix) if mix else {})
    steps, chunks = Steps(), Chunks(settings, pool)
    for index in range(sum(settings.mix.values())):
        chunks.make(index)  # sets up the generators
    steps.seconds.clear()
    made = events = index = 0
    began = time.process_time()
    while made < jets:
        made += len(chunks.make(index)["jets"])
        events += settings.chunk
        index += 1
    seconds = time.process_time() - began
    return {
        "mix": settings.mix,
        "jets per CPU second": made / seconds,
        "jets per event": made / events,
        "memory in MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "shares of the time": {name: value / seconds for name, value in steps.seconds.most_common()},
    }


def with_workers(workers: int, jets: int, folder: Path) -> dict[str, float]:
    """The whole command: jets per second of the clock, and of the CPU."""
    clock, usage = time.perf_counter(), cpu()
    produce(folder / f"{workers}.h5", jets, Settings(1), workers)
    return {"jets per second": jets / (time.perf_counter() - clock), "jets per CPU second": jets / (cpu() - usage)}


def cpu() -> float:
    """CPU time of this process and its children that have ended, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jets", type=int, default=8000)
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 1])
    # the pool of pile-up is made once, so few jets say little of the workers
    parser.add_argument("--worker-jets", type=int, default=100_000)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as process:
        pool = process.apply(pool_of, (Settings(1),))
    processes = []
    for mix in MIXES:
        with context.Pool(1) as process:
            processes.append(process.apply(one_mix, (mix, options.jets, pool)))
        print(json.dumps(processes[-1], indent=1), flush=True)
    several = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in options.workers:
            several[workers] = with_workers(workers, options.worker_jets, Path(folder))
            print(workers, several[workers], flush=True)
    machine = hardware.describe_machine()
    result = {"machine": machine, "versions": versions(), "processes": processes, "workers": several}
    result["jets of the workers"] = options.worker_jets
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
