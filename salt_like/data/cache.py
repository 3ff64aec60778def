"""Packed copies of the needed fields, made once and found again by what they were made from."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from salt_like.data.columns import Columns
from salt_like.data.lock import STALE_AFTER, Lock
from salt_like.data.manifest import VERSION, DamagedError, Manifest
from salt_like.data.packed import PackedColumns
from salt_like.data.shuffle import CHUNK
from salt_like.data.watch import Progress, watch
from salt_like.data.writer import Writer, rechunked, stored_bytes
from salt_like.errors import UserError

log = logging.getLogger(__name__)
POLL = 0.1  # seconds between looks at whether another process has finished
SPARE = 1.05  # free space that must be there, over the estimated size
PARTIAL, LOCK, PLAIN = ".partial", ".lock", ".json"
OURS = re.compile(rf"[0-9a-f]{{32}}({re.escape(PARTIAL)}|{re.escape(LOCK)}|{re.escape(PLAIN)})?")


class CacheUnavailableError(UserError):
    """A cache that cannot be written: no space, no permission, a full disk."""


class Readable(Protocol):
    """What a cache is made from."""

    @property
    def rows(self) -> int:
        """Rows of all files before any selection."""

    def chunks(self, *, first: int = 0) -> Iterator[Columns]:
        """The jets from this row of the files on, in order."""


def default_folder() -> Path:
    """Where caches are kept: ``$SALT_LIKE_CACHE``, else ``salt-like`` in the user's folder for caches."""
    own = os.environ.get("SALT_LIKE_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "salt-like"


class Cache:
    """A folder of packed copies; several processes may use it at once.

    Args:
        folder: Where the copies are kept, `default_folder` by default.
        announce: Told in words what is about to be written: size, time and free space.
        progress: Told how many rows are done, and of how many; by default who watches the program.
        chunk: Jets that are shuffled among themselves and written together.
        stale_after: Seconds without a sign of life after which another process's work counts as abandoned.
    """

    def __init__(
        self,
        folder: Path | None = None,
        announce: Callable[[str], None] = log.info,
        progress: Progress | None = None,
        chunk: int = CHUNK,
        stale_after: float = STALE_AFTER,
    ) -> None:
        self.folder = folder or default_folder()
        self.announce = announce
        self.progress = progress
        self.chunk = chunk
        self.stale_after = stale_after
        self._warned = False

    def warn(self, message: str) -> None:
        """Say that something cannot be kept, once: it is the same for the next sample."""
        if not self._warned:
            log.warning(message)
        self._warned = True

    def key(self, about: Mapping[str, Any]) -> str:
        """Name of the copy that is made from this: another one as soon as anything in `about` changes."""
        text = json.dumps({**about, "version": VERSION, "chunk": self.chunk}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def columns(self, sample: Readable, about: dict[str, Any], shuffle: bool) -> PackedColumns:
        """The packed copy of a sample, written now unless it exists.

        Args:
            sample: What is copied.
            about: Plain data that identifies the sample: sources and all that was asked of them.
            shuffle: Shuffle the jets of each chunk (for training), or keep the order of the files.

        Raises:
            CacheUnavailableError: There is too little space or no permission to write it.
        """
        about = {**about, "shuffle": shuffle}
        final = self.folder / self.key(about)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = Lock(self.folder / (final.name + LOCK), self.stale_after)
            waits = False
            while True:
                if final.is_dir():
                    try:
                        return PackedColumns(final)
                    except DamagedError as error:
                        log.warning("written again: %s", error)
                if lock.acquire():
                    with lock:
                        return self._made(final, sample, about, shuffle, lock)
                if not waits and lock.path.exists():
                    self.announce(f"waiting for another process that writes the same packed copy in {self.folder}")
                    waits = True
                time.sleep(POLL)
        except OSError as error:
            raise _unavailable(self.folder, error) from error

    def plain(self, about: Mapping[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Plain data that takes a while to compute, kept beside the copies.

        Args:
            about: Plain data that identifies it.
            compute: Computes it where it is not kept yet.
        """
        path = self.folder / (self.key(about) + PLAIN)
        with suppress(OSError, ValueError):
            kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return kept
        found = compute()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}.new")
            temporary.write_text(json.dumps(found), encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            self.warn(
                f"nothing can be kept in {self.folder}, so the files are read anew each time: "
                f"{error.strerror or error}; give another folder with data.cache_dir or $SALT_LIKE_CACHE"
            )
        return found

    def _made(self, final: Path, sample: Readable, about: dict[str, Any], shuffle: bool, lock: Lock) -> PackedColumns:
        try:
            return PackedColumns(final)  # another process finished between the last look and the lock
        except DamagedError:
            shutil.rmtree(final, ignore_errors=True)
        partial = final.with_name(final.name + PARTIAL)
        try:
            with watch("writing the packed copy") as shown:
                self._write(partial, sample, about, shuffle, lock, self.progress or shown)
        except (OSError, CacheUnavailableError):
            shutil.rmtree(partial, ignore_errors=True)  # make room: nothing half-written stays on a full disk
            raise
        partial.rename(final)
        return PackedColumns(final)

    def _write(
        self, folder: Path, sample: Readable, about: dict[str, Any], shuffle: bool, lock: Lock, progress: Progress
    ) -> None:
        writer = Writer(folder, about, shuffle)
        begin, started = writer.manifest.next_row, time.monotonic()
        said = False
        if begin:
            self.announce(f"continuing the cache {folder.stem} at row {begin} of {sample.rows}")

        def alive() -> Iterator[Columns]:
            for columns in sample.chunks(first=begin):
                lock.alive()
                progress(int(columns.rows[-1]) + 1 if len(columns) else begin, sample.rows)
                yield columns

        for columns in rechunked(alive(), self.chunk):
            if not said:
                done = (int(columns.rows.max()) + 1 - begin) / max(sample.rows - begin, 1)
                self._say(stored_bytes(columns) / done, (time.monotonic() - started) / done)
                said = True
            writer.append(columns)
        writer.close()
        progress(sample.rows, sample.rows)

    def _say(self, size: float, seconds: float) -> None:
        free = shutil.disk_usage(self.folder).free
        self.announce(
            f"writing the needed fields to {self.folder}: about {_bytes(size)} in {_duration(seconds)}, "
            f"{_bytes(free)} are free"
        )
        if size * SPARE > free:
            raise CacheUnavailableError(
                f"the cache needs about {_bytes(size)}, but only {_bytes(free)} are free in {self.folder}\n"
                f"give another folder (data.cache_dir or $SALT_LIKE_CACHE), or read the files anew in each epoch: "
                f"data.cache: false"
            )


@dataclass(frozen=True)
class CacheInfo:
    """One copy in a folder of caches.

    Args:
        path: Its folder.
        size: Bytes.
        jets: Number of jets.
        complete: False for one whose writing was interrupted.
        changed: Seconds since 1970 of the last change.
        about: What it was made from.
    """

    path: Path
    size: int
    jets: int
    complete: bool
    changed: float
    about: dict[str, Any]


def list_caches(folder: Path | None = None) -> list[CacheInfo]:
    """All copies in a folder of caches, newest first."""
    found = []
    for path in sorted((folder or default_folder()).glob("*")):
        if OURS.fullmatch(path.name) and path.is_dir():
            try:
                manifest = Manifest.read(path)
            except DamagedError:
                manifest = Manifest([], [], 0, {})
            size = sum(file.stat().st_size for file in path.iterdir())
            complete = path.suffix != PARTIAL and bool(manifest.entries)
            changed = path.stat().st_mtime
            found.append(CacheInfo(path, size, manifest.jets, complete, changed, manifest.about))
    return sorted(found, key=lambda info: -info.changed)


def clear_caches(folder: Path | None = None) -> int:
    """Remove all copies from a folder of caches, and nothing else; returns the bytes freed.

    A copy that a process is writing is left alone.
    """
    folder = folder or default_folder()
    freed = sum(info.size for info in list_caches(folder))
    for path in sorted(folder.glob("*")):
        if not OURS.fullmatch(path.name) or path.suffix == LOCK:
            continue
        if path.suffix == PLAIN:
            path.unlink()
            continue
        lock = Lock(folder / (path.stem + LOCK))
        if not (lock.acquire() or lock.acquire()):  # the first attempt removes a lock that was left behind
            freed -= sum(file.stat().st_size for file in path.iterdir())
            continue
        with lock:
            shutil.rmtree(path)
    return freed


def _unavailable(folder: Path, error: OSError) -> CacheUnavailableError:
    return CacheUnavailableError(
        f"the cache cannot be written: {error.strerror or error} ({folder})\n"
        f"give another folder (data.cache_dir or $SALT_LIKE_CACHE), or read the files anew in each epoch: "
        f"data.cache: false"
    )


def _bytes(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
