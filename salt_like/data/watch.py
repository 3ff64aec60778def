"""Who is shown how far a long reading of the data got: nobody, unless a program asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

Progress = Callable[[int, int], None]  # rows done, rows in total
Watcher = Callable[[str], AbstractContextManager[Progress]]


@contextmanager
def _nobody(what: str) -> Iterator[Progress]:
    del what
    yield lambda *_: None


_watcher: ContextVar[Watcher] = ContextVar("watcher", default=_nobody)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Within the ``with`` block this watcher is shown every long reading of the data.

    Args:
        watcher: Called with what is being done; gives a context whose value is called with the number of rows done and
            the number of rows in total.
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def watch(what: str) -> AbstractContextManager[Progress]:
    """The context in which a long reading shows how far it got.

    Args:
        what: What is being done.
    """
    return _watcher.get()(what)
