"""A limit on the memory of a process and of the file pages that it reads: control groups of Linux, version 1 or 2."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
RUN_INSIDE = 'echo $$ > "$0" && exec "$@"'


class NoGroupError(RuntimeError):
    """This system lets us make no control group with a limit on memory."""


class MemoryGroup:
    """A control group that exists.

    Args:
        folder: its folder.
        version: 1 or 2.
    """

    def __init__(self, folder: Path, version: int) -> None:
        self.folder = folder
        self.version = version

    def command(self, command: list[str]) -> list[str]:
        """The same command started inside the group, so that all its memory counts from the beginning."""
        return ["sh", "-c", RUN_INSIDE, str(self.folder / "cgroup.procs"), *command]

    def peak_mb(self) -> float:
        """Most memory, file pages included, that was in use at once; not a number where the system does not say."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        with suppress(OSError):
            return int((self.folder / name).read_text()) / 1e6
        return float("nan")


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup]:
    """A new control group that may use `limit` bytes; removed, with all in it, at the end.

    Raises:
        NoGroupError: there are no control groups, or we may not make one.
    """
    version = 1 if (ROOT / "memory").is_dir() else 2
    folder = (ROOT / "memory" if version == 1 else ROOT) / f"salt-like-benchmark-{os.getpid()}"
    try:
        folder.mkdir()
        settings = (
            {"memory.limit_in_bytes": limit, "memory.swappiness": 0}
            if version == 1
            else {"memory.max": limit, "memory.swap.max": 0}
        )
        for name, value in settings.items():
            (folder / name).write_text(str(value))
    except OSError as error:
        with suppress(OSError):
            folder.rmdir()
        raise NoGroupError(
            f"no control group with a limit on memory can be made: {error}\n"
            f"needed are control groups (version 1 with a memory controller, or 2) and, usually, the rights of root; "
            f"in a container, one that is started with them"
        ) from error
    try:
        yield MemoryGroup(folder, version)
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    for _ in range(50):
        with suppress(OSError):
            for process in (folder / "cgroup.procs").read_text().split():
                os.kill(int(process), signal.SIGKILL)
            folder.rmdir()
            return
        time.sleep(0.1)


def drop_pages(paths: list[Path]) -> None:
    """Make the system forget what it keeps of these files in memory, so that they are read from the disk again."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with suppress(OSError):  # of root only; what it drops besides is metadata
        Path("/proc/sys/vm/drop_caches").write_text("3")


def read_through(paths: list[Path]) -> float:
    """Read files from beginning to end; returns bytes per second."""
    buffer = bytearray(1 << 22)
    number, start = 0, time.perf_counter()
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while read := file.readinto(buffer):
                number += read
    return number / (time.perf_counter() - start)
