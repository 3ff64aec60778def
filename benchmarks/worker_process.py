"""The driver's half of the conversation with a worker (see ``worker_protocol.py``)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from worker_config import WorkerConfig

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Framework:
    """One side of the comparison.

    Args:
        name: what the tables call it.
        python: interpreter of the environment that has the framework.
        script: worker script in this folder.
        attentions: attention backends to choose from.
        precisions: precisions of matrix products to choose from where a case leaves it open.
    """

    name: str
    python: str
    script: str
    attentions: tuple[str, ...] = ("",)
    precisions: tuple[str, ...] = ("medium", "highest")


@dataclass(frozen=True)
class Answer:
    """The worker's reply to ``run N``."""

    steps: int
    jets: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


class Worker:
    """A running worker that has built, warmed up and waits for commands.

    Attributes:
        ready: what the worker said about itself after warming up.
    """

    def __init__(self, framework: Framework, config: WorkerConfig, threads: int = 1) -> None:
        self.name = framework.name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the worker
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "HDF5_USE_FILE_LOCKING": "FALSE",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(
            [framework.python, str(HERE / framework.script), config.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        self.ready = self._read()

    def run(self, steps: int) -> Answer:
        """Do ``steps`` steps now and wait for the times."""
        assert self._process.stdin
        self._process.stdin.write(f"run {steps}\n")
        self._process.stdin.flush()
        return Answer(**self._read())

    def close(self) -> None:
        """End the worker: by itself first, by force after ten seconds."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self._process.wait()
        self._errors.seek(0)
        tail = "".join(self._errors.readlines()[-15:])
        self.close()
        raise RuntimeError(f"the {self.name} worker ended with exit code {code}; its last words:\n{tail}")


@contextmanager
def running(framework: Framework, config: WorkerConfig, threads: int = 1) -> Iterator[Worker]:
    """A worker that is ended when the block ends."""
    worker = Worker(framework, config, threads)
    try:
        yield worker
    finally:
        worker.close()


def with_options(config: WorkerConfig, attention: str, compile: bool, workers: int, precision: str) -> WorkerConfig:
    """The same case with other options of the framework."""
    return replace(config, attention=attention, compile=compile, workers=workers, precision=precision)
