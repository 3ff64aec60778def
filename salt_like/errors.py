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
    """The hint `` (did you mean 'x'?)`` with the known name most like `name`, or nothing."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{matches[0]}'?)" if matches else ""
