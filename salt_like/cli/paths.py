"""Relative paths in a configuration: from the working directory, then from the file that names them."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salt_like.errors import UserError, nearest

SAMPLES = ("train", "val", "test")
FILES = ("norm_dict", "class_dict")


def absolute(configuration: dict[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """The same configuration with absolute paths in its sections `data` and `init_from`.

    Args:
        configuration: As read from one file or from the command line.
        folders: Where a relative path is looked up, in this order; one that exists nowhere is taken from the first.
    """
    origin = configuration.get("init_from")
    if isinstance(origin, str):
        configuration = {**configuration, "init_from": {"path": _look_up(origin, folders)}}
    elif isinstance(origin, dict) and isinstance(origin.get("path"), str):
        configuration = {**configuration, "init_from": {**origin, "path": _look_up(origin["path"], folders)}}
    data = configuration.get("data")
    if not isinstance(data, dict):
        return configuration
    changed = {key: _absolute(data[key], folders) for key in (*SAMPLES, *FILES) if key in data}
    return {**configuration, "data": {**data, **changed}}


def _absolute(value: Any, folders: Sequence[Path]) -> Any:
    if isinstance(value, str):
        return _look_up(value, folders)
    if isinstance(value, list):
        return [_absolute(one, folders) for one in value]
    if isinstance(value, dict):
        return {name: _absolute(one, folders) for name, one in value.items()}
    return value


def _look_up(path: str, folders: Sequence[Path]) -> str:
    expanded = Path(path).expanduser()
    candidates = [str((folder / expanded).absolute()) for folder in folders]
    found = next((candidate for candidate in candidates if exists(candidate)), candidates[0])
    return os.path.normpath(found)


def exists(path: str) -> bool:
    """True for a file and for a pattern that matches one."""
    return Path(path).exists() or bool(glob.glob(path))


def files(value: Any) -> list[str]:
    """Every path in a value of `data.train`, `data.val` or `data.test`."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [path for one in value for path in files(one)]
    if isinstance(value, dict):
        return [path for one in value.values() for path in files(one)]
    return []


def check(configuration: dict[str, Any], folders: Sequence[Path]) -> None:
    """Makes sure that the training's files are there, before anything slow is imported.

    Args:
        configuration: With absolute paths.
        folders: Where relative paths were looked up, for the message.

    Raises:
        UserError: A file is missing.
    """
    data = configuration.get("data")
    if not isinstance(data, dict):
        return
    for key in (*SAMPLES, *FILES):
        for path in files(data.get(key)):
            if not exists(path):
                looked = ", ".join(dict.fromkeys(map(str, folders)))
                neighbours = [one.name for one in Path(path).parent.glob("*")] if Path(path).parent.is_dir() else []
                raise UserError(
                    f"data.{key}: no such file: {path}{nearest(Path(path).name, neighbours)}\n"
                    f"relative paths are looked up in: {looked}"
                )
