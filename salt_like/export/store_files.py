"""Files and folders of a store that is read by others while it is written."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from salt_like.atomic import write_atomically
from salt_like.data.lock import Lock
from salt_like.errors import UserError
from salt_like.export.copying import sync_folder
from salt_like.export.store_index import INDEX

LOCK = ".lock"
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def model_folders(store: Path) -> list[Path]:
    """The folders of a store's models; not those of their aliases, and not what a killed process left."""
    return sorted(path.parent for path in store.glob(f"*/{INDEX}") if not path.parent.name.startswith("."))


@contextlib.contextmanager
def staging(store: Path, model: str) -> Iterator[Path]:
    """A path for what is not complete yet; what is left there in the end is removed.

    Triton takes every folder of a repository for a model, hidden ones too, and does not start when one is incomplete;
    inside of a model it passes over all that is no number. So everything is made inside of a model, if there is one.

    Args:
        store: The store.
        model: The model that is added or changed.
    """
    own = store / model
    place = own if (own / INDEX).is_file() else next(iter(model_folders(store)), store)
    for left in place.glob(".*.part"):  # by a process that was killed: only one at a time works here
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    path = place / f".{model}.{os.getpid()}.part"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def link(path: Path, target: str) -> bool:
    """Let a symbolic link point somewhere, in one step if it exists.

    Args:
        path: The link.
        target: Where it points, as it stands in the link.

    Returns:
        False where the file system has no links.
    """
    if path.is_symlink() and os.readlink(path) == target:
        return True
    temporary = path.with_name(f".{path.name}.link.part")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return False
    os.replace(temporary, path)
    return True


def write_durably(path: Path, text: str) -> None:
    """Write a file so that its name never holds half of one, and that it outlasts a power cut."""
    with write_atomically(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Say that a folder cannot be written where that is what goes wrong.

    Raises:
        UserError: That is what went wrong.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_ALLOWED:
            raise
        raise UserError(
            f"{folder} cannot be written: {error.strerror}\nfound at: {error.filename or folder}"
        ) from error


@contextlib.contextmanager
def locked(folder: Path, patience: float) -> Iterator[Callable[[], None]]:
    """Let nobody else write to a store meanwhile.

    Args:
        folder: The store.
        patience: Seconds to wait for another process.

    Yields:
        A function to call now and then, so that others see that this process lives.

    Raises:
        UserError: Another process does not come to an end, or the folder cannot be written.
    """
    lock = Lock(folder / LOCK)
    until = time.monotonic() + patience
    with writable(folder):
        while not lock.acquire():
            if time.monotonic() > until:
                raise UserError(f"{lock.owner()} has been writing to {folder} for long\ntry again later")
            time.sleep(0.05)
    with lock, writable(folder):
        yield lock.alive
