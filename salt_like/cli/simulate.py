"""`train simulate`: jets of simulated collisions, in the layout that training reads."""

from __future__ import annotations

import contextlib
import sys
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from salt_like.cli import arguments as command_line
from salt_like.cli import yaml_file
from salt_like.errors import UserError

Report = Callable[[str, int, int], None]

FIRST_LINE, NEXT_LINES = 10.0, 60.0  # seconds between lines where there is no terminal
_STAGES = {"pile-up": "preparing pile-up", "jets": "simulating jets"}


def parser() -> command_line.Parser:
    """The options of `train simulate`."""
    made = command_line.Parser(
        "simulate",
        "Simulates jets: Pythia 8 collisions in a parametrised detector, with truth, in HDF5.",
        epilog="example: train simulate --out train.h5 --jets 100000 --seed 1 --workers 2",
    )
    made.add_argument("--out", metavar="FILE", help="the file, which must not exist")
    made.add_argument("--jets", type=whole, metavar="N", help="number of jets")
    made.add_argument("--seed", type=whole, metavar="N", help="another one for each file: train, val and test")
    made.add_argument("--workers", type=whole, metavar="N", help="processes, 1; the file does not depend on it")
    made.add_argument("--preset", metavar="NAME", help="kind of sample: flavour")
    made.add_argument("--mix", metavar="NAME:SHARE,…", help="processes and their shares of the events")
    made.add_argument("--pileup", type=float, metavar="MEAN", help="mean number of collisions beside the hard one; 20")
    made.add_argument("--config", metavar="FILE", help="YAML with seed, mix, pileup, detector, …; options win")
    made.add_argument("--resume", action="store_true", help="go on with an interrupted simulation")
    made.add_argument("--check", metavar="FILE", help="instead: compare a simulated file with what is expected of it")
    made.add_argument("--out-dir", metavar="DIR", help="where --check writes figure and page; beside the file")
    made.add_argument("--json", action="store_true", help="--check prints one JSON object instead of tables")
    return made


def whole(text: str) -> int:
    """A whole number; 1e6 is one."""
    try:
        number = Fraction(text)  # exact, as large seeds need it
        if number.denominator == 1:
            return int(number)
    except (ValueError, ZeroDivisionError):
        pass
    raise ArgumentTypeError(f"must be a whole number, not '{text}'")


def main(arguments: list[str]) -> int:
    """Simulates.

    Args:
        arguments: What follows `train simulate`.

    Returns:
        The exit code.

    Raises:
        UserError: Something in the arguments is wrong, or a chunk failed.
    """
    options = parser().strict(arguments)
    if options.check is not None:
        from salt_like.cli import simulation_check

        return simulation_check.main(options)
    for option, given in (("--out-dir", options.out_dir is not None), ("--json", options.json)):
        if given:
            raise UserError(f"{option} has no meaning without --check\nsee: train simulate --help")
    for name in ("out", "jets"):
        if getattr(options, name) is None:
            raise UserError(f"no --{name}\nexample: train simulate --out train.h5 --jets 100000 --seed 1")
    from salt_like.simulation.production import produce
    from salt_like.simulation.settings import read

    settings = read(_settings(options), options.config or "the command line")
    out, began = Path(options.out), time.monotonic()
    workers = 1 if options.workers is None else options.workers
    try:
        with _shown() as report:
            produce(out, options.jets, settings, workers, options.resume, report)
    except KeyboardInterrupt:
        print(f"finished chunks are kept in {out}.parts; go on with --resume", file=sys.stderr)
        raise
    took, size = time.monotonic() - began, out.stat().st_size / 1e6
    print(f"{options.jets} jets in {out} ({size:.1f} MB) after {_duration(took)}; cite arXiv:2203.11601, EPJC 72 1896")
    return 0


def _settings(options: Namespace) -> dict[str, Any]:
    """The content of the configuration with the options in it."""
    content = yaml_file.read(Path(options.config)) if options.config else {}
    for name in ("seed", "preset", "mix"):
        if getattr(options, name) is not None:
            content[name] = getattr(options, name)
    if options.pileup is not None:
        given = content.get("pileup")
        content["pileup"] = {**(given if isinstance(given, dict) else {}), "mean": options.pileup}
    return content


@contextlib.contextmanager
def _shown() -> Iterator[Report]:
    """A bar on a terminal, otherwise a line now and then; both on standard error."""
    if not sys.stderr.isatty():
        yield Lines(lambda line: print(line, file=sys.stderr, flush=True), time.monotonic)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(_STAGES["pile-up"], total=None, speed="")
        rate = Rate(time.monotonic)

        def report(stage: str, done: int, total: int) -> None:
            speed = rate.of(done) if stage == "jets" else 0.0
            shown = f"{speed:.0f} jets/s" if speed else ""
            bar.update(task, description=_STAGES[stage], completed=done, total=total, speed=shown)

        yield report


class Rate:
    """Jets per second since the first that was seen, without those that were finished before.

    Args:
        clock: The time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def of(self, done: int) -> float:
        """The rate so far, 0 where nothing is known yet."""
        now = self._clock()
        if self._first is None:
            self._first = (now, done)
        since, before = self._first
        return (done - before) / (now - since) if now > since else 0.0


class Lines:
    """Says how far it got: after ten seconds, and then once a minute.

    Args:
        say: Called with a line.
        clock: The time in seconds.
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._next = clock() + FIRST_LINE
        self._rate = Rate(clock)

    def __call__(self, stage: str, done: int, total: int) -> None:
        speed = self._rate.of(done) if stage == "jets" else 0.0
        if self._clock() < self._next:
            return
        self._next = self._clock() + NEXT_LINES
        left = f", {speed:.0f} jets/s, {_duration((total - done) / speed)} left" if speed else ""
        self._say(f"{_STAGES[stage]}: {done} of {total}{left}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
