"""Sums and differences of outputs as a user writes them."""

from __future__ import annotations

import math
import re

from salt_like.errors import UserError

# names of outputs have no sign, numbers have one behind the e of an exponent
_EXPONENT = r"(?<![\d.][eE](?=[-+]\d))"
_MINUS = re.compile(rf"{_EXPONENT}-(?:\s*-)*")
_PLUS = re.compile(rf"{_EXPONENT}(?:\+\s*)+")


def combination(text: str) -> tuple[str, dict[str, float]]:
    """Read ``plight=1.0*pu+0.5*pc``.

    Args:
        text: What the user wrote: a name, and a sum of outputs with factors; ``-`` subtracts.

    Returns:
        The name, and the factor of each output.

    Raises:
        UserError: It is written otherwise.
    """
    name, equals, terms = text.partition("=")
    advice = f"--combine {text}: write NAME=FACTOR*OUTPUT+…, such as plight=1.0*pu+0.5*pc"
    factors: dict[str, float] = {}
    signed = _MINUS.sub(lambda found: f"+{found[0]}", terms.strip())
    for term in _PLUS.split(signed.removeprefix("+")) if equals and name.strip() else [""]:
        unsigned = term.lstrip("- ")  # a minus may stand before a factor that has one itself
        sign = (-1) ** term[: len(term) - len(unsigned)].count("-")
        first, star, second = (part.strip() for part in unsigned.partition("*"))
        output, factor = (second, first) if star else (first, "1")
        try:
            value = sign * float(factor)
        except ValueError:
            raise UserError(f"{advice}\nfound: '{factor}' in place of a number") from None
        if not math.isfinite(value):
            raise UserError(f"{advice}\nfound: the factor {factor}")
        if not output or output in factors:
            raise UserError(advice if not output else f"{advice}\nfound: '{output}' twice")
        factors[output] = value
    return name.strip(), factors
