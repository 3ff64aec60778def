from __future__ import annotations

from contextlib import contextmanager

from salt_like.data.watch import watch, watched


def test_a_watcher_sees_what_is_done_in_its_block_only() -> None:
    seen = []

    @contextmanager
    def watcher(what):
        yield lambda *step: seen.append((what, *step))

    with watch("before") as progress:
        progress(1, 2)
    with watched(watcher), watch("reading") as progress:
        progress(1, 2)
    with watch("after") as progress:
        progress(2, 2)
    assert seen == [("reading", 1, 2)]
