"""What a class takes in a configuration, read from its constructor, and how its types are called for the user."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

LISTS = (list, abc.Sequence, abc.Iterable, abc.Collection)
MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}


@dataclass(frozen=True)
class Parameter:
    """One key of a section.

    Args:
        name: The key.
        hint: Type of the value; ``Any`` where unknown.
        required: True when there is no default.
        default: The default, ``None`` without one.
    """

    name: str
    hint: Any
    required: bool
    default: Any


@dataclass(frozen=True)
class Signature:
    """The keys of a section.

    Args:
        parameters: Key → its description, in order.
        is_open: True when the constructor takes further keys that it passes on.
    """

    parameters: dict[str, Parameter]
    is_open: bool


def signature(owner: Callable[..., Any], skip: int = 0) -> Signature:
    """The keys that a class takes.

    Args:
        owner: The class, a function, or a typed dictionary.
        skip: Number of leading arguments that the program fills in.
    """
    if typing.is_typeddict(owner):
        required = owner.__required_keys__  # type: ignore[attr-defined]
        fields = typing.get_type_hints(owner)
        return Signature({key: Parameter(key, hint, key in required, None) for key, hint in fields.items()}, False)
    try:
        arguments = list(inspect.signature(owner).parameters.values())
    except (TypeError, ValueError):
        return Signature({}, True)
    hints = _hints(owner)
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    named = [one for one in arguments if one.kind not in variadic][skip:]
    empty = inspect.Parameter.empty
    parameters = {
        one.name: Parameter(
            one.name, hints.get(one.name, Any), one.default is empty, None if one.default is empty else one.default
        )
        for one in named
    }
    return Signature(parameters, any(one.kind is inspect.Parameter.VAR_KEYWORD for one in arguments))


def _hints(owner: Callable[..., Any]) -> dict[str, Any]:
    target = owner.__init__ if inspect.isclass(owner) else owner
    try:
        return typing.get_type_hints(target)
    except (NameError, TypeError, AttributeError):  # names that exist for type checkers only
        return {}


def members(hint: Any) -> list[Any]:
    """The alternatives of a union, or the type itself.

    Tensors, which torch's optimisers take in place of numbers, are none that a configuration could hold.
    """
    if get_origin(hint) in {Union, types.UnionType}:
        found = [member for one in get_args(hint) for member in members(one)]
        return [one for one in found if getattr(one, "__qualname__", "") != "Tensor"]
    return [hint]


def is_record(hint: Any) -> bool:
    """True for a mapping with known keys: a data class or a typed dictionary."""
    return inspect.isclass(hint) and (typing.is_typeddict(hint) or dataclasses.is_dataclass(hint))


def is_mapping(hint: Any) -> bool:
    """True for a plain mapping with any keys."""
    return hint in MAPPINGS or get_origin(hint) in MAPPINGS


def is_list(hint: Any) -> bool:
    """True for a list or a tuple."""
    return hint in (*LISTS, tuple) or get_origin(hint) in (*LISTS, tuple)


def bases(hint: Any) -> tuple[type, ...]:
    """The classes of which an entry may name a subclass; nothing for plain data.

    ``Callable[[int], Encoder]`` stands for a subclass of ``Encoder`` whose first argument the program fills in.
    """
    if get_origin(hint) is abc.Callable:
        arguments = get_args(hint)
        returned = members(arguments[1]) if arguments else []
        return tuple(one for one in returned if _is_class(one))
    return (hint,) if _is_class(hint) else ()


def filled_in(hint: Any) -> int:
    """Number of leading arguments that the program fills in."""
    arguments = get_args(hint) if get_origin(hint) is abc.Callable else ()
    return len(arguments[0]) if arguments and isinstance(arguments[0], list) else 0


def _is_class(hint: Any) -> bool:
    plain = (
        *_WORDS,
        *MAPPINGS,
        *LISTS,
        tuple,
        abc.Callable,
        object,
        set,
        bytes,
        complex,
        Any,
    )  # Any is a class from 3.11
    return (
        # on Python 3.10 list[int] passes for a class
        get_origin(hint) is None
        and inspect.isclass(hint)
        and hint not in plain
        and hint.__module__ not in {"pathlib", "os"}
        and not is_record(hint)
    )


def describe(hint: Any) -> str:
    """A type in words."""
    alternatives = members(hint)
    if len(alternatives) > 1:
        return " or ".join(dict.fromkeys(describe(one) for one in alternatives))
    hint = alternatives[0]
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if is_list(hint):
        inner = [one for one in get_args(hint) if one is not Ellipsis]
        return f"a list of [{', '.join(map(describe, inner))}]" if inner else "a list"
    if is_mapping(hint) or is_record(hint):
        return "a mapping of keys to values"
    names = [base.__name__ for base in bases(hint)]
    return f"a class of kind {' or '.join(names)}" if names else "something else"
