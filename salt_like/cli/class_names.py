"""From the name of a class in a configuration to the class."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from salt_like.errors import UserError, nearest

# Lightning subclasses torch's scheduler under the same name for its own command line.
_SKIPPED_MODULES = frozenset({"lightning.pytorch.cli"})


def known(bases: tuple[type, ...]) -> dict[str, list[type]]:
    """Short name → imported classes of that name; a base itself only when there is nothing below it."""
    everything: dict[type, None] = {}
    for base in bases:
        below = [one for one in _subclasses(base) if _usable(one)]
        everything |= dict.fromkeys(below or ([base] if _usable(base) else []))
    found: dict[str, list[type]] = {}
    for one in everything:
        found.setdefault(one.__name__, []).append(one)
    return found


def _usable(kind: type) -> bool:
    is_public = not kind.__name__.startswith("_") and kind.__module__ not in _SKIPPED_MODULES
    return is_public and not inspect.isabstract(kind)


def _subclasses(base: type) -> Iterator[type]:
    below: list[type] = type.__subclasses__(base)
    for one in below:
        yield one
        yield from _subclasses(one)


def resolve(name: Any, bases: tuple[type, ...], where: str) -> Any:
    """The class, or whatever else a dotted path leads to.

    Args:
        name: Short name of an imported class, or a dotted path.
        bases: Classes of which it must be a subclass.
        where: Key of the entry, for messages.

    Raises:
        UserError: There is no such class, it is of another kind, or there are two.
    """
    classes = known(bases)
    kind = " or ".join(base.__name__ for base in bases)
    if not isinstance(name, str):
        raise UserError(f"{where} = {name!r}: expected the name of a class of kind {kind}")
    if "." not in name:
        found = classes.get(name, [])
        if not found:
            raise UserError(
                f"{where}: no {kind} is called '{name}'{nearest(name, classes)}\n"
                f"known: {shorten(classes)}, or a dotted path such as my_package.MyClass"
            )
        if len(found) > 1:
            raise UserError(f"{where}: several classes are called '{name}': {', '.join(map(dotted, found))}")
        return found[0]
    target = _import(name, where)
    if inspect.isclass(target) and not issubclass(target, bases):
        raise UserError(f"{where}: '{name}' is not of kind {kind}\nknown: {shorten(classes)}")
    return target


def _import(name: str, where: str) -> Any:
    module_name, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(f"{where}: '{name}' cannot be imported: {error}") from None
    if attribute not in vars(module):
        raise UserError(f"{where}: module '{module_name}' has no '{attribute}'{nearest(attribute, vars(module))}")
    return vars(module)[attribute]


def dotted(cls: type) -> str:
    """The full name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def shorten(names: Any, limit: int = 300) -> str:
    """Names separated by commas, cut where they would fill the screen."""
    text = ", ".join(map(str, names)) or "none"
    return text if len(text) <= limit else text[: text.rfind(",", 0, limit)] + ", …"
