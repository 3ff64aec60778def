"""Working points: cuts that let a wanted share of the signal pass, made once, stored, and applied unchanged."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from salt_like.atomic import write_atomically
from salt_like.errors import UserError
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.statistics import Floats, binomial_error, effective_entries
from salt_like.spec import Discriminant

EFFICIENCIES = (0.60, 0.65, 0.70, 0.77, 0.85, 0.90)
FORMAT = "salt-like working points"
MOST_BINS = 10  # of a flat working point
SIGNAL_PER_BIN = 200  # fewer make a cut's own error larger than what a bin is good for

Kind = Literal["fixed", "flat"]


@dataclass(frozen=True)
class WorkingPoint:
    """A cut on a discriminant: one number, or one per bin of a variable of the jet.

    Args:
        efficiency: Signal efficiency that it was made for.
        cuts: Jets with at least this value pass, ``(bins,)``.
        shifted: For each bin the cuts if the efficiency were off by one standard deviation of the quantile, down (a
            tighter cut) and up.
        kind: ``"fixed"``, one cut for all jets, or ``"flat"``: the same signal efficiency in every bin.
        field: Variable of the bins, empty for a fixed one.
        edges: Between the bins, ``(bins - 1,)``; the outer bins are open.
    """

    efficiency: float
    cuts: tuple[float, ...]
    shifted: tuple[tuple[float, float], ...]
    kind: Kind = "fixed"
    field: str = ""
    edges: tuple[float, ...] = ()

    def bins(self, at: Floats | None, number: int) -> NDArray[np.intp]:
        """Bin of each of `number` jets, from their values `at` of the variable."""
        if not self.edges:
            return np.zeros(number, np.intp)
        if at is None:
            raise ValueError(f"a flat working point needs the values of '{self.field}'")
        return np.searchsorted(np.array(self.edges), at, side="right")

    def __str__(self) -> str:
        low, high = min(self.cuts), max(self.cuts)
        return f"{low:.4g}" if self.kind == "fixed" else f"{low:.4g} … {high:.4g}"

    def plain(self) -> dict[str, Any]:
        """For JSON; cuts that are not finite, which JSON does not have, are words."""
        shifted = [[_number(low), _number(high)] for low, high in self.shifted]
        return {**asdict(self), "cuts": list(map(_number, self.cuts)), "shifted": shifted, "edges": list(self.edges)}

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> WorkingPoint:
        """The inverse of `plain`."""
        return cls(
            float(content["efficiency"]),
            tuple(map(float, content["cuts"])),
            tuple((float(low), float(high)) for low, high in content["shifted"]),
            content["kind"],
            content["field"],
            tuple(map(float, content["edges"])),
        )


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


@dataclass(frozen=True)
class Cuts:
    """Working points of each discriminant and where they come from.

    Args:
        sample: Name of the sample that they were made on.
        within: Range that the fixed ones were made in, ``None`` for all jets; the flat ones are of all jets.
        points: Discriminant → fixed working points.
        flat: Discriminant → flat working points; none where the file has no ranges.
        definitions: What each discriminant is.
        model: Name of the model.
        checkpoint: Its checkpoint.
        sources: Files of the sample.
        probabilities: Discriminant → class fractions and temperature for which its probabilities hold.
    """

    sample: str
    points: Mapping[str, tuple[WorkingPoint, ...]]
    within: Range | None = None
    flat: Mapping[str, tuple[WorkingPoint, ...]] = field(default_factory=dict)
    definitions: Mapping[str, Discriminant] = field(default_factory=dict)
    model: str = ""
    checkpoint: str = ""
    sources: tuple[str, ...] = ()
    probabilities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "format": FORMAT,
            "model": self.model,
            "checkpoint": self.checkpoint,
            "sample": self.sample,
            "sources": list(self.sources),
            "range": self.within.plain() if self.within else None,
            "discriminants": {
                name: {
                    "signal": one.signal,
                    "background": dict(one.background),
                    "probabilities": dict(self.probabilities.get(name, {})),
                    "fixed": [point.plain() for point in self.points.get(name, ())],
                    "flat": [point.plain() for point in self.flat.get(name, ())],
                }
                for name, one in self.definitions.items()
            },
        }

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        with write_atomically(path) as temporary:
            temporary.write_text(json.dumps(self.plain(), indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> Cuts:
    """The working points in a file that `Cuts.write` wrote.

    Raises:
        UserError: There is no such file, or it is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {name: one for name, one in content["discriminants"].items() if content["format"] == FORMAT}
        return Cuts(
            content["sample"],
            {name: tuple(map(WorkingPoint.from_plain, one["fixed"])) for name, one in known.items()},
            Range.from_plain(content["range"]) if content["range"] else None,
            {name: tuple(map(WorkingPoint.from_plain, one["flat"])) for name, one in known.items()},
            {name: Discriminant(name, one["signal"], one["background"]) for name, one in known.items()},
            content["model"],
            content["checkpoint"],
            tuple(content["sources"]),
            {name: one["probabilities"] for name, one in known.items() if one.get("probabilities")},
        )
    except OSError as error:
        raise UserError(f"cannot read the working points {path}\nfound: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"not a file of working points: {path}\nfound: {type(error).__name__}: {error}\n"
            "`train test` writes one for the sample on which they are made: predictions/SAMPLE_working_points.json"
        ) from error


def fixed(
    signal: Floats, weights: Floats | None = None, efficiencies: Sequence[float] = EFFICIENCIES
) -> list[WorkingPoint]:
    """One cut for each of some fractions of the signal.

    Args:
        signal: Discriminant of signal jets, ``(n,)``.
        weights: ``(n,)``, ``None`` for 1.
        efficiencies: Fractions of the signal.
    """
    if len(signal) == 0:
        return []
    order = np.argsort(-signal, kind="stable")
    weights = np.ones(len(signal)) if weights is None else weights.astype(np.float64)
    total = weights.sum()
    if not total > 0:
        return []
    values = signal[order]
    passed = np.maximum.accumulate(np.cumsum(weights[order])) / total  # rises also with negative weights
    entries = effective_entries(weights)

    def cut(efficiency: float) -> float:
        # the rounding of the sum must not ask for one more jet
        return float(values[min(int(np.searchsorted(passed, efficiency - 1e-12)), len(values) - 1)])

    points = []
    for efficiency in efficiencies:
        error = binomial_error(efficiency, entries)
        shifted = (cut(max(efficiency - error, 0.0)), cut(efficiency + error))
        points.append(WorkingPoint(efficiency, (cut(efficiency),), (shifted,)))
    return points


def flat(
    signal: Floats,
    at: Floats,
    name: str,
    weights: Floats | None = None,
    efficiencies: Sequence[float] = EFFICIENCIES,
) -> list[WorkingPoint]:
    """Cuts that let the same fraction of the signal pass in every bin of a variable.

    The bins hold equally many signal jets, at least 200 each, and are at most 10.

    Args:
        signal: Discriminant of signal jets, ``(n,)``.
        at: Their values of the variable, ``(n,)``.
        name: The variable.
        weights: ``(n,)``, ``None`` for 1.
        efficiencies: Fractions of the signal.
    """
    known = np.isfinite(at)
    signal, at = signal[known], at[known]
    weights = np.ones(len(signal)) if weights is None else weights[known].astype(np.float64)
    if len(signal) == 0:
        return []
    number = max(1, min(MOST_BINS, len(signal) // SIGNAL_PER_BIN))
    # values that occur, so that no bin is empty where many jets have the same
    edges = np.unique(np.quantile(at.astype(np.float64), np.arange(1, number) / number, method="inverted_cdf"))
    edges = edges[edges > at.min()]
    of = np.searchsorted(edges, at, side="right")
    bins = [fixed(signal[of == one], weights[of == one], efficiencies) for one in range(len(edges) + 1)]
    if not all(bins):  # negative weights left nothing of one
        return []
    return [
        WorkingPoint(
            points[0].efficiency,
            tuple(point.cuts[0] for point in points),
            tuple(point.shifted[0] for point in points),
            "flat",
            name,
            tuple(edges.tolist()),
        )
        for points in zip(*bins, strict=True)
    ]
