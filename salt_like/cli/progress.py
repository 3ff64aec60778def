"""How far a long reading or predicting got, with the time left, and what is written meanwhile."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal, nothing when piped.

    Args:
        what: What is being done.

    Yields:
        To be called with the number of rows done and the number of rows in total.
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
