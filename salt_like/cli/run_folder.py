"""Where a run is written."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from salt_like.atomic import write_atomically
from salt_like.data.lock import Lock
from salt_like.errors import UserError
from salt_like.training import record
from salt_like.training.run import STALE_AFTER

# Processes that the first one starts read from it which folder was chosen.
HANDED_OVER = "SALT_LIKE_RUN"
_WRITTEN = ("config.yaml", "spec.json")
_RECORD = "run.json"  # there from the beginning; its state says when the training begins
LOCK = "training.lock"  # there while a training writes into the folder
_RANKS = ("LOCAL_RANK", "RANK", "SLURM_PROCID")


def choose(name: str, wanted: str | None) -> Path:
    """The folder of a new run; nothing is created.

    Args:
        name: Name of the model.
        wanted: Folder that the user asks for, ``None`` for ``runs/<name>/<time>``.

    Raises:
        UserError: The folder that the user asks for is there and not empty, or the name cannot be that of a folder.
    """
    if name in {"", ".", ".."} or Path(name).name != name:
        raise UserError(f"name = {name!r}: it names a folder and columns, so it has no '/' and is not empty")
    handed = os.environ.get(HANDED_OVER)
    if handed and not is_first():
        return Path(handed)
    if wanted is not None:
        folder = Path(wanted).expanduser().absolute()
        if not is_first():  # the first process may have begun to write
            return folder
        if folder.is_file():
            raise UserError(f"--run {wanted}: this is a file; nothing was changed\ngive a folder that is new or empty")
        if folder.exists() and any(folder.iterdir()):
            raise UserError(
                f"--run {wanted}: the folder exists and is not empty; nothing was changed\n"
                f"choose another, or continue that run with: train fit --resume {wanted}"
            )
        return folder
    parent = Path("runs").absolute() / name
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    candidates = [stamp, *(f"{stamp}-{number}" for number in range(2, 1000))]
    return next(parent / one for one in candidates if not (parent / one).exists())


def is_first() -> bool:
    """True in the process that writes: the only one, or the first of several."""
    return all(os.environ.get(rank, "0") == "0" for rank in _RANKS)


@contextlib.contextmanager
def taken(name: str, wanted: str | None) -> Iterator[Path]:
    """The folder of a new run, which no other training can take meanwhile.

    It is as it was before when the block raises before a training began in it. An interruption leaves a run that has
    a record, which can be continued.

    Args:
        name: As for `choose`.
        wanted: As for `choose`.

    Raises:
        UserError: As for `choose`.
    """
    folder, was_there = _claim(name, wanted) if is_first() else (choose(name, wanted), True)
    try:
        with held(folder):
            yield folder
    except BaseException as error:
        state = record.read(folder / _RECORD).get("state")
        if is_first() and (state is None or (state == "preparing" and isinstance(error, Exception))):
            _discard(folder, was_there)
        raise


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps other trainings out of a run's folder.

    A lock that a process of this machine left behind does not count, nor one of another machine without a sign of life
    for half an hour.

    Args:
        folder: Of the run.

    Raises:
        UserError: A training writes into the folder.
    """
    if not is_first():
        yield
        return
    lock = Lock(folder / LOCK, STALE_AFTER)
    if not (lock.acquire() or lock.acquire()):  # the first try removes one that was left behind
        raise UserError(
            f"a training of this run is going on: {lock.owner()}\nwait for its end; if it has ended, remove {lock.path}"
        )
    with lock:
        yield


@contextlib.contextmanager
def continued(folder: Path) -> Iterator[Path]:
    """The folder of a run that goes on; what `write` changes comes back when the block raises before it does.

    Args:
        folder: As given by the user.
    """
    before = {name: _content(folder / name) for name in (*_WRITTEN, _RECORD, record.PATCH)}
    try:
        yield folder
    except BaseException:
        record_now = _content(folder / _RECORD)
        if is_first() and (record_now == before[_RECORD] or record.read(folder / _RECORD).get("state") == "preparing"):
            for name in before:
                _put_back(folder / name, before[name])
        raise


def write(folder: Path, config: dict[str, Any], spec: dict[str, Any] | None = None) -> None:
    """Writes the resolved configuration and the description of the data; tells further processes the folder.

    Args:
        folder: Of the run.
        config: The resolved configuration.
        spec: The resolved description of the data as plain data, ``None`` while it is not known.
    """
    os.environ[HANDED_OVER] = str(folder)
    if not is_first():
        return
    texts = [dump(config)] if spec is None else [dump(config), json.dumps(spec, indent=2) + "\n"]
    for name, text in zip(_WRITTEN, texts, strict=False):
        with write_atomically(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _claim(name: str, wanted: str | None) -> tuple[Path, bool]:
    """Makes the folder with an empty configuration, which only one process can; and whether the folder was there."""
    while True:
        folder = choose(name, wanted)
        was_there = folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=was_there)
            os.close(os.open(folder / _WRITTEN[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            continue  # another training was faster: the next free name, or the message that the folder is not empty
        return folder, was_there


def _discard(folder: Path, keep: bool) -> None:
    """Removes what was written, and unless `keep` the folder, with ``runs/<name>`` where nothing else is in it."""
    for name in (*_WRITTEN, _RECORD, record.PATCH):
        (folder / name).unlink(missing_ok=True)
    if keep:
        return
    with contextlib.suppress(OSError):  # not empty: something else is in it
        folder.rmdir()
        if folder.parent.parent == Path("runs").absolute():
            folder.parent.rmdir()
            folder.parent.parent.rmdir()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put_back(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif _content(path) != content:
        with write_atomically(path) as temporary:
            temporary.write_bytes(content)


def dump(config: dict[str, Any]) -> str:
    """A configuration as YAML, keys in their order."""
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)
