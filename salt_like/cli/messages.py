"""Short messages from long errors."""

from __future__ import annotations

import re

from salt_like.errors import UserError

_LINES = 4
_KEY = re.compile(r'Parser key "([^"]+)":\s*')
_NOISE = re.compile(
    r"^(Does not validate against any of the Union subtypes|Subtypes:|Errors:|Given value type:"
    r"|- Expected a \S*\s?\S*None|Given value: \[?Namespace)"
)


def condense(error: BaseException) -> str:
    """jsonargparse's complaint in a few lines: the key, what is wrong with it, and the value.

    Args:
        error: The error that jsonargparse raised.
    """
    cause = _user_error(error)
    if cause is not None:
        return str(cause)
    text = str(error)
    keys = _KEY.findall(text)
    rest = _KEY.sub("", text)
    rest = re.sub(r"Type \S*Callable\[.*?\] expects a function or a callable class: ", "", rest)
    rest = re.sub(r"<class '([\w.]+)'>", r"\1", rest).replace("typing.", "")
    kept = _without_noise("\n".join(line.strip() for line in rest.splitlines()))
    where = f"{'.'.join(keys)}: " if keys else ""
    return "\n".join([where + kept[0] if kept else where + "not valid", *kept[1:_LINES]])


def from_constructor(error: ValueError) -> str:
    """What a class said about its arguments when it was built.

    Args:
        error: The error that it raised.
    """
    return "\n".join(_without_noise(str(error))[: _LINES + 1])


def _without_noise(text: str) -> list[str]:
    """The lines that say something, none too long."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    kept = [line for line in lines if line.strip() and not _NOISE.match(line.strip())]
    if len(kept) < len(lines):  # alternatives of a type, each with what is wrong with it
        kept = [line.strip().removeprefix("- ") for line in kept]
    return [line if len(line) <= 200 else line[:199] + "…" for line in kept]


def _user_error(error: BaseException) -> UserError | None:
    """The message for the user that an error was raised from, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, UserError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
