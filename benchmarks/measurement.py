"""From times to costs: marginal cost per jet, alternation of two workers, and the search for the fastest options."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from worker_config import WorkerConfig
from worker_process import Answer, Framework, Worker, running, with_options

FINALISTS = 2  # sets of options that are measured once more, long and alone
SETTLE_SECONDS = 0.3  # loaders fill their prefetch queues before the other side is timed


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Args:
        seconds: length aimed at for a long run.
        rounds: alternations.
        threads: processor threads of each worker.
        compile: values of the compile option to search.
        workers: numbers of loading processes to search.
        brief: length of a run in the first pass of a search.
        together: trials of the first pass that run at the same time.
    """

    seconds: float = 6.0
    rounds: int = 5
    threads: int = 1
    compile: tuple[bool, ...] = (False, True)
    workers: tuple[int, ...] = (0, 1)
    brief: float = 1.5
    together: int = 1


@dataclass(frozen=True)
class Cost:
    """Marginal cost of one jet in seconds on the clock and in seconds of processor time."""

    wall: float
    cpu: float


@dataclass
class Series:
    """All alternations of one side of one case."""

    config: WorkerConfig
    ready: dict[str, object]
    costs: list[Cost] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def jets_per_second(self) -> float:
        """Median over the alternations."""
        return 1 / statistics.median(c.wall for c in self.costs)

    @property
    def jets_per_cpu_second(self) -> float:
        """Median over the alternations."""
        return 1 / statistics.median(c.cpu for c in self.costs)


def slope(short: Answer, long: Answer) -> Cost:
    """What one more jet costs: the difference of a long and a short run, in which any start-up cancels.

    Raises:
        ValueError: if the long run is not longer in jets and in time.
    """
    jets, wall = long.jets - short.jets, long.seconds - short.seconds
    if jets <= 0 or wall <= 0:
        raise ValueError(
            f"a run of {long.jets} jets in {long.seconds:.3f} s is not longer than one of {short.jets} jets in "
            f"{short.seconds:.3f} s: measure longer"
        )
    return Cost(wall / jets, (long.cpu_seconds - short.cpu_seconds) / jets)


def step_counts(worker: Worker, seconds: float) -> tuple[int, int]:
    """Numbers of steps of the short and the long run, so that the long one takes about ``seconds``."""
    steps, answer = 1, worker.run(1)
    while answer.seconds < seconds / 10:
        steps *= 2
        answer = worker.run(steps)
    long = max(3, round(steps * seconds / answer.seconds))
    return max(1, long // 5), long


def alternate(sides: Sequence[tuple[Framework, WorkerConfig]], plan: Plan) -> list[Series]:
    """Time all sides in turn, round after round, in the order short, short, …, long, long, …"""
    workers: list[Worker] = []
    try:
        workers.extend(Worker(framework, config, plan.threads) for framework, config in sides)
        series = [Series(config, worker.ready) for (_, config), worker in zip(sides, workers, strict=True)]
        counts = [step_counts(worker, plan.seconds) for worker in workers]
        for _ in range(plan.rounds):
            short = [_settled_run(worker, few) for worker, (few, _) in zip(workers, counts, strict=True)]
            long = [_settled_run(worker, many) for worker, (_, many) in zip(workers, counts, strict=True)]
            for one, a, b in zip(series, short, long, strict=True):
                one.costs.append(slope(a, b))
                one.peak_mb = max(one.peak_mb, a.peak_mb, b.peak_mb)
    finally:
        for worker in workers:
            worker.close()
    return series


def _settled_run(worker: Worker, steps: int) -> Answer:
    time.sleep(SETTLE_SECONDS)
    return worker.run(steps)


@dataclass(frozen=True)
class Trial:
    """One set of options tried in the search.

    Args:
        config: the options.
        jets_per_second: speed on the clock.
        jets_per_cpu_second: speed in processor time, which other work on the machine disturbs less.
        peak_mb: peak memory above imports.
        warm_up_seconds: time to the first timed step, compilation included.
        brief: whether it was only tried in the first pass.
    """

    config: WorkerConfig
    jets_per_second: float
    jets_per_cpu_second: float
    peak_mb: float
    warm_up_seconds: float
    brief: bool = False


def search(framework: Framework, config: WorkerConfig, plan: Plan) -> list[Trial]:
    """Find the fastest options: everything briefly, the best few for longer, then loading processes.

    The first pass tries attention, precision and compile in every combination. A set of options that fails (a backend
    the machine does not have) is left out.

    Raises:
        RuntimeError: if every set of options fails.

    Returns:
        The fastest first, those of the first pass only at the end.
    """
    precisions = (config.precision,) if config.precision else framework.precisions
    combinations = itertools.product(framework.attentions, plan.compile, precisions)
    options = [with_options(config, one, compiled, plan.workers[0], two) for one, compiled, two in combinations]
    first = replace(plan, seconds=min(plan.seconds, plan.brief))
    with ThreadPoolExecutor(plan.together) as pool:
        tried = list(pool.map(lambda one: _try(framework, one, first), options))
    trials = sorted((one for one in tried if isinstance(one, Trial)), key=lambda trial: -trial.jets_per_cpu_second)
    if not trials:
        raise RuntimeError("\n".join(str(one) for one in tried))
    finals = [trial for one in trials[:FINALISTS] if isinstance(trial := _try(framework, one.config, plan), Trial)]
    if finals:
        best = max(finals, key=lambda trial: trial.jets_per_second).config
        for workers in plan.workers[1:]:
            loaded = _try(framework, replace(best, workers=workers), plan)
            finals += [loaded] if isinstance(loaded, Trial) else []
    return sorted(finals, key=lambda trial: -trial.jets_per_second) + [replace(one, brief=True) for one in trials]


def _try(framework: Framework, config: WorkerConfig, plan: Plan) -> Trial | RuntimeError:
    try:
        with running(framework, config, plan.threads) as worker:
            few, many = step_counts(worker, plan.seconds)
            short, long = worker.run(few), worker.run(many)
        cost = slope(short, long)
    except (RuntimeError, ValueError) as error:
        return RuntimeError(str(error))
    return Trial(config, 1 / cost.wall, 1 / cost.cpu, long.peak_mb, worker.ready["warm_up_seconds"])
