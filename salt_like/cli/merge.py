"""Putting configurations on top of each other."""

from __future__ import annotations

import copy
from typing import Any

from salt_like.errors import UserError, nearest

CLASS_KEYS = frozenset({"class_path", "init_args", "dict_kwargs"})

# Sections whose entries are named by the user, so that `null` removes one of them.
_NAMED = frozenset({("model", "tasks")})
_SAMPLES = frozenset({"train", "val", "test", "fractions"})
_WITH_CLASSES = frozenset({"model", "trainer"})
_NAMED_DATA = _SAMPLES | {"inputs", "select", "order", "max_constituents", "defaults", "labels", "discriminants"}


def merge(base: dict[str, Any], top: dict[str, Any], where: tuple[str, ...] = ()) -> dict[str, Any]:
    """`base` with `top` laid over it; neither is changed.

    Mappings are merged key by key, everything else (lists too) is replaced, and `null` removes a mapping or an entry
    that the user named. An entry of another class replaces the whole entry; plain keys given to an entry with a
    `class_path` (or the name of a class alone) are arguments of that class.

    Args:
        base: Configuration below.
        top: Configuration above.
        where: Keys that lead to both.

    Raises:
        UserError: A task is removed that does not exist.
    """
    result = copy.deepcopy(base)
    for key, value in top.items():
        path = (*where, str(key))
        if value is None and (_is_named(path) or isinstance(result.get(key), dict)):
            if path[:2] == ("model", "tasks") and key not in result:
                raise UserError(
                    f"'{'.'.join(path)}: null' removes a task that is not there{nearest(str(key), result)}\n"
                    f"tasks: {', '.join(result) or 'none'}"
                )
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            if isinstance(below, str) and path[0] in _WITH_CLASSES:
                below = {"class_path": below}  # a class by its name alone
            result[key] = _entry(below, value, path) if isinstance(below, dict) else merge({}, value, path)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _entry(below: dict[str, Any], above: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if "class_path" in above and above["class_path"] != below.get("class_path"):
        return merge({}, above, path)
    if "class_path" in below and not CLASS_KEYS & above.keys():
        above = {"init_args": above}
    return merge(below, above, path)


def _is_named(path: tuple[str, ...]) -> bool:
    return path[:-1] in _NAMED or (len(path) == 3 and path[0] == "data" and path[1] in _NAMED_DATA)


def nested(key: str, value: Any) -> dict[str, Any]:
    """``a.b.c`` and a value as the mapping ``{a: {b: {c: value}}}``.

    Raises:
        UserError: A part of the key is empty.
    """
    parts = key.split(".")
    if not all(parts):
        raise UserError(f"'--{key}': a key is names with single dots between them, such as model.encoder.layers")
    for part in reversed(parts):
        value = {part: value}
    result: dict[str, Any] = value
    return result
