"""How far a long reading or predicting got, with the time left, and what is written meanwhile."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[..., None]]:
    """A bar on the terminal, nothing when piped.

    Args:
        what: What is being done.

    Yields:
        To be called with the number of rows done, the number of rows in total, and what is being done if it changed.
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int, now: str = what) -> None:
            bar.update(task, completed=done, total=total, description=now)

        yield report


@contextlib.contextmanager
def stages(number: int) -> Iterator[Callable[[str], None]]:
    """What is being done and how many of the steps are behind, on the terminal; nothing when piped.

    Args:
        number: Number of steps.

    Yields:
        To be called with the name of each step when it begins.
    """
    done = -1
    with progress("") as report:

        def begin(what: str) -> None:
            nonlocal done
            done += 1
            report(done, number, what)

        yield begin


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Within the ``with`` block long readings of the data have a bar, and what is written to the cache is said."""
    from salt_like.data.watch import watched

    logger = logging.getLogger("salt_like.data")
    handler, level = _Said(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with watched(progress):
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Said(logging.Handler):
    """Says on the screen what is logged, above a bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        print(prefix + record.getMessage(), file=sys.stderr, flush=True)
