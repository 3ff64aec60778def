"""A bundle on its way to another place: only what its hashes name, and only if it still is what they say."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salt_like.errors import UserError
from salt_like.export.verify import FORMAT, MANIFEST, SCHEMA_VERSION, SUMS

_LINE = re.compile(r"([0-9a-f]{64})[ ][ *](.+)")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Bundle:
    """A bundle, read but not executed.

    Args:
        folder: Where it lies.
        sums: Hash of each file by its path in the bundle.
        manifest: Content of the manifest.
        sha256: Hash of the list of hashes: that of the bundle as a whole.
    """

    folder: Path
    sums: Mapping[str, str]
    manifest: Mapping[str, Any]
    sha256: str


def read_bundle(folder: Path) -> Bundle:
    """Read the hashes and the manifest of a bundle, and check that every file is there and unchanged.

    Args:
        folder: The bundle.

    Raises:
        UserError: There is no bundle, it is of a newer schema, or a file is missing or was changed.
    """
    if not folder.is_dir():
        raise UserError(f"no such bundle: {folder}\na bundle is the folder that `train export` writes")
    for name in (SUMS, MANIFEST):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder} is no bundle: it has no {name}\na bundle is the folder that `train export` writes"
            )
    listed = (folder / SUMS).read_bytes()
    sums = _sums(listed, folder)
    for name, expected in sums.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"the bundle {folder} is damaged: {name} is missing\nexport it again, or get another copy")
        _compare(hash_of(path), expected, name, folder)
    return Bundle(folder, sums, read_manifest(folder), hashlib.sha256(listed).hexdigest())


def copy_bundle(bundle: Bundle, target: Path, alive: Callable[[], None] = lambda: None) -> None:
    """Copy a bundle, and make sure that what is copied is what was read before.

    Args:
        bundle: The bundle.
        target: A folder, which is made.
        alive: Called now and then.

    Raises:
        UserError: A file was changed since the bundle was read.
    """
    target.mkdir()
    for name, expected in bundle.sums.items():
        alive()
        copied = target / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        _compare(_copy(bundle.folder / name, copied), expected, name, bundle.folder)
    if _copy(bundle.folder / SUMS, target / SUMS) != bundle.sha256:
        raise UserError(f"the bundle {bundle.folder} was changed while it was copied")
    for folder in {(target / name).parent for name in bundle.sums}:
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


def hash_of(path: Path) -> str:
    """The SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _copy(source: Path, target: Path) -> str:
    found = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(_CHUNK):
            found.update(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return found.hexdigest()


def _compare(found: str, expected: str, name: str, folder: Path) -> None:
    if found != expected:
        raise UserError(
            f"the bundle {folder} is damaged: {name} was changed\nits hash is {found[:12]}…, "
            f"in {SUMS} stands {expected[:12]}…\nexport it again, or get another copy"
        )


def _sums(listed: bytes, folder: Path) -> dict[str, str]:
    sums = {}
    for number, line in enumerate(listed.decode("utf-8", "replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        # a list of hashes is no reason to copy files from elsewhere into a store
        if match is None or Path(match[2]).is_absolute() or ".." in Path(match[2]).parts or match[2] == SUMS:
            raise UserError(f"{folder / SUMS}: line {number} is no hash of a file of the bundle: '{line[:80]}'")
        sums[match[2]] = match[1]
    missing = {"model.onnx", MANIFEST} - set(sums)
    if missing:
        raise UserError(f"{folder / SUMS} has no hash of {', '.join(sorted(missing))}\nexport the bundle again")
    return sums


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of a bundle.

    Args:
        folder: The bundle.

    Raises:
        UserError: It is none, or of another schema.
    """
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{folder / MANIFEST} is no JSON: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UserError(f"{folder} is no bundle: 'format' in {MANIFEST} is not '{FORMAT}'")
    if found.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"{folder / MANIFEST} has schema version {found.get('schema_version')}, known is {SCHEMA_VERSION}\n"
            "update this package"
        )
    return found
