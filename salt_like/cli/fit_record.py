"""What the record of a run says before its data are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from salt_like.atomic import write_atomically
from salt_like.cli import shipped
from salt_like.provenance.code import Code, code
from salt_like.training.record import PATCH, Record
from salt_like.training.run import Run

_PACKAGES = frozenset({"torch", "lightning", "torch_geometric", "torchmetrics", "builtins"})  # their versions say all


def begin(
    run: Run,
    command: str,
    config: dict[str, Any],
    *,
    given: Sequence[str] = (),
    overrides: Sequence[tuple[str, Any]] = (),
    continued: bool = False,
    writes: bool = True,
) -> Record:
    """Write ``run.json`` with everything that is known before the data are read, and the changes of the code.

    Args:
        run: The run.
        command: The command line.
        config: The resolved configuration.
        given: Configurations as named by the user.
        overrides: Keys and values of the command line.
        continued: Whether the run was there before.
        writes: False in processes that leave the writing to another one.
    """
    from salt_like.callbacks.record import surroundings

    found = code(["salt_like", *modules(config)])
    facts: dict[str, Any] = {
        "command": command,
        "name": config["name"],
        "seed": config["seed"],
        "files": {key: config["data"].get(key) for key in ("train", "val", "test")},
        "code": [one.to_dict() for one in found],
        "configuration": {
            "given": {} if continued else {name: shipped.find(name).read_text(encoding="utf-8") for name in given},
            "overrides": dict(overrides),
            "resolved": config,
        },
    }
    if continued:
        facts["changed_configuration"] = changes(run, config)
    record = Record(run.record, facts, writes)
    record.begin(**surroundings())
    if writes:
        _write_patch(run.folder / PATCH, found)
    return record


def modules(config: Any) -> list[str]:
    """Top-level modules of the classes that a configuration names, packages left out whose version says all."""
    return sorted({name.split(".")[0] for name in _classes(config) if "." in name} - _PACKAGES - {"salt_like"})


def changes(run: Run, config: dict[str, Any]) -> dict[str, list[Any]]:
    """Keys of a run that is continued with their values before and now, where these differ."""
    before = yaml.safe_load(run.config.read_text(encoding="utf-8")) if run.config.is_file() else None
    old, new = flat(before or {}), flat(config)
    # as text too, because NaN differs from itself
    different = [
        key for key in {**old, **new} if old.get(key) != new.get(key) and str(old.get(key)) != str(new.get(key))
    ]
    return {key: [old.get(key), new.get(key)] for key in different}


def flat(value: Any, where: str = "") -> dict[str, Any]:
    """A configuration as dotted keys and plain values; lists stay whole."""
    if not isinstance(value, dict) or not value:
        return {where: value}
    found: dict[str, Any] = {}
    for key, one in value.items():
        found |= flat(one, f"{where}.{key}" if where else str(key))
    return found


def _classes(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("class_path"), str):
            yield value["class_path"]
        for one in value.values():
            yield from _classes(one)
    elif isinstance(value, list):
        for one in value:
            yield from _classes(one)


def _write_patch(path: Path, found: Sequence[Code]) -> None:
    text = "".join(
        f"# {one.module}: {one.path} at {one.commit or one.version}\n{one.patch}" for one in found if one.patch
    )
    if not text:
        path.unlink(missing_ok=True)
        return
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
