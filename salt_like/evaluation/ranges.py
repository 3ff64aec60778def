"""Ranges of a variable of the jets, such as the transverse momentum, in which numbers are quoted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.errors import UserError
from salt_like.evaluation.metric import plain

MOMENTA = ("pt", "pt_btagJes", "jet_pt", "pT")  # names of the momentum by which flavour tagging is quoted, best first
GEV = {"GeV": 1.0, "MeV": 1e3, "TeV": 1e-3}
EDGES = (20.0, 250.0, math.inf)  # GeV: the ranges of ttbar and Z' samples of flavour tagging
NONE = "none"


@dataclass(frozen=True)
class Range:
    """Jets with ``low <= field < high``.

    Args:
        field: Field of the global stream.
        low: Lower end, in the unit of the file.
        high: Upper end, may be infinite.
        unit: Unit of the field, empty where the file does not say it.
    """

    field: str
    low: float
    high: float
    unit: str = ""

    def contains(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """True for values inside, shaped as they are; never for NaN."""
        inside: NDArray[np.bool_] = (values >= self.low) & (values < self.high)
        return inside

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if not math.isfinite(self.high):
            return f"{self.field} ≥ {self.low:.6g}{unit}"
        low = f"{self.low:.6g} ≤ " if math.isfinite(self.low) else ""
        return f"{low}{self.field} < {self.high:.6g}{unit}"

    def plain(self) -> dict[str, Any]:
        """For JSON, where ``None`` stands for an open end."""
        return plain(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Range:
        """The inverse of `plain`."""
        low, high = content["low"], content["high"]
        return cls(
            content["field"],
            -math.inf if low is None else float(low),
            math.inf if high is None else float(high),
            content["unit"],
        )


def field_of(names: Iterable[str]) -> str | None:
    """The field by which ranges are made unless told otherwise; ``None`` where no name is known."""
    known = set(names)
    return next((name for name in MOMENTA if name in known), None)


def standard(field: str, unit: str) -> tuple[Range, ...]:
    """From 20 to 250 GeV and above, in the unit of the file; none where the unit is not known.

    Args:
        field: The transverse momentum.
        unit: Its unit.
    """
    if unit not in GEV:
        return ()
    return tuple(Range(field, low * GEV[unit], high * GEV[unit], unit) for low, high in pairwise(EDGES))


def parse(text: str, unit: str = "") -> tuple[Range, ...]:
    """Ranges from ``FIELD=EDGE,EDGE,…``, each from one edge to the next.

    Args:
        text: Such as ``pt=20000,250000,inf``.
        unit: Unit of the field.

    Raises:
        UserError: The text is something else, or the edges do not rise.
    """
    field, equals, numbers = text.partition("=")
    try:
        edges = [float(one) for one in numbers.split(",")]
    except ValueError:
        edges = []
    if not field or not equals or len(edges) < 2 or not all(low < high for low, high in pairwise(edges)):
        raise UserError(
            f"ranges '{text}': write FIELD=EDGE,EDGE,… with edges that rise, in the unit of the file\n"
            "such as pt=20000,250000,inf for two ranges"
        )
    return tuple(Range(field, low, high, unit) for low, high in pairwise(edges))
