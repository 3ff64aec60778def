"""Checks of constructor arguments that several modules share."""

from __future__ import annotations


def at_least(lowest: int, **sizes: int) -> None:
    """Refuse a size below `lowest`.

    Args:
        lowest: Smallest allowed value.
        sizes: Argument's name = value.

    Raises:
        ValueError: Names the first argument that is too small, and its value.
    """
    for name, size in sizes.items():
        if size < lowest:
            raise ValueError(f"{name} must be at least {lowest}, got {size}")


def fraction(**rates: float) -> None:
    """Refuse a probability outside [0, 1).

    Args:
        rates: Argument's name = value.

    Raises:
        ValueError: Names the first argument out of range, and its value.
    """
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(f"{name} must be in [0, 1), got {rate}")


def divides(heads: int, dim: int) -> None:
    """Refuse a number of attention heads that does not divide the width.

    Raises:
        ValueError: Names both and their values.
    """
    at_least(1, dim=dim, heads=heads)
    if dim % heads:
        raise ValueError(f"dim must be a multiple of heads, got dim={dim} and heads={heads}")
