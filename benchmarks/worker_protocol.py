"""The worker's half of the conversation with the driver, the same for every framework.

The driver starts ``python xy_worker.py CONFIG`` (one line of JSON). The worker builds, warms up and prints one JSON
line; from then on every line ``run N`` on its standard input is answered by one JSON line. End of input ends the
worker. Whatever libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import process_usage
import torch
from worker_config import WorkerConfig


@dataclass
class Subject:
    """What a framework hands over to be timed.

    Args:
        loader: the framework's training loader.
        loss: the framework's own training step: batch to scalar loss.
        update: gradients to new weights: optimiser and schedule, one step.
        clear: drop the gradients.
        parameters: number of trainable parameters.
        facts: anything worth recording: versions, effective settings.
    """

    loader: Iterable[Any]
    loss: Callable[[Any], torch.Tensor]
    update: Callable[[], None]
    clear: Callable[[], None]
    parameters: int
    facts: dict[str, Any]


def serve(build: Callable[[WorkerConfig], Subject]) -> None:
    """Build what the command line asks for and answer the driver until it closes the pipe."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    config = WorkerConfig.from_json(sys.argv[1])
    torch.manual_seed(config.seed)
    process_usage.reset_peak()
    imports = process_usage.resident_mb()
    start = time.perf_counter()
    subject = build(config)
    built = time.perf_counter()
    run = make_run(config, subject)
    run(config.warm_up)
    ready = {
        "parameters": subject.parameters,
        "build_seconds": built - start,
        "warm_up_seconds": time.perf_counter() - built,
        "imports_mb": imports,
        "warm_up_peak_mb": process_usage.peak_mb() - imports,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "precision": torch.get_float32_matmul_precision(),
        **subject.facts,
    }
    process_usage.reset_peak()
    print(json.dumps(ready), file=answers)
    for line in sys.stdin:
        steps = int(line.split()[1])
        start, cpu = time.perf_counter(), process_usage.cpu_seconds()
        run(steps)
        seconds, cpu = time.perf_counter() - start, process_usage.cpu_seconds() - cpu
        answer = {
            "steps": steps,
            "jets": steps * config.batch_size,
            "seconds": seconds,
            "cpu_seconds": cpu,
            "peak_mb": process_usage.peak_mb() - imports,
        }
        print(json.dumps(answer), file=answers)


def make_run(config: WorkerConfig, subject: Subject) -> Callable[[int], None]:
    """The function that does N steps of the configured mode."""
    loaded = _endless(subject.loader)

    def train(steps: int) -> None:
        for _ in range(steps):
            subject.clear()
            subject.loss(next(loaded)).backward()
            subject.update()

    def load(steps: int) -> None:
        for _ in range(steps):
            next(loaded)

    if config.mode == "train":
        return train
    if config.mode == "loader":
        return load
    fixed = _endless([next(loaded) for _ in range(config.fixed_batches)])

    def step(steps: int) -> None:
        for _ in range(steps):
            subject.clear()
            subject.loss(next(fixed)).backward()

    return step


def _endless(items: Iterable[Any]) -> Iterator[Any]:
    while True:
        yield from items
