"""The folder beside the file where finished chunks and pile-up wait until all are there, so that nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.atomic import write_atomically
from salt_like.errors import UserError
from salt_like.simulation.layout import DTYPES, LENGTHS
from salt_like.simulation.pileup import Pool

Streams = dict[str, NDArray[Any]]

_NAME = re.compile(r"chunk-(\d+)-of-(\d+)-jets\.npz")
_BLOCK = re.compile(r"pileup-(\d+)\.npz")
_ABOUT = "settings.json"


class Parts:
    """Finished chunks of a sample, and blocks of its pool of pile-up, on the disk.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, out: Path) -> Parts:
        """The folder that belongs to an output file."""
        return cls(out.with_name(f"{out.name}.parts"))

    def begin(self, about: Mapping[str, Any], resume: bool) -> None:
        """Make the folder, or take the one that is there.

        Args:
            about: Settings and versions; parts of other ones do not fit.
            resume: Whether the user wants to go on.

        Raises:
            UserError: There are finished chunks and the user did not say so, or they are of other settings or versions,
                or nothing can be written there.
        """
        path, kept = self.folder / _ABOUT, len(self.finished())
        if kept and not resume:
            raise UserError(
                f"finished chunks of an interrupted simulation ({kept}) are in {self.folder}\n"
                f"go on with them: --resume; or remove that folder to begin anew"
            )
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        if before is not None and (resume or before == about):
            _compare(before, about, self.folder)
            return
        try:
            shutil.rmtree(self.folder, ignore_errors=True)  # pile-up of other settings, and no chunk
            self.folder.mkdir(parents=True)
            with write_atomically(path) as temporary:
                temporary.write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise UserError(
                f"nothing can be written to {self.folder.parent}: {error.strerror}\ngive another place to --out"
            ) from None

    def finished(self) -> dict[int, int]:
        """Number of jets of each finished chunk."""
        return {index: jets for index, jets, _ in self._chunks()}

    def save(self, index: int, streams: Streams) -> int:
        """Write a finished chunk, all or nothing, and return its number of jets."""
        jets = len(streams["jets"])
        path = self.folder / f"chunk-{index:06}-of-{jets}-jets.npz"
        with write_atomically(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **_packed(streams))  # type: ignore[arg-type]
        return jets

    def load(self, index: int) -> Streams:
        """Read a finished chunk.

        Raises:
            UserError: Its file is damaged.
        """
        path = next(path for number, _, path in self._chunks() if number == index)
        with _whole("chunk", path), path.open("rb") as opened, np.load(opened) as file:
            return _unpacked(dict(file))

    def blocks(self) -> list[int]:
        """Numbers of the finished blocks of the pool, in their order."""
        numbers = (_BLOCK.fullmatch(path.name) for path in self.folder.glob("pileup-*"))
        return sorted(int(match[1]) for match in numbers if match)

    def save_block(self, index: int, block: Pool) -> int:
        """Write a finished block of the pool, all or nothing, and return its number of collisions."""
        block.save(self._block(index))
        return len(block.counts)

    def pool(self) -> Pool | None:
        """All finished blocks, joined; ``None`` if there is none.

        Raises:
            UserError: A file is damaged.
        """
        made = []
        for index in self.blocks():
            with _whole("pile-up", self._block(index)):
                made.append(Pool.load(self._block(index)))
        return Pool.joined(made) if made else None

    def _block(self, index: int) -> Path:
        return self.folder / f"pileup-{index:03}.npz"

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder)

    def _chunks(self) -> Iterator[tuple[int, int, Path]]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in sorted(os.listdir(self.folder)):
                match = _NAME.fullmatch(name)
                if match:
                    yield int(match[1]), int(match[2]), self.folder / name


@contextlib.contextmanager
def _whole(what: str, path: Path) -> Iterator[None]:
    """Says within the ``with`` block which file is damaged."""
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise UserError(f"the finished {what} {path} is damaged\nremove it and go on with --resume") from None


def _packed(streams: Streams) -> Streams:
    """Without the empty slots, which are most of them."""
    packed = {"jets": streams["jets"]}
    for name in LENGTHS:
        valid = streams[name]["valid"]
        packed[name] = streams[name][valid]
        packed[f"{name}_number"] = valid.sum(1)
    return packed


def _unpacked(packed: Mapping[str, NDArray[Any]]) -> Streams:
    streams = {"jets": packed["jets"]}
    for name, length in LENGTHS.items():
        numbers = packed[f"{name}_number"]
        streams[name] = np.zeros((len(numbers), length), DTYPES[name])
        streams[name][np.arange(length) < numbers[:, None]] = packed[name]
    return streams


def _compare(kept: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with another sample."""
    before, now = _flat(kept), _flat(wanted)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise UserError(
                f"the finished chunks are of another simulation: {name} was {before.get(name)}, now {now.get(name)}\n"
                f"in {folder}\nuse the same settings and versions to go on, or remove that folder to begin anew"
            )


def _flat(nested: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{above}{name}."))
        else:
            flat[f"{above}{name}"] = value
    return flat
