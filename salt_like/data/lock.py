"""One writer at a time among the processes of one or several machines that share a folder."""

from __future__ import annotations

import os
import socket
import time
import uuid
from pathlib import Path
from types import TracebackType

STALE_AFTER = 300.0  # seconds without a sign of life, after which a lock of another machine counts as left behind
SIGN = 1.0  # seconds between signs of life


class Lock:
    """A file that exists while its owner works.

    It is created in one step that fails when it exists, which network file systems guarantee too. The owner touches
    it while it works; one that is left behind by a killed process is removed by whoever finds it.

    Args:
        path: The lock file.
        stale_after: Seconds without a sign of life after which it counts as left behind.
    """

    def __init__(self, path: Path, stale_after: float = STALE_AFTER) -> None:
        self.path = path
        self.stale_after = stale_after
        self._token = ""
        self._touched = 0.0

    def acquire(self) -> bool:
        """Try once to become the owner."""
        token = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            self._break_stale()
            return False
        with os.fdopen(handle, "w") as file:
            file.write(token)
        self._token, self._touched = token, time.monotonic()
        return True

    def alive(self) -> None:
        """Show that the owner still works; at most once a second."""
        now = time.monotonic()
        if now - self._touched > SIGN:
            os.utime(self.path)
            self._touched = now

    def release(self) -> None:
        """Remove the file, if it is still this owner's."""
        if self._token and self._read() == self._token:
            self.path.unlink(missing_ok=True)
        self._token = ""

    def owner(self) -> str:
        """Who holds it, such as ``process 12 on host``, for messages."""
        host, _, rest = self._read().partition(" ")
        return f"process {rest.partition(' ')[0]} on {host}" if host and rest else "another process"

    def is_live(self) -> bool:
        """Whether the owner works, as far as can be told: it is there on this machine, or gave a sign of life."""
        try:
            age = time.time() - self.path.stat().st_mtime
        except OSError:
            return False
        host, _, rest = self._read().partition(" ")
        process = rest.partition(" ")[0]
        if host == socket.gethostname() and process.isdigit():
            return _runs(int(process))
        return age < self.stale_after

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _read(self) -> str:
        try:
            return self.path.read_text()
        except FileNotFoundError:
            return ""

    def _break_stale(self) -> None:
        try:
            age = time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return
        token = self._read()
        host, _, rest = token.partition(" ")
        process = rest.partition(" ")[0]
        dead = host == socket.gethostname() and process.isdigit() and not _runs(int(process))
        if not dead and age < self.stale_after:
            return
        # renaming is one step, so of several that find the lock stale only one removes it
        aside = self.path.with_suffix(f".{uuid.uuid4().hex}")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if aside.read_text() != token and not self.path.exists():
            aside.rename(self.path)  # someone else was faster, and this was the lock of the next owner
        else:
            aside.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
