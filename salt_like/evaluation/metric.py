"""What a metric is: a number with its error and what a trivial prediction would reach."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One number of a table.

    Args:
        name: What was measured.
        value: The number, NaN where it is not defined.
        error: One standard deviation, NaN where it is not known.
        baseline: What a trivial prediction reaches, ``None`` where there is none.
        baseline_name: Which trivial prediction.
        unit: Unit of the value.
    """

    name: str
    value: float
    error: float = math.nan
    baseline: float | None = None
    baseline_name: str = ""
    unit: str = ""

    def plain(self) -> dict[str, Any]:
        """For JSON: a dict in which ``None`` stands for what is not a finite number."""
        return plain(asdict(self))  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """The same nested data with ``None`` in place of numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
