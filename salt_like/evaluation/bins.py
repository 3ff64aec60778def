"""Bins of the jets, and what was measured in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.metric import Metric, plain
from salt_like.evaluation.rejection import Point
from salt_like.evaluation.statistics import Floats

MOST_BINS = 10
JETS_PER_BIN = 600  # fewer leave too little background behind a cut

Kind = Literal["momentum", "pseudorapidity", "number", "pile-up"]


@dataclass(frozen=True)
class Bins:
    """Bins of a variable of the jets, with equally many jets as far as its values allow.

    Args:
        kind: What the variable is.
        field: The variable: a field of the jets, or the stream whose constituents are counted.
        unit: Its unit.
        edges: The smallest value, the lower edges of the further bins and the largest value, ``(bins + 1,)``.
        of: Bin of each jet, ``(n,)``; -1 where the variable is not finite.
    """

    kind: Kind
    field: str
    unit: str
    edges: tuple[float, ...]
    of: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.edges) - 1

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        jets = np.bincount(self.of[self.of >= 0], minlength=len(self)).tolist()
        return {"kind": self.kind, "field": self.field, "unit": self.unit, "edges": list(self.edges), "jets": jets}


def bins_of(values: Floats, kind: Kind, name: str, unit: str = "") -> Bins | None:
    """At most 10 bins with at least 600 jets each.

    Args:
        values: The variable, ``(n,)``.
        kind: What it is.
        name: Its name.
        unit: Its unit.

    Returns:
        ``None`` where no value is finite.
    """
    values = values.astype(np.float64)
    known = np.isfinite(values)
    finite = values[known]
    if len(finite) == 0:
        return None
    number = max(1, min(MOST_BINS, len(finite) // JETS_PER_BIN))
    # values that occur, so that no bin is empty where many jets have the same
    inner = np.unique(np.quantile(finite, np.arange(1, number) / number, method="inverted_cdf"))
    inner = inner[inner > finite.min()]
    edges = np.array([finite.min(), *inner, finite.max()])
    if kind in ("number", "pile-up") and (finite == np.floor(finite)).all():
        edges = np.array([finite.min() - 0.5, *(inner - 0.5), finite.max() + 0.5])
    of = np.where(known, np.searchsorted(inner, values, side="right"), -1)
    return Bins(kind, name, unit, tuple(edges.tolist()), of)


@dataclass(frozen=True)
class Profile:
    """What one working point of a discriminant does in bins of the jets.

    Args:
        bins: The bins.
        fixed: In each bin, with one cut for all jets, ``(bins,)``.
        flat: In each bin, with the cuts of the flat working point, ``(bins,)``; empty without one.
    """

    bins: Bins
    fixed: tuple[Point, ...]
    flat: tuple[Point, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **self.bins.plain(),
            "efficiency": self.fixed[0].efficiency,
            "fixed": _columns(self.fixed),
            "flat": _columns(self.flat) if self.flat else None,
        }


def _columns(points: tuple[Point, ...]) -> dict[str, Any]:
    columns = ("value", "low", "high", "limit", "passing", "total")
    found: dict[str, Any] = plain(
        {
            "signal_efficiency": [point.signal_efficiency for point in points],
            "signal_error": [point.signal_error for point in points],
            "rejections": {
                name: {column: [getattr(point.rejections[name], column) for point in points] for column in columns}
                for name in points[0].rejections
            },
        }
    )
    return found


@dataclass(frozen=True)
class TaskProfile:
    """Metrics of a task in bins of the jets.

    Args:
        bins: The bins.
        metrics: In each bin, ``(bins,)``.
        by_class: In each bin, for the jets of each class, ``(bins,)``.
    """

    bins: Bins
    metrics: tuple[tuple[Metric, ...], ...]
    by_class: tuple[Mapping[str, tuple[Metric, ...]], ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """For JSON: values, errors and trivial predictions as arrays over the bins."""
        classes = dict.fromkeys(name for one in self.by_class for name in one)
        return {
            **self.bins.plain(),
            "metrics": _arrays(self.metrics),
            "by_class": {name: _arrays(tuple(one.get(name, ()) for one in self.by_class)) for name in classes},
        }


def _arrays(bins: tuple[tuple[Metric, ...], ...]) -> dict[str, Any]:
    """Metric → its values over the bins; ``None`` where it was not measured."""
    found: dict[str, Any] = {}
    for place, metrics in enumerate(bins):
        for one in metrics:
            empty = {"unit": one.unit, "value": [None] * len(bins), "error": [None] * len(bins), "trivial": {}}
            row = found.setdefault(one.name, empty)
            row["value"][place], row["error"][place] = one.value, one.error
            if one.baseline is not None:
                row["trivial"].setdefault(one.baseline_name, [None] * len(bins))[place] = one.baseline
    return plain(found)  # type: ignore[no-any-return]
