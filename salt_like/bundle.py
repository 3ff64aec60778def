"""The folder of a deployed tagger, read and checked without torch: the one reader of its hashes and its manifest.

What a bundle must be is written in `salt_like.export.verify`, which lies in every bundle and imports nothing of this
package. It is imported when a bundle is read: it needs onnxruntime, which those who only ask `is_bundle` do not.
"""

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


@dataclass(frozen=True)
class Sums:
    """The list of hashes of a bundle.

    Args:
        folder: The bundle.
        by_name: Hash of each file by its path in the bundle.
        sha256: Hash of the list itself: that of the bundle as a whole.
    """

    folder: Path
    by_name: Mapping[str, str]
    sha256: str

    def read(self, name: str) -> bytes:
        """A file of the bundle.

        Args:
            name: Its path in the bundle.

        Raises:
            UserError: It is missing, was changed, or has no hash.
        """
        content = _read(self.folder, name)
        self.check(name, hashlib.sha256(content).hexdigest())
        return content

    def check(self, name: str, found: str) -> None:
        """Compare the hash of a file.

        Args:
            name: Its path in the bundle.
            found: Its hash.

        Raises:
            UserError: It is another one, or none is known.
        """
        if found != self.expected(name):
            raise UserError(
                f"{name} of the bundle was changed: it is not what {SUMS} says\nin {self.folder}\nget a new copy"
            )

    def expected(self, name: str) -> str:
        """The hash that a file should have.

        Args:
            name: Its path in the bundle.

        Raises:
            UserError: None is known.
        """
        if name not in self.by_name:
            raise UserError(f"{SUMS} of the bundle has no hash of {name}\nin {self.folder}\nget a complete copy")
        return self.by_name[name]

    def check_all(self) -> None:
        """Compare all files with their hashes.

        Raises:
            UserError: One is missing or was changed.
        """
        from salt_like.export.verify import hash_of

        for name in self.by_name:
            if not (self.folder / name).is_file():
                raise _missing(self.folder, name)
            self.check(name, hash_of(self.folder / name))


def is_bundle(folder: Path) -> bool:
    """Whether a folder is, or was before it was damaged, a bundle."""
    try:
        if FORMAT.encode() in (folder / MANIFEST).read_bytes():
            return True
    except OSError:
        pass
    return (folder / SUMS).is_file() and (folder / MODEL).is_file()


def refuse_inside(path: Path) -> None:
    """Refuse to write into a bundle, which would then be more than its hashes name.

    Args:
        path: What would be written.

    Raises:
        UserError: It is a bundle, or lies in one.
    """
    resolved = path.resolve()
    holding = next((one for one in (resolved, *resolved.parents) if is_bundle(one)), None)
    if holding is not None:
        raise UserError(f"nothing is written into a bundle: {path}\nthe bundle is {holding}\ngive another folder")


def read_bundle(folder: Path) -> Bundle:
    """Read the graph and its description, and compare them with their hashes.

    Args:
        folder: The bundle.

    Raises:
        UserError: It is no bundle, a file is missing or was changed, or it is newer than this code.
    """
    sums = read_sums(folder)
    manifest, spec, model = (sums.read(name) for name in (MANIFEST, SPEC, MODEL))
    described = parse_manifest(manifest, folder)
    try:
        found = Bundle(folder, described, DataSpec.from_dict(json.loads(spec)), model)
        known = {stream.name for stream in found.spec.streams}
    except SpecError as error:
        raise UserError(f"{error}\nin {folder / SPEC}") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{SPEC} of the bundle is no description of data\nfound: {type(error).__name__}: {str(error)[:200]}\n"
            f"in {folder}"
        ) from error
    parts = (*described["inputs"], *described["outputs"], *described["tasks"].values())
    objects = {one["objects"]["array"] for one in described["tasks"].values() if "objects" in one}
    if not {one["stream"] for one in parts} <= known | objects:
        raise apart(folder)
    return found


def read_sums(folder: Path) -> Sums:
    """Read the hashes of a bundle.

    Args:
        folder: The bundle.

    Raises:
        UserError: It is no bundle, or a line of the list is no hash of a file in it.
    """
    from salt_like.export import verify

    if not is_bundle(folder):
        what = "not a bundle" if folder.exists() else "no such bundle"
        raise UserError(f"{what}: {folder}\n`train export RUN` makes one, with a {MANIFEST}")
    content = _read(folder, SUMS)
    sums, wrong = verify.read_sums(content)
    for number, line in wrong.items():
        # a list of hashes is no reason to read or copy files from elsewhere
        raise UserError(f"{folder / SUMS}: line {number} is no hash of a file of the bundle: '{line[:80]}'")
    found = Sums(folder, sums, hashlib.sha256(content).hexdigest())
    for name in (MANIFEST, MODEL):
        found.expected(name)
    return found


def sums_text(by_name: Mapping[str, str]) -> str:
    """A list of hashes as `sha256sum -c` reads it.

    Args:
        by_name: Hash of each file by its path in the bundle.
    """
    return "".join(f"{found}  {name}\n" for name, found in sorted(by_name.items()))


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of a bundle, whatever its hash.

    Args:
        folder: The bundle.

    Raises:
        UserError: It is none, or of another schema.
    """
    return parse_manifest(_read(folder, MANIFEST), folder)


def parse_manifest(content: bytes, folder: Path) -> Mapping[str, Any]:
    """The same from what was read.

    Args:
        content: Content of ``manifest.json``.
        folder: The bundle, for messages.

    Raises:
        UserError: It is none, or of another schema.
    """
    from salt_like.export import verify

    try:
        return verify.parse_manifest(content)
    except verify.ManifestError as error:
        raise UserError(f"the manifest of the bundle {error}\nin {folder / MANIFEST}") from error


def apart(folder: Path) -> UserError:
    """What to say of a bundle whose parts are those of several."""
    return UserError(f"graph, manifest and spec of the bundle do not belong together: {folder}")


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise _missing(folder, name) from None
    except OSError as error:
        raise UserError(f"cannot read {folder / name}\nfound: {error.strerror}") from error


def _missing(folder: Path, name: str) -> UserError:
    return UserError(f"the bundle has no {name}: {folder}\nget a complete copy")
