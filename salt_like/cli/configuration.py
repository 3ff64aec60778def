"""From the command line to one configuration: files merged in order, overrides on top, paths absolute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salt_like.cli import merge, paths, shipped, yaml_file
from salt_like.cli.arguments import TOP_LEVEL
from salt_like.errors import UserError, nearest

# Filled from elsewhere: a value given here would silently be overwritten.
LINKED = {
    "model.name": "name",
    "model.spec": "data",
    "data.seed": "seed",
    "data.spec": "the data or a checkpoint",
    "data.norms": "init_from",
    "data.requests": "model.tasks",
    "seed_everything": "seed",
}


@dataclass(frozen=True)
class Configuration:
    """What the user configured, before any class is imported.

    Args:
        content: The merged configuration with absolute paths.
        folders: Where relative paths were looked up.
    """

    content: dict[str, Any]
    folders: tuple[Path, ...]


def load(names: Sequence[str], overrides: Sequence[tuple[str, Any]] = ()) -> Configuration:
    """The configuration of several files and overrides, the later over the earlier.

    Args:
        names: Files or names of shipped configurations.
        overrides: Dotted keys and values of the command line.

    Raises:
        UserError: A file is missing or wrong, a key is unknown at the top level or may not be set.
    """
    content: dict[str, Any] = {}
    here = Path.cwd()
    folders = [here]
    for name in names:
        file = shipped.find(name)
        one = yaml_file.read(file)
        _check_top(one, name)
        content = merge.merge(content, paths.absolute(one, [here, file.parent]))
        folders.append(file.parent)
    for key, value in overrides:
        one = merge.nested(key, value)
        _check_top(one, f"--{key}")
        content = merge.merge(content, paths.absolute(one, [here]))
    return Configuration(content, tuple(dict.fromkeys(folders)))


def _check_top(content: dict[str, Any], source: str) -> None:
    for key, value in content.items():
        if key in LINKED:
            raise UserError(f"{source}: '{key}' is set by '{LINKED[key]}': set that instead")
        if key not in TOP_LEVEL:
            raise UserError(
                f"{source}: unknown key '{key}'{nearest(str(key), TOP_LEVEL)}\nkeys: {', '.join(TOP_LEVEL)}"
            )
        if key in {"data", "model", "trainer"} and not isinstance(value, dict | None):
            raise UserError(f"{source}: '{key}' is a section of keys and values, found {value!r}")
        for linked, target in LINKED.items():
            section, _, name = linked.partition(".")
            if section == key and isinstance(value, dict) and name in value:
                raise UserError(f"{source}: '{linked}' is set by '{target}': set that instead")
    trainer = content.get("trainer") or {}
    if trainer.get("accumulate_grad_batches", 1) != 1:
        raise UserError(
            f"{source}: trainer.accumulate_grad_batches = {trainer['accumulate_grad_batches']} would weight batches "
            "equally whatever they hold\nset data.accumulate instead: it counts several batches as one large one"
        )
