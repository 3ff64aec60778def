"""A bundle on its way to another place: only what its hashes name, and only if it still is what they say."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salt_like.bundle import MANIFEST, SUMS, Sums, parse_manifest, read_sums
from salt_like.errors import UserError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checked:
    """A bundle all of whose files are what its hashes say; none of them is executed.

    Args:
        sums: Where it lies, and the hashes.
        manifest: Content of the manifest.
    """

    sums: Sums
    manifest: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.sums.folder

    @property
    def sha256(self) -> str:
        """Hash of the list of hashes: that of the bundle as a whole."""
        return self.sums.sha256


def read_checked(folder: Path) -> Checked:
    """Read the hashes and the manifest of a bundle, and check that every file is there and unchanged.

    Args:
        folder: The bundle.

    Raises:
        UserError: There is no bundle, it is of a newer schema, or a file is missing or was changed.
    """
    sums = read_sums(folder)
    sums.check_all()
    return Checked(sums, parse_manifest(sums.read(MANIFEST), folder))


def copy_bundle(bundle: Checked, target: Path, alive: Callable[[], None] = lambda: None) -> None:
    """Copy a bundle, and make sure that what is copied is what was read before.

    Args:
        bundle: The bundle.
        target: A folder, which is made.
        alive: Called now and then.

    Raises:
        UserError: A file was changed since the bundle was read.
    """
    target.mkdir()
    names = bundle.sums.by_name
    for name in names:
        alive()
        copied = target / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        bundle.sums.check(name, _copy(bundle.folder / name, copied))
    if _copy(bundle.folder / SUMS, target / SUMS) != bundle.sha256:
        raise UserError(f"the bundle {bundle.folder} was changed while it was copied")
    for folder in {(target / name).parent for name in names}:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Let names in a folder outlast a power cut, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems cannot, and do it on their own
    finally:
        os.close(handle)


def _copy(source: Path, target: Path) -> str:
    found = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(_CHUNK):
            found.update(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return found.hexdigest()
