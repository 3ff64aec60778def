"""Errors that are the user's to mend, worded for the user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something in the input or configuration is wrong.

    The message has at most five lines: what was wrong, the value found, where (file, dataset, field, row or YAML key),
    what is allowed, and the nearest match. The command line shows it without a traceback and exits with code 2.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint `` (did you mean 'x'?)`` with the known name most like `name` (in letters of any case), or nothing."""
    spelt: dict[str, str] = {}
    for one in known:
        spelt.setdefault(one.lower(), one)
    matches = difflib.get_close_matches(name.lower(), spelt, n=1)
    return f" (did you mean '{spelt[matches[0]]}'?)" if matches else ""
