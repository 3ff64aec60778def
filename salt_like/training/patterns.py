"""Which weights a user means."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from salt_like.errors import UserError, nearest


def matches(name: str, pattern: str) -> bool:
    """Whether a weight is meant: by its name, by a part of the model in which it is, or by a pattern with ``*``.

    Args:
        name: Such as ``encoder.layers.0.norm1.weight``.
        pattern: Such as ``encoder``, ``encoder.layers.0`` or ``*.norm1.*``.
    """
    return name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)


def check(patterns: Iterable[str], names: Collection[str], key: str) -> None:
    """Refuse a pattern that means no weight.

    Args:
        patterns: Of the user.
        names: Of all weights.
        key: Where they stand in the configuration.

    Raises:
        UserError: One of them matches nothing.
    """
    parts = {".".join(name.split(".")[: end + 1]) for name in names for end in range(len(name.split(".")))}
    for pattern in patterns:
        if not any(matches(name, pattern) for name in names):
            top = sorted({name.split(".")[0] for name in names})
            raise UserError(
                f"{key}: '{pattern}' means none of the model's weights{nearest(pattern, sorted(parts))}\n"
                f"give the name of a part, such as encoder.layers.0, or a pattern with *\nparts: {', '.join(top)}"
            )
