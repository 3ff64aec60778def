"""Short messages from long errors."""

from __future__ import annotations

import re

from salt_like.errors import UserError

_LINES = 4
_KEY = re.compile(r'Parser key "([^"]+)":\s*')
_NOISE = re.compile(r"^(Does not validate against any of the Union subtypes|Subtypes:|Errors:|Given value type:)")


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
    lines = [line.strip() for line in rest.splitlines()]
    kept = [line if len(line) <= 200 else line[:199] + "…" for line in lines if line and not _NOISE.match(line)]
    where = f"{'.'.join(keys)}: " if keys else ""
    return "\n".join([where + kept[0] if kept else where + "not valid", *kept[1:_LINES]])


def from_constructor(error: ValueError) -> str:
    """What a class said about its arguments when it was built.

    Args:
        error: The error that it raised.
    """
    return "\n".join(str(error).strip().splitlines()[: _LINES + 1])


def _user_error(error: BaseException) -> UserError | None:
    """The message for the user that an error was raised from, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, UserError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
