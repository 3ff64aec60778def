"""Two answers about the same things: how far they are apart, and in which jets the most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.answers import Answer, Matched, Rows
from salt_like.export import verify

Array = NDArray[Any]

WORST = 10  # jets that are named
QUANTILES = (50.0, 95.0, 99.9)  # per cent
EDGES = np.arange(-12.0, 3.01, 0.25)  # of the histogram, log10 of the difference; what is outside is in the end bins


@dataclass(frozen=True)
class Difference:
    """One output of both.

    Args:
        name: The output, without the model's name.
        stream: Stream whose rows it describes.
        kind: As in `Output`.
        unit: Unit of the values.
        tolerance: ``absolute`` + ``relative`` · |A|, and the change of the ``logarithm`` where that is given.
        compared: Number of values.
        beyond: Number of them beyond the tolerance.
        jets_beyond: Number of jets that have such a value, or a constituent that only one of the two knows.
        one_sided: Number of values that are a number in only one of the two.
        largest: Largest difference.
        mean: Mean difference.
        quantiles: Per cent → quantile of the difference.
        largest_of_logarithm: Largest change of the logarithm, of probabilities.
        differing: Of an index: number of constituents with another number.
        regrouped: Of one that groups: number of constituents that are together with others, whatever the numbers.
        histogram: ``edges`` (log10 of the difference), ``counts``, and how many are ``equal``.
        worst: The jets that differ most, the first the most.
    """

    name: str
    stream: str
    kind: str
    unit: str
    tolerance: Mapping[str, float]
    compared: int
    beyond: int
    jets_beyond: int
    one_sided: int = 0
    largest: float | None = None
    mean: float | None = None
    quantiles: Mapping[str, float] | None = None
    largest_of_logarithm: float | None = None
    differing: int | None = None
    regrouped: int | None = None
    histogram: Mapping[str, Any] | None = None
    worst: tuple[Mapping[str, Any], ...] = ()


class Aligned:
    """Rows of both that are about the same constituent, or jet.

    Args:
        first: Rows of A.
        second: Rows of B.
        matched: The jets.
        names: What a reader knows the jets of A by.
    """

    def __init__(self, first: Rows, second: Rows, matched: Matched, names: Mapping[str, Array]) -> None:
        self._stream = first.stream
        self._matched, self._names = matched, names
        width = int(max(first.place.max(initial=0), second.place.max(initial=0))) + 2
        ours, one = _keys(first, matched.first, width)
        theirs, other = _keys(second, matched.second, width)
        common, at, there = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
        self._one, self._other = one[at], other[there]
        self._jet, self._place = common // width, common % width - 1
        alone = [np.setdiff1d(some, common, assume_unique=True) // width for some in (ours, theirs)]
        self._alone = np.zeros(len(matched.first), bool)
        self.notes = []
        for side, jets in zip("AB", alone, strict=True):
            self._alone[jets] = True
            if len(jets):
                self.notes.append(
                    f"{len(jets)} of the {first.stream} of {len(np.unique(jets))} jets are only in {side}: beyond any "
                    "tolerance"
                )

    def compared(self, name: str, ours: Answer, theirs: Answer, tolerance: Mapping[str, float]) -> Difference:
        """One output."""
        one, other = ours.values[self._one], theirs.values[self._other]
        head = Difference(name, self._stream, ours.kind, ours.unit, dict(tolerance), len(one), 0, 0)
        if ours.kind == "index":
            return self._indices(head, one, other, ours.groups and theirs.groups)
        return self._numbers(head, one.astype(np.float64), other.astype(np.float64), tolerance)

    def _numbers(self, head: Difference, one: Array, other: Array, tolerance: Mapping[str, float]) -> Difference:
        apart = verify.apart(dict(tolerance), one, other)
        change, times = apart.change, apart.used
        logarithm = None
        if apart.logarithm is not None:
            logarithm = float(apart.logarithm[np.isfinite(apart.logarithm)].max(initial=0.0))
        known = change[np.isfinite(change)]
        some = known if len(known) else np.zeros(1)
        beyond = times > 1
        return replace(
            head,
            beyond=int(beyond.sum()),
            jets_beyond=self._jets(beyond),
            one_sided=int((~np.isfinite(change)).sum()),
            largest=float(some.max()),
            mean=float(some.mean()),
            quantiles={f"{q:g}": float(np.quantile(some, q / 100)) for q in QUANTILES},
            largest_of_logarithm=logarithm,
            histogram=_histogram(known),
            worst=self._worst(one, other, change, times),
        )

    def _indices(self, head: Difference, one: Array, other: Array, groups: bool) -> Difference:
        differs = one != other
        moved = _regrouped(self._jet, one, other) if groups else differs
        number = np.bincount(self._jet[moved], minlength=len(self._matched.first)).astype(np.float64)
        weight = number[self._jet] * moved
        return replace(
            head,
            beyond=int(moved.sum()),
            jets_beyond=self._jets(moved),
            differing=int(differs.sum()),
            regrouped=int(moved.sum()) if groups else None,
            worst=self._worst(one, other, weight, weight, together=True),
        )

    def _jets(self, beyond: Array) -> int:
        found = self._alone.copy()
        found[self._jet[beyond]] = True
        return int(found.sum())

    def _worst(
        self, one: Array, other: Array, change: Array, times: Array, together: bool = False
    ) -> tuple[dict[str, Any], ...]:
        """The jets that differ most, each by the value that does; all values of the jet with `together`."""
        candidates = np.flatnonzero(times > 0)
        order = candidates[np.lexsort((-change[candidates], -times[candidates]))]
        # the first of each jet in this order, without sorting all jets again
        _, firsts = np.unique(self._jet[order], return_index=True)
        found = []
        for index in order[np.sort(firsts)[:WORST]]:
            jet, place = int(self._jet[index]), int(self._place[index])
            same = self._jet == jet
            named = {key: _value(values[self._matched.first[jet]]) for key, values in self._names.items()}
            ours, theirs = (some[same].tolist() if together else _value(some[index]) for some in (one, other))
            where = {} if together else {"place": place if place >= 0 else None, "difference": float(change[index])}
            found.append({**named, **where, "A": ours, "B": theirs, "times_tolerance": float(times[index])})
            if together:
                found[-1]["regrouped"] = int(found[-1].pop("times_tolerance"))
        return tuple(found)


def _keys(rows: Rows, jets: Array, width: int) -> tuple[Array, Array]:
    """A number for each row of a matched jet, the same on both sides, and where these rows are."""
    number = np.full(int(max(rows.jet.max(initial=-1), jets.max(initial=-1))) + 1, -1)
    number[jets] = np.arange(len(jets))
    position = number[rows.jet]
    kept = np.flatnonzero(position >= 0)
    return position[kept] * width + rows.place[kept] + 1, kept


def _regrouped(jet: Array, one: Array, other: Array) -> Array:
    """True for constituents whose companions differ, whatever the numbers of the groups, ``(m,)``."""
    numbers = []
    for columns in ((jet, one), (jet, other), (jet, one, other)):
        code = np.zeros(len(jet), np.int64)
        for column in columns:
            values, own = np.unique(column, return_inverse=True)
            code = np.unique(code * max(len(values), 1) + own.reshape(-1), return_inverse=True)[1].reshape(-1)
        numbers.append(np.bincount(code, minlength=1)[code] if len(code) else code)
    ours, theirs, both = numbers
    without = (one < 0) != (other < 0)  # none is no group, also where one constituent is alone
    found: Array = (ours != both) | (theirs != both) | without
    return found


def _histogram(change: Array) -> dict[str, Any]:
    different = change[change > 0]
    counts, _ = np.histogram(np.log10(different).clip(EDGES[0], EDGES[-1]), EDGES)
    return {"edges": EDGES.tolist(), "counts": counts.tolist(), "equal": int(len(change) - len(different))}


def _value(value: Any) -> Any:
    """A plain number or text."""
    found = value.item() if isinstance(value, np.generic) else value
    return found.decode() if isinstance(found, bytes) else found
