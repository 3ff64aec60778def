"""The folder of a deployed tagger, read and checked: needs neither torch nor onnxruntime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salt_like.errors import UserError
from salt_like.spec import DataSpec, SpecError

FORMAT, SCHEMA_VERSION = "salt-like bundle", 1
MODEL, MANIFEST, SPEC, SUMS = "model.onnx", "manifest.json", "spec.json", "SHA256SUMS"


@dataclass(frozen=True)
class Bundle:
    """What is needed to predict.

    Args:
        folder: The folder.
        manifest: Content of ``manifest.json``.
        spec: Description of the data.
        model: Bytes of ``model.onnx``.
    """

    folder: Path
    manifest: Mapping[str, Any]
    spec: DataSpec
    model: bytes


def is_bundle(folder: Path) -> bool:
    """Whether a folder is, or was before it was damaged, a bundle."""
    try:
        return FORMAT.encode() in (folder / MANIFEST).read_bytes()
    except OSError:
        return (folder / SUMS).is_file() and (folder / MODEL).is_file()


def read_bundle(folder: Path) -> Bundle:
    """Read the graph and its description, and compare them with their hashes.

    Args:
        folder: The bundle.

    Raises:
        UserError: It is no bundle, a file is missing or was changed, or it is newer than this code.
    """
    if not is_bundle(folder):
        raise UserError(f"not a bundle: {folder}\n`train export RUN` makes one, with a {MANIFEST}")
    sums = _sums(folder)
    manifest, spec, model = (_checked(folder, name, sums) for name in (MANIFEST, SPEC, MODEL))
    described = json.loads(manifest)
    if described["schema_version"] > SCHEMA_VERSION:
        raise UserError(
            f"the bundle has schema version {described['schema_version']}, this release reads {SCHEMA_VERSION}: "
            f"{folder}\nupdate salt-like; the bundle's own verify.py needs no update"
        )
    try:
        return Bundle(folder, described, DataSpec.from_dict(json.loads(spec)), model)
    except SpecError as error:
        raise UserError(f"{error}\nin {folder / SPEC}") from error


def _sums(folder: Path) -> dict[str, str]:
    """Hash by name of a file."""
    lines = _read(folder, SUMS).decode("utf-8", "replace").splitlines()
    return {name: found for found, _, name in (line.partition("  ") for line in lines)}


def _checked(folder: Path, name: str, sums: Mapping[str, str]) -> bytes:
    content = _read(folder, name)
    if name not in sums:
        raise UserError(f"{SUMS} of the bundle has no hash of {name}\nin {folder}\nget a complete copy")
    if hashlib.sha256(content).hexdigest() != sums[name]:
        raise UserError(f"{name} of the bundle was changed: it is not what {SUMS} says\nin {folder}\nget a new copy")
    return content


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise UserError(f"the bundle has no {name}: {folder}\nget a complete copy") from None
    except OSError as error:
        raise UserError(f"cannot read {folder / name}\nfound: {error.strerror}") from error
