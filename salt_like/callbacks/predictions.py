"""Writes prediction files: HDF5, one structured array per stream, compressed, complete or not there at all."""

from __future__ import annotations

import contextlib
import errno
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from salt_like.atomic import write_atomically
from salt_like.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CHUNK = 500  # jets per compressed chunk, and per write


@contextlib.contextmanager
def open_predictions(path: Path, attributes: Mapping[str, Any], overwrite: bool = False) -> Iterator[PredictionWriter]:
    """A prediction file to be filled in the ``with`` block.

    It is written under a temporary name in the same folder and renamed when the block ends well. When the block raises,
    nothing is left of it and an existing file stays as it was.

    Args:
        path: The file.
        attributes: Attributes of the file: numbers, strings or lists of strings.
        overwrite: Replace an existing file.

    Raises:
        UserError: The file exists already, its folder cannot be written to, or the disk is full.
    """
    refuse_existing(path, overwrite)
    with contextlib.ExitStack() as stack:
        with _explained(path):
            temporary = stack.enter_context(write_atomically(path))
            disk = stack.enter_context(Disk(temporary))
        with h5py.File(disk, "w") as file:
            file.attrs.update(attributes)
            writer = PredictionWriter(file, disk, path)
            yield writer
            writer.finish()
        with _explained(path):
            disk.check()
        refuse_existing(path, overwrite)


class Disk(io.FileIO):
    """A new file that remembers the first failure to write instead of raising it.

    HDF5 does not survive a write that fails: it crashes when the file is closed. So writes go on into nothing, and
    `check` raises the failure when HDF5 is not in the way.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(view) and self._failure is None:
                done += super().write(view[done:])
        except OSError as error:
            self._failure = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return size or 0

    def check(self) -> None:
        """Raise the first failure."""
        if self._failure is not None:
            raise self._failure


class PredictionWriter:
    """Appends jets to the arrays of an open prediction file, in whole compressed chunks.

    Args:
        file: The file.
        disk: What it is written to.
        path: Its final name, for messages.
    """

    def __init__(self, file: h5py.File, disk: Disk, path: Path) -> None:
        self._file = file
        self._disk = disk
        self._path = path
        self._waiting: dict[str, list[NDArray[np.void]]] = {}

    def write(self, stream: str, rows: NDArray[np.void]) -> None:
        """Append jets to the array of one stream.

        Args:
            stream: Name of the array.
            rows: Structured, ``(n,)`` or ``(n, L)``, always of the same fields.

        Raises:
            UserError: The disk is full.
        """
        if stream not in self._waiting:
            self._create(stream, rows)
        self._waiting[stream].append(rows)
        if sum(map(len, self._waiting[stream])) >= CHUNK:
            self._flush(stream, whole=True)

    def annotate(self, stream: str, attributes: Mapping[str, Any]) -> None:
        """Set attributes of the array of one stream."""
        self._file[stream].attrs.update(attributes)

    def finish(self) -> None:
        """Write everything that waits."""
        for stream in self._waiting:
            self._flush(stream)

    def _create(self, stream: str, rows: NDArray[np.void]) -> None:
        tail = rows.shape[1:]
        self._file.create_dataset(
            stream,
            shape=(0, *tail),
            maxshape=(None, *(length or None for length in tail)),  # a chunk may not be longer than an axis of none
            chunks=(CHUNK, *(max(length, 1) for length in tail)),
            dtype=rows.dtype,
            compression="gzip",
            compression_opts=4,
            shuffle=True,
        )
        self._waiting[stream] = []

    def _flush(self, stream: str, whole: bool = False) -> None:
        """Write what waits; with `whole` only complete chunks, so that none is compressed twice."""
        rows = np.concatenate(self._waiting[stream])
        number = len(rows) // CHUNK * CHUNK if whole else len(rows)
        self._waiting[stream] = [rows[number:]]
        dataset = self._file[stream]
        start = dataset.shape[0]
        dataset.resize(start + number, axis=0)
        dataset[start:] = rows[:number]
        with _explained(self._path):
            self._disk.check()


def refuse_existing(path: Path, overwrite: bool = False) -> None:
    """Raise `UserError` when there is such a file and it may not be replaced."""
    if path.is_dir():
        raise UserError(f"a folder, not a file: {path}\ngive the name of the prediction file")
    if path.exists() and not overwrite:
        raise UserError(f"the file exists already: {path}\ngive another name, or --force to replace it")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UserError(
                f"no space left while writing {path}\nnothing was kept of it; free some space and run again"
            ) from error
        found = error.strerror or str(error).splitlines()[0][:200]
        raise UserError(f"cannot write {path}\nfound: {found}") from error
