"""Which code ran: commit and changes of a working tree, or what became of an installed package.

The only place that starts another program: git, reading only. Nothing is refused, committed or tagged.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = (".py", ".yaml", ".yml", ".toml")
LARGEST = 200_000  # bytes of a file whose text is kept
SECONDS = 10.0  # that git may take
_READING = ("--no-optional-locks", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.quotepath=false")


@dataclass(frozen=True)
class Code:
    """The code of one module.

    Args:
        module: Name of the top-level module.
        path: Its folder or file.
        kind: ``"repository"`` (a working tree of git), ``"installed"`` (a package) or ``"files"``.
        content: Hash of all its source files, the same wherever they lie.
        version: Of the installed package, empty where there is none.
        commit: Of the working tree, or that from which the package was installed; empty where it is not known.
        source: Address from which the package was installed, empty where it is not known.
        changed: Files that differ from the commit, or from what was installed.
        patch: Those differences as text.
    """

    module: str
    path: Path
    kind: str
    content: str
    version: str = ""
    commit: str = ""
    source: str = ""
    changed: tuple[str, ...] = ()
    patch: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without the patch."""
        found = {**vars(self), "path": str(self.path), "changed": list(self.changed)}
        return {key: value for key, value in found.items() if value and key != "patch"}


def code(modules: Iterable[str]) -> list[Code]:
    """The code of some top-level modules; those that are no files (built in, or not there) are left out."""
    found = [_of(name) for name in dict.fromkeys(modules)]
    return [one for one in found if one is not None]


def content(path: Path) -> str:
    """Hash of a source file, or of all source files below a folder and their places in it."""
    digest = hashlib.sha256()
    for file in _sources(path):
        digest.update(f"{file.relative_to(path.parent)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _of(module: str) -> Code | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    origin = Path(spec.origin).resolve()
    path = origin.parent if origin.stem == "__init__" else origin
    one = Code(module, path, "files", content(path))
    package = _package(module)
    version = "" if package is None else package.version
    if {"site-packages", "dist-packages"} & set(path.parts):
        return one if package is None else _installed(one, package)
    return _working_tree(one, version)


def _working_tree(one: Code, version: str) -> Code:
    commit = _git(one.path, "rev-parse", "HEAD").strip()
    if not commit:
        return Code(one.module, one.path, "files", one.content, version)
    place = str(one.path)
    patch = _git(one.path, "diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--", place)
    changed = _git(one.path, "diff", "HEAD", "--no-ext-diff", "--name-only", "--", place).splitlines()
    top = Path(_git(one.path, "rev-parse", "--show-toplevel").strip() or one.path)
    new = _git(one.path, "ls-files", "--others", "--exclude-standard", "--full-name", "--", place).splitlines()
    new = [name for name in new if name.endswith(SUFFIXES)]
    patch += "".join(_as_new(top / name, name) for name in new)
    return Code(one.module, one.path, "repository", one.content, version, commit, "", (*changed, *new), patch)


def _installed(one: Code, package: importlib.metadata.Distribution) -> Code:
    """Compares the files of an installed package with the hashes that came with it."""
    origin: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        origin = json.loads(package.read_text("direct_url.json") or "{}")
    changed, patch = [], ""
    for file in package.files or ():
        if file.suffix not in SUFFIXES or file.hash is None or file.hash.mode != "sha256":
            continue
        place = Path(str(file.locate()))
        digest = hashlib.sha256(place.read_bytes()).digest() if place.is_file() else b""
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            changed.append(str(file))
            patch += _as_new(place, str(file))
    commit = str((origin.get("vcs_info") or {}).get("commit_id", ""))
    source = str(origin.get("url", ""))
    version = package.version
    return Code(one.module, one.path, "installed", one.content, version, commit, source, tuple(changed), patch)


def _package(module: str) -> importlib.metadata.Distribution | None:
    names = importlib.metadata.packages_distributions().get(module, ())
    candidates: Sequence[str] = [*names, module, module.replace("_", "-")]
    for name in candidates:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.distribution(name)
    return None


def _sources(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file())


def _as_new(path: Path, name: str) -> str:
    """A file as the difference from nothing; names only where it is large, no text, or gone."""
    try:
        text = path.read_text(encoding="utf-8") if path.stat().st_size <= LARGEST else None
    except (OSError, UnicodeDecodeError):
        text = None
    if text is None:
        return f"# not kept: {name}\n"
    lines = difflib.unified_diff([], text.splitlines(), "/dev/null", f"b/{name}", lineterm="")
    return "\n".join(lines) + "\n"


def _git(place: Path, *command: str) -> str:
    """What git says; nothing where there is no git, no repository, or no answer in time."""
    folder = place if place.is_dir() else place.parent
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *_READING, "-C", str(folder), *command],
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=environment | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
