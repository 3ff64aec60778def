"""Who is trained by benchmarks/physics.py, with which commands, and how long it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
MEASURED = "measured.json"
# Salt's padded tensors of pairs are given back to the system and asked for again in every step otherwise: a third of
# its time. The same numbers come out.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


@dataclass(frozen=True)
class Samples:
    """Files and folders of one comparison.

    Args:
        train: Training file in random order.
        val: Validation file, for the choice of the epoch.
        statistics: Folder of what Salt must know of the training file.
        tests: Name → file of the test samples.
        test_jets: Name → how many jets of each are used.
        work: Where everything that is made goes.
    """

    train: Path
    val: Path
    statistics: Path
    tests: dict[str, Path]
    test_jets: dict[str, int]
    work: Path


@dataclass(frozen=True)
class Contender:
    """One way of training, of which several seeds are trained.

    Args:
        name: For folders and tables.
        title: What it is, for people.
        script: Worker that fits and predicts.
        python: Interpreter of its environment.
        epochs: Number of epochs; 0 for as many as fit into the processor time of `like`.
        like: Name of the contender whose time is not exceeded.
        options: Options of `train fit`, for ours.
        baseline: Contender that it is compared with.
        seeds: Not more seeds than this.
        own_time: Contender that says how long an epoch takes.
    """

    name: str
    title: str
    script: str
    python: str
    epochs: int
    like: str = ""
    options: tuple[str, ...] = ()
    baseline: str = ""
    seeds: int = 99
    own_time: str = ""


@dataclass(frozen=True)
class Fit:
    """A finished training.

    Args:
        epochs: Number of epochs.
        cpu_seconds: Processor time of the whole process, loading and validation included.
        wall_seconds: Time by the clock.
        best_epoch: The epoch of the smallest validation loss, from 0; that one is tested.
    """

    epochs: int
    cpu_seconds: float
    wall_seconds: float
    best_epoch: int


@dataclass
class Runs:
    """Trains and predicts what is not there yet.

    Args:
        samples: The files.
        seeds: Seeds of every contender.
        present: Leave out what is not trained yet.
        fits: Trainings that are there.
    """

    samples: Samples
    seeds: tuple[int, ...]
    present: bool = False
    fits: dict[tuple[str, int], Fit] = field(default_factory=dict)

    def folder(self, contender: Contender, seed: int) -> Path:
        """Of one training."""
        return self.samples.work / contender.name / f"seed{seed}"

    def seeds_of(self, contender: Contender) -> tuple[int, ...]:
        """Seeds that are trained."""
        seeds = self.seeds[: contender.seeds]
        return tuple(one for one in seeds if not self.present or (self.folder(contender, one) / MEASURED).exists())

    def fit(self, contender: Contender, seed: int) -> Fit:
        """Train one seed, or read what was measured when it was trained."""
        folder = self.folder(contender, seed)
        measured = folder / MEASURED
        if not measured.exists():
            epochs = contender.epochs or self._epochs_within(contender)
            part = folder.with_name(f"{folder.name}.part")
            _remove(part)  # of a training that was interrupted
            part.mkdir(parents=True)
            say(f"{contender.name}, seed {seed}, {epochs} epochs")
            files = ("--train", self.samples.train, "--val", self.samples.val)
            command = [contender.python, HERE / contender.script, "fit", *files, "--out", part]
            command += ["--statistics", self.samples.statistics, "--seed", seed, "--epochs", epochs]
            cpu, wall = run([*command, *contender.options], folder.with_suffix(".log"))
            best = json.loads((part / "fit.json").read_text())["best_epoch"]
            content = {"epochs": epochs, "cpu_seconds": cpu, "wall_seconds": wall, "best_epoch": best}
            (part / MEASURED).write_text(json.dumps(content) + "\n")
            part.rename(folder)
        found = Fit(**json.loads(measured.read_text()))
        self.fits[contender.name, seed] = found
        return found

    def predict(self, contender: Contender, seed: int, sample: str) -> Path:
        """Class probabilities of one test sample, ``(N, 4)``, predicted now or before."""
        jets = self.samples.test_jets[sample]
        path = self.folder(contender, seed) / "scores" / f"{sample}-{jets}.npy"
        if not path.exists():
            say(f"{contender.name}, seed {seed}: predicting {jets} jets of {sample}")
            command = [contender.python, HERE / contender.script, "predict", "--out", self.folder(contender, seed)]
            command += ["--statistics", self.samples.statistics, "--sample", self.samples.tests[sample]]
            run([*command, "--jets", jets, "--to", path], path.with_suffix(".log"))
        return path

    def _epochs_within(self, contender: Contender) -> int:
        """As many epochs as fit into the time of another contender, from what earlier trainings took."""
        other = [fit.cpu_seconds for (name, _), fit in self.fits.items() if name == contender.like]
        own = [fit.cpu_seconds / fit.epochs for (name, _), fit in self.fits.items() if name == contender.own_time]
        return epochs_within(sum(other) / len(other), max(own))


def epochs_within(seconds: float, per_epoch: float) -> int:
    """Whole epochs that fit into a time, at least one."""
    return max(1, int(seconds / per_epoch))


def run(command: list[object], log: Path) -> tuple[float, float]:
    """Run a command to its end.

    Args:
        command: The command.
        log: What it says goes there.

    Returns:
        Processor time and time by the clock, in seconds.

    Raises:
        SystemExit: It failed; the end of what it said is the message.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with log.open("w") as stream:
        process = subprocess.Popen(
            [str(one) for one in command], stdout=stream, stderr=subprocess.STDOUT, env=os.environ | ENVIRONMENT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, command))}\n{log.read_text()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start


def say(text: str) -> None:
    """Tell the user what happens."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    if folder.exists():
        folder.rmdir()
