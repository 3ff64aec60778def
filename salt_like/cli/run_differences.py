"""In what two runs differ, or a run and what is here now: configuration, code, packages, machine and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]
Row = list[str]
_UNKNOWN = "?"


def configuration(one: Facts, other: Facts) -> list[Row]:
    """Keys with different values, as dotted keys; classes' arguments without ``init_args``.

    Args:
        one: A resolved configuration.
        other: Another one.
    """
    return _different({key: _text(value) for key, value in flat(one).items()}, _texts(flat(other)))


def flat(value: Any, where: str = "") -> dict[str, Any]:
    """A configuration as dotted keys and plain values, ``init_args`` left out of the keys; lists stay whole."""
    if not isinstance(value, dict) or not value:
        return {where: value}
    found: dict[str, Any] = {}
    for key, one in value.items():
        inner = where if key == "init_args" else f"{where}.{key}" if where else str(key)
        found |= flat(one, inner) if one != {} or key != "init_args" else {}
    return found


def code(one: Facts, other: Facts) -> list[Row]:
    """Modules whose source differs.

    Args:
        one: A run's record.
        other: Another one.
    """
    mine, theirs = ({entry["module"]: entry for entry in facts.get("code", ())} for facts in (one, other))
    rows = []
    for name in sorted({**mine, **theirs}):
        first, second = mine.get(name), theirs.get(name)
        if (first or {}).get("content") != (second or {}).get("content"):
            rows.append([name, _version(first), _version(second)])
    return rows


def packages(one: Facts, other: Facts) -> list[Row]:
    """Packages of different versions.

    Args:
        one: A run's record.
        other: Another one.
    """
    both = bool(one.get("installed")) and bool(other.get("installed"))
    key = "installed" if both else "packages"  # earlier records have the most important ones only
    rows = _different(one.get(key) or {}, other.get(key) or {})
    return [["python", *pair] for pair in _pair(one.get("python"), other.get("python"))] + rows


def machine(one: Facts, other: Facts) -> list[Row]:
    """What else numbers depend on: processor, threads, device, settings.

    Args:
        one: A run's record.
        other: Another one.
    """
    keys = ("machine.processor", "machine.architecture", "threads", "cuda", "driver", "environment", "determinism")
    return _different(
        *({key: _text(_at(facts, key)) for key in keys if _at(facts, key) is not None} for facts in (one, other))
    )


def data(one: Facts, other: Facts) -> list[Row]:
    """Files of training and validation whose content differs; where they lie does not matter.

    Args:
        one: A run's record.
        other: Another one.
    """
    rows = []
    mine, theirs = (_files(facts) for facts in (one, other))
    for key in sorted({**mine, **theirs}):
        first, second = mine.get(key), theirs.get(key)
        if first is None or second is None or _content(first) != _content(second):
            rows.append([f"{key[0]} {key[1]} file {key[2]}", _described(first), _described(second)])
    return rows


def _files(facts: Facts) -> dict[tuple[str, str, int], Facts]:
    found: dict[tuple[str, str, int], Facts] = {}
    for entry in facts.get("data", ()):
        number = 1
        while (entry["split"], entry["sample"], number) in found:
            number += 1
        found[entry["split"], entry["sample"], number] = entry
    return found


def _content(entry: Facts) -> tuple[str, list[str]]:
    return entry["fingerprint"], sorted((entry.get("sources") or {}).values())


def _described(entry: Facts | None) -> str:
    if entry is None:
        return "-"
    return f"{entry['path']}: {entry['rows']} jets, {entry['size']} bytes, {entry['fingerprint'][:8]}"


def _version(entry: Facts | None) -> str:
    if entry is None:
        return "-"
    parts = [entry.get("version", ""), entry.get("commit", "")[:10], f"content {entry['content'][:8]}"]
    changed = len(entry.get("changed", ()))
    return ", ".join([*filter(None, parts), *([f"{changed} files changed"] if changed else [])])


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Row]:
    keys = [*one, *(key for key in other if key not in one)]
    return [[key, str(one.get(key, "-")), str(other.get(key, "-"))] for key in keys if one.get(key) != other.get(key)]


def _pair(one: Any, other: Any) -> list[Row]:
    return [] if one == other else [[str(one or _UNKNOWN), str(other or _UNKNOWN)]]


def _at(facts: Facts, key: str) -> Any:
    value: Any = facts
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: _text(value) for key, value in values.items()}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)  # 0.0 and 0 are one
