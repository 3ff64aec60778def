"""Checks a configuration against the constructors that it is for, key by key, before anything is built.

jsonargparse checks too, but reports a mistake deep inside a task as a page about the type of `model.tasks`. Here the
message names the key, its value, what is allowed and the nearest name. Anything not understood is left to jsonargparse.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any, Literal, get_args, get_origin

from salt_like.cli import class_names
from salt_like.cli.merge import CLASS_KEYS
from salt_like.cli.signatures import (
    Signature,
    bases,
    describe,
    filled_in,
    is_list,
    is_mapping,
    is_record,
    members,
    signature,
)
from salt_like.errors import UserError, nearest

_PLAIN = (type(None), bool, int, float, str, list, tuple, dict)


def section(
    value: dict[str, Any], owner: Callable[..., Any], where: str, linked: Collection[str] = ()
) -> dict[str, Any]:
    """One section (`data`, `model`, `trainer`), checked, with class names completed to dotted paths.

    Args:
        value: The section.
        owner: The class whose constructor takes it.
        where: Name of the section.
        linked: Keys that are filled from elsewhere.

    Raises:
        UserError: A key is unknown or missing, or a value is not of its type.
    """
    return _keys(value, signature(owner), where, where, linked)


def _keys(
    given: dict[str, Any], takes: Signature, where: str, owner: str, linked: Collection[str] = ()
) -> dict[str, Any]:
    result = {}
    names = [name for name in takes.parameters if name not in linked]
    for key, value in given.items():
        if key in takes.parameters:
            one = takes.parameters[key]
            is_unset = value is None and one.default is None and not one.required
            result[key] = value if is_unset else visit(value, one.hint, f"{where}.{key}", one.default)
        elif takes.is_open:
            result[key] = value
        else:
            raise UserError(
                f"unknown key '{where}.{key}'{nearest(str(key), names)}, value {_short(value)}\n"
                f"{owner} takes: {class_names.shorten(names) if names else 'nothing'}"
            )
    missing = [one.name for one in takes.parameters.values() if one.required and one.name not in {*given, *linked}]
    if missing:
        raise UserError(f"missing key '{where}.{missing[0]}' ({owner} needs it)\ngiven: {class_names.shorten(given)}")
    return result


def visit(value: Any, hint: Any, where: str, default: Any = None) -> Any:
    """One value, checked against its type, with class names completed.

    Args:
        value: The value.
        hint: Its type.
        where: Its dotted key.
        default: Default of the parameter: a class here is the class of an entry without `class_path`.

    Raises:
        UserError: The value does not fit.
    """
    candidates = [one for one in members(hint) if _fits(value, one)]
    if not candidates:
        raise _mismatch(value, hint, where)
    problems = []
    for one in candidates:
        try:
            return _visit(value, one, where, default)
        except UserError as problem:
            problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    deeper = [problem for problem in problems if not str(problem).startswith(f"{where} =")]
    raise deeper[0] if deeper else _mismatch(value, hint, where)


def _fits(value: Any, hint: Any) -> bool:
    """Whether the value has the outer shape of a type without alternatives."""
    if bases(hint):
        return isinstance(value, (str, dict)) or not isinstance(value, _PLAIN)
    if is_list(hint):
        return isinstance(value, (list, tuple))
    if is_mapping(hint) or is_record(hint):
        return isinstance(value, dict)
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value % 1 == 0))
    if hint in {str, bool, type(None)}:
        return isinstance(value, hint)
    return True


def _visit(value: Any, hint: Any, where: str, default: Any) -> Any:
    if bases(hint):
        return _entry(value, hint, where, default)
    if is_list(hint):
        return _list(value, hint, where)
    if is_record(hint):
        return _keys(value, signature(hint), where, where)
    if is_mapping(hint):
        return _mapping(value, hint, where)
    return int(value) if hint is int else value


def _list(value: Any, hint: Any, where: str) -> list[Any]:
    inner = [one for one in get_args(hint) if one is not Ellipsis]
    if not inner:
        return list(value)
    if len(inner) == 1:
        inner = inner * len(value)
    if len(inner) != len(value):
        raise UserError(f"{where} = {_short(value)}: expected {len(inner)} values, found {len(value)}")
    return [visit(one, kind, f"{where}[{index}]") for index, (one, kind) in enumerate(zip(value, inner, strict=True))]


def _mapping(value: dict[Any, Any], hint: Any, where: str) -> dict[Any, Any]:
    arguments = get_args(hint)
    if not arguments:
        return value
    key_hint, value_hint = arguments
    if key_hint is int:  # a resolved configuration has them as text
        value = {
            int(key) if isinstance(key, str) and key.lstrip("-").isdigit() else key: one for key, one in value.items()
        }
    for key in value:
        if not _fits(key, key_hint):
            raise UserError(f"{where}: key {key!r} must be {describe(key_hint)}")
    return {key: visit(one, value_hint, f"{where}.{key}") for key, one in value.items()}


def _entry(value: Any, hint: Any, where: str, default: Any) -> Any:
    """An entry that names a class, its arguments, or both."""
    kinds, skip = bases(hint), filled_in(hint)
    if not isinstance(value, (str, dict)):
        return value  # built already
    entry = {"class_path": value} if isinstance(value, str) else value
    usual = default if inspect.isclass(default) else type(default) if isinstance(default, kinds) else None
    if "class_path" not in entry and usual is None and default is not None:
        return value  # the default is a function: jsonargparse reads from it which class it makes
    if "class_path" not in entry:
        return _implicit(entry, usual, kinds, skip, where)
    outside = [key for key in entry if key not in CLASS_KEYS]
    if outside:
        raise UserError(f"{where}: '{outside[0]}' stands beside class_path; write it under init_args")
    target = class_names.resolve(entry["class_path"], kinds, f"{where}.class_path")
    if not inspect.isclass(target):
        return value
    given = entry.get("init_args") or {}
    if not isinstance(given, dict):
        raise UserError(f"{where}.init_args = {_short(given)}: expected a mapping of keys to values")
    takes = signature(target, skip)
    extra = entry.get("dict_kwargs")
    if extra:
        takes = Signature({name: one for name, one in takes.parameters.items() if name not in extra}, takes.is_open)
    arguments = _keys(given, takes, f"{where}.init_args", target.__name__)
    if usual is not None and usual is not target:
        arguments = _own_defaults(takes, signature(usual, skip)) | arguments
    path = class_names.dotted(target)
    return {"class_path": path, "init_args": arguments, **({"dict_kwargs": extra} if extra else {})}


def _implicit(entry: dict[str, Any], usual: type | None, kinds: tuple[type, ...], skip: int, where: str) -> Any:
    if usual is None:
        concrete = [kind for kind in kinds if not inspect.isabstract(kind)]
        classes = class_names.known(kinds)
        if set(classes) - {kind.__name__ for kind in concrete}:
            raise UserError(f"{where}: missing class_path\nknown: {class_names.shorten(classes)}")
        usual = concrete[0] if len(concrete) == 1 else None
    if usual is None:
        return entry
    given = entry["init_args"] if entry.keys() <= CLASS_KEYS and "init_args" in entry else entry
    return {
        "class_path": class_names.dotted(usual),
        "init_args": _keys(given, signature(usual, skip), where, usual.__name__),
    }


def _own_defaults(takes: Signature, usual: Signature) -> dict[str, Any]:
    """Defaults of a class for arguments that the usual class has too: jsonargparse would carry the latter's over."""
    return {
        name: one.default
        for name, one in takes.parameters.items()
        if name in usual.parameters and not one.required and isinstance(one.default, _PLAIN)
    }


def _mismatch(value: Any, hint: Any, where: str) -> UserError:
    choices = [choice for one in members(hint) if get_origin(one) is Literal for choice in get_args(one)]
    advice = nearest(value, map(str, choices)) if isinstance(value, str) else ""
    if str in members(hint) and not isinstance(value, (list, dict)) and value is not None:
        advice = " (write it in quotes)"
    return UserError(f"{where} = {_short(value)}: expected {describe(hint)}{advice}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
