"""HDF5 files in the field's layout: finding, opening, checking and reading them."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from salt_like.data.source import Arrays, Header, Rows, Source, header_of, main_stream
from salt_like.errors import UserError, nearest
from salt_like.provenance.files import fingerprint as content_of

__all__ = ["Arrays", "Files", "Header", "Paths", "Rows", "Source", "find", "fingerprint", "named"]

Paths: TypeAlias = str | Sequence[str]

_OPEN_FILES = 16
_HASHED_BYTES = 1 << 16


class Files(Source):
    """One or more HDF5 files read as if they were one.

    Files are opened when first read, once per process (never inherited by a fork), and without file locking.

    Args:
        paths: Files in the order of their rows.

    Raises:
        UserError: A file is missing, is not HDF5, is truncated, or does not fit the first one.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(Path(path) for path in paths)
        described = [_describe(path) for path in self.paths]
        self.headers, self.attributes, _ = described[0]
        for path, (headers, _, _) in zip(self.paths, described, strict=True):
            _check_alike(self.headers, headers, self.paths[0], path)
        self.runs = tuple(_run(attributes) for _, attributes, _ in described)
        rows = [numbers for _, _, numbers in described]
        self.lengths = {name: tuple(numbers[name] for numbers in rows) for name in self.headers}
        counted = self.lengths[main_stream(self.headers)]
        self.parts = tuple((str(path), number) for path, number in zip(self.paths, counted, strict=True))
        self._open: dict[int, h5py.File] = {}
        self._process = 0

    def header(self, stream: str, asked: str = "") -> Header:
        if stream not in self.headers:
            found = _other_than_rows(self.paths[0], stream)
            if found:
                raise UserError(
                    f"'{stream}' is {found}, not a dataset of rows with named fields\n"
                    f"in {self.paths[0]} (datasets: {', '.join(self.headers)})"
                )
        return super().header(stream, asked)

    def read(self, stream: str, part: int, start: int, stop: int) -> Rows:
        self.header(stream)
        try:
            rows: Rows = self._file(part)[stream][start:stop]
        except OSError as error:
            raise UserError(
                f"cannot read rows {start} to {stop - 1} of dataset '{stream}': the file is damaged\n"
                f"in {self.paths[part]} ({_short(error)})"
            ) from error
        return rows

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in self.paths:
            with _opened(path) as file:
                sources = _virtual_sources(path, file)
            for one in (path, *sources):
                digest.update(fingerprint(one).encode())
        return digest.hexdigest()

    def described(self) -> list[dict[str, Any]]:
        """Path, size in bytes, number of jets and hash of the content of every file, with those that it points to."""
        found = []
        for path, (_, rows) in zip(self.paths, self.parts, strict=True):
            with _opened(path) as file:
                sources = _virtual_sources(path, file)
            one = {"path": str(path), "size": path.stat().st_size, "rows": rows, "fingerprint": content_of(path)}
            found.append(one | ({"sources": {str(other): content_of(other) for other in sources}} if sources else {}))
        return found

    def _file(self, part: int) -> h5py.File:
        if self._process != os.getpid():  # handles do not survive a fork
            self._open, self._process = {}, os.getpid()
        if part not in self._open:
            if len(self._open) >= _OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            self._open[part] = _opened(self.paths[part])
        return self._open[part]

    def close(self) -> None:
        """Close what this process has opened; reading opens again."""
        if self._process == os.getpid():
            for file in self._open.values():
                file.close()
        self._open = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}, "_process": 0}


def find(paths: Paths, asked: str = "data.train") -> tuple[Path, ...]:
    """Files of a path, a glob or a list of them: globs sorted, every file once.

    Args:
        paths: What the user gave.
        asked: The YAML key, for messages.

    Raises:
        UserError: A file does not exist or a glob matches none.
    """
    found: dict[Path, None] = {}
    for pattern in [paths] if isinstance(paths, str) else list(paths):
        if glob.has_magic(pattern) and not Path(pattern).exists():
            matches = sorted(glob.glob(pattern, recursive=True))
            if not matches:
                raise UserError(f"no file matches '{pattern}' ({asked}), looked for from {Path.cwd()}")
        else:
            matches = [pattern]
        for match in matches:
            path = Path(match)
            if not path.is_file():
                if path.is_dir():
                    raise UserError(f"a folder, not a file: {match} ({asked})\nits files are: {path / '*.h5'}")
                beside = [str(path.parent / other.name) for other in path.parent.glob("*")]
                raise UserError(f"no such file: {match} ({asked}){nearest(match, beside)}")
            found[path.absolute()] = None
    if not found:
        raise UserError(f"{asked} names no file")
    return tuple(found)


def named(source: Paths | Mapping[str, Paths], name: str, asked: str = "data.train") -> dict[str, tuple[Path, ...]]:
    """Files of each named sample.

    Args:
        source: A path, glob or list, or named samples.
        name: Name of the only sample where the user named none, such as ``test``.
        asked: The YAML key, for messages.

    Raises:
        UserError: A file does not exist, a glob matches none, or a name cannot be a file's name.
    """
    if not isinstance(source, Mapping):
        return {name: find(source, asked)}
    if not source:
        raise UserError(f"{asked} names no sample")
    for key in source:
        if not key or key.startswith(".") or "/" in key:
            raise UserError(f"'{key}' cannot name a sample ({asked}): predictions are written to a file of that name")
    return {key: find(paths, f"{asked}.{key}") for key, paths in source.items()}


def fingerprint(path: Path) -> str:
    """Hash of size, time of change, and the beginning, middle and end of a file."""
    status = path.stat()
    digest = hashlib.sha256(repr((status.st_size, status.st_mtime_ns)).encode())
    with path.open("rb") as file:
        for start in (0, status.st_size // 2, max(0, status.st_size - _HASHED_BYTES)):
            file.seek(start)
            digest.update(file.read(_HASHED_BYTES))
    return digest.hexdigest()


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}") from error
    except PermissionError as error:
        raise UserError(f"no permission to read {path}") from error
    except OSError as error:
        if "signature not found" in str(error):
            raise UserError(f"not an HDF5 file: {path}") from error
        if "truncated" in str(error):
            raise UserError(f"the file is truncated (an interrupted copy?): {path}\n{_short(error)}") from error
        raise UserError(f"cannot open {path}: {_short(error)}") from error


def _describe(path: Path) -> tuple[dict[str, Header], dict[str, Any], dict[str, int]]:
    """Headers, attributes and numbers of rows of one file."""
    with _opened(path) as file:
        headers, rows = {}, {}
        for name, dataset in file.items():
            if isinstance(dataset, h5py.Dataset) and dataset.dtype.names is not None:
                headers[name] = header_of(name, dataset, _attributes(dataset.attrs), str(path))
                rows[name] = dataset.shape[0]
        attributes = _attributes(file.attrs)
        others = ", ".join(file)
        _check_virtual(path, file)
    if not headers:
        raise UserError(f"no structured array at the root of {path} (there is: {others or 'nothing'})")
    return headers, attributes, rows


def _other_than_rows(path: Path, name: str) -> str:
    """What there is of this name where a dataset of rows is wanted; nothing where there is none."""
    with _opened(path) as file:
        if name not in file and file.get(name, getlink=True) is None:
            return ""
        try:
            found = file[name]
        except (KeyError, OSError):
            return "a link to something that is not there"
        return "a group" if isinstance(found, h5py.Group) else f"an array of {found.dtype}"


def _check_alike(first: Mapping[str, Header], other: Mapping[str, Header], path: Path, other_path: Path) -> None:
    """Refuse a file whose datasets, fields or widths differ from those of the first file of its sample."""
    for name, header in first.items():
        if name not in other:
            raise UserError(f"no dataset '{name}' in {other_path}\nwhich {path} of the same sample has")
        if other[name].capacity != header.capacity:
            raise UserError(
                f"dataset '{name}' holds {other[name].capacity} constituents per jet in {other_path}\n"
                f"but {header.capacity} in {path} of the same sample"
            )
        differ = set(header.fields) ^ set(other[name].fields)
        if differ:
            raise UserError(
                f"dataset '{name}' has different fields ({', '.join(sorted(differ))}) in {other_path}\n"
                f"and in {path} of the same sample"
            )


def _virtual_sources(path: Path, file: h5py.File) -> list[Path]:
    """Files that the virtual datasets of a file point to."""
    names = {
        source.file_name
        for dataset in file.values()
        if isinstance(dataset, h5py.Dataset) and dataset.is_virtual
        for source in dataset.virtual_sources()
    }
    return sorted(path.parent / name for name in names if name != ".")


def _check_virtual(path: Path, file: h5py.File) -> None:
    # HDF5 itself fills the rows of a missing source with zeros and says nothing
    for source in _virtual_sources(path, file):
        if not source.is_file():
            raise UserError(f"no such file: {source}\nto which the virtual datasets of {path} point")


def _run(attributes: Mapping[str, Any]) -> int:
    seed = attributes.get("seed", 0)
    return seed if isinstance(seed, int) else 0


def _attributes(attributes: Any) -> dict[str, Any]:
    return {name: _plain(attributes[name]) for name in attributes}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.tolist()]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value.decode() if isinstance(value, bytes) else value


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
