"""Values of the parameter of a parameterised network on the command line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from salt_like.errors import UserError, nearest

if TYPE_CHECKING:
    from salt_like.data.hypothesis import Assignment
    from salt_like.spec import DataSpec

DRAWN: Literal["drawn"] = "drawn"


def values(text: str | None, spec: DataSpec) -> list[Assignment]:
    """What ``--parameter`` says.

    Args:
        text: ``FIELD=VALUE,…`` or ``FIELD=drawn``; ``None`` for drawn ones.
        spec: Description of the data.

    Raises:
        UserError: The model has no such parameter, or something is no number.
    """
    if text is None:
        return [DRAWN]
    field, equals, given = text.partition("=")
    if spec.parameter is None:
        raise UserError(f"--parameter {text}: the model has no parameter; data.parameter of a configuration makes one")
    known = spec.parameter.field
    if field != known:
        raise UserError(f"--parameter {text}: no parameter '{field}'{nearest(field, [known])}\nthere is: {known}")
    if given == DRAWN:
        return [DRAWN]
    found: list[Assignment] = []
    for one in given.split(",") if equals else [""]:
        try:
            value = float(one)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"--parameter {text}: write {known}=VALUE, {known}=VALUE,VALUE,… or {known}={DRAWN}")
        if value in found:
            raise UserError(f"--parameter {text}: the value {value:g} is given twice")
        found.append(value)
    return found


def suffix(value: Assignment, number: int) -> str:
    """What stands behind the name of a sample of which there are several, one for each value."""
    return f"-{value:g}" if number > 1 and isinstance(value, float) else ""
