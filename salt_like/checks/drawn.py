"""A bounded part of a sample, kept in memory for comparing distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.checks.finding import Options
from salt_like.checks.reading import Piece, drawn, global_stream, of_jets
from salt_like.checks.values import checked
from salt_like.data.events import event_hash
from salt_like.data.source import Source
from salt_like.data.truth import truth_of
from salt_like.errors import UserError

MOST_CONSTITUENTS = 400_000  # of one stream

Key = tuple[str, str]  # stream and field; an empty field is the number of constituents


@dataclass
class Draw:
    """Values of some jets of a sample.

    Args:
        name: Of the sample.
        total: Jets of the whole sample.
        events: Which event each drawn jet is of, ``(n,)``.
        weights: Weight of each drawn jet, ``(n,)``.
        values: Stream and field → values of jets or constituents, ``(m,)``.
        owners: Stream → drawn jet of each constituent that is kept, ``(m,)``.
        features: Variable → one or more numbers per drawn jet, ``(n, k)``: the variable of the jet, or mean and largest
            value of its constituents. Only variables that may be inputs.
        truth: Fields that know the truth.
    """

    name: str
    total: int
    events: NDArray[np.uint64]
    weights: NDArray[np.float64]
    values: dict[Key, NDArray[Any]]
    owners: dict[str, NDArray[np.int64]]
    features: dict[Key, NDArray[np.float32]]
    truth: set[Key] = field(default_factory=set)
    _sizes: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    @property
    def jets(self) -> int:
        """Number of drawn jets."""
        return len(self.events)

    def jets_of(self, key: Key) -> NDArray[np.int64]:
        """Drawn jet of each value of a variable, ``(m,)``."""
        stream, name = key
        return self.owners[stream] if name and stream in self.owners else np.arange(self.jets)

    def size(self, key: Key, is_weighted: bool) -> float:
        """Number of independent values of a variable: that of events, as for weights ``(sum w)^2 / sum w^2``."""
        group = key[0] if key[1] and key[0] in self.owners else ""
        if group not in self._sizes:
            jets = self.jets_of(key)
            sums = np.bincount(self._numbered[jets], self.weights[jets] if is_weighted else None)
            square = float(np.square(sums).sum())
            self._sizes[group] = float(sums.sum()) ** 2 / square if square > 0 else 1.0
        return self._sizes[group]

    @cached_property
    def _numbered(self) -> NDArray[np.int64]:
        return np.unique(self.events, return_inverse=True)[1].reshape(-1)


def draw(name: str, source: Source, options: Options, event: Sequence[str]) -> Draw:
    """Draw jets from a sample, evenly over its files.

    Args:
        name: Of the sample.
        source: Its files.
        options: How many jets, which fields not, and the weight.
        event: Fields that identify an event; with none every jet is an event.

    Raises:
        UserError: A weight is no finite number.
    """
    main = global_stream(source)
    streams = of_jets(source)
    found = _Drawing(source, {one: checked(source.headers[one], options) for one in streams})
    for piece in drawn(source, options.jets, f"drawing jets of {name}"):
        found.add(piece, main, event, options.weight)
    return found.finish(name)


class _Drawing:
    """What was drawn so far, in pieces."""

    def __init__(self, source: Source, fields: Mapping[str, list[str]]) -> None:
        self.source, self.fields, self.jets = source, fields, 0
        headers = source.headers
        self.truth = {(stream, name) for stream in fields for name in truth_of(headers[stream])}
        self.every: dict[str, int] = {}
        self.parts: dict[Any, list[NDArray[Any]]] = {}

    def add(self, piece: Piece, main: str | None, event: Sequence[str], weight: str | None) -> None:
        number = len(next(piece.rows[stream] for stream in self.fields))
        rows = None if main is None else piece.rows[main]
        if rows is not None and event:
            self._keep("events", event_hash(rows, event, self.source.runs[piece.part]))
        else:
            self._keep("events", np.arange(self.jets, self.jets + number, dtype=np.uint64))
        if rows is not None and weight is not None:
            self._keep("weights", _weights(rows[weight], weight, piece))
        for stream, names in self.fields.items():
            if self.source.headers[stream].capacity:
                self._add_set(stream, names, piece)
            else:
                for name in names:
                    self._keep(("values", stream, name), piece.rows[stream][name])
        self.jets += number

    def _add_set(self, stream: str, names: Sequence[str], piece: Piece) -> None:
        real = piece.real(stream)
        counts, rows = real.sum(1), piece.rows[stream][real]
        owner = np.repeat(np.arange(len(counts)), counts)
        self._keep(("values", stream, ""), counts)
        if stream not in self.every:
            share = len(rows) / max(len(counts), 1) * min(self.source.rows, 10**9)
            self.every[stream] = 1 + int(share // MOST_CONSTITUENTS)
        chosen = (owner + self.jets) % self.every[stream] == 0
        self._keep(("owners", stream), owner[chosen] + self.jets)
        is_input = {name for name in names if (stream, name) not in self.truth}
        for name in names:
            values = rows[name]
            self._keep(("values", stream, name), values[chosen])
            if name in is_input:
                self._keep(("features", stream, name), summary(values, counts))

    def _keep(self, key: Any, values: NDArray[Any]) -> None:
        self.parts.setdefault(key, []).append(values)

    def finish(self, name: str) -> Draw:
        joined = {key: np.concatenate(parts) for key, parts in self.parts.items()}
        values = {(key[1], key[2]): one for key, one in joined.items() if key[0] == "values"}
        features = {(key[1], key[2]): one for key, one in joined.items() if key[0] == "features"}
        headers = self.source.headers
        for (stream, one), found in values.items():
            if (not headers[stream].capacity or not one) and (stream, one) not in self.truth:
                features[stream, one] = found.astype(np.float32)[:, None]
        events = joined.get("events", np.zeros(0, np.uint64))
        return Draw(
            name,
            self.source.rows,
            events,
            joined.get("weights", np.ones(len(events))),
            values,
            {key[1]: one for key, one in joined.items() if key[0] == "owners"},
            features,
            self.truth,
        )


def summary(values: NDArray[Any], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean and largest value of each jet's constituents, 0 where it has none; what is not finite is left out.

    Args:
        values: Of all constituents, jet after jet, ``(T,)``.
        counts: Number of constituents of each jet, ``(n,)``.

    Returns:
        ``(n, 2)``.
    """
    result = np.zeros((len(counts), 2), np.float32)
    filled = counts > 0
    starts = (np.cumsum(counts) - counts)[filled]
    if len(starts):
        used = np.isfinite(values)
        numbers = np.maximum(np.add.reduceat(used.astype(np.int64), starts), 1)
        clean = np.where(used, values, 0).astype(np.float64)
        lowest = np.where(used, values, -np.inf).astype(np.float64)
        most = np.maximum.reduceat(lowest, starts)
        with np.errstate(over="ignore"):
            result[filled, 0] = np.add.reduceat(clean, starts) / numbers
            result[filled, 1] = np.where(np.isfinite(most), most, 0)
    return result


def _weights(values: NDArray[Any], name: str, piece: Piece) -> NDArray[np.float64]:
    weights = values.astype(np.float64)
    bad = ~np.isfinite(weights)
    if bad.any():
        first = int(bad.argmax())
        raise UserError(
            f"the weight '{name}' is {weights[first]} in row {piece.start + first} of {piece.file}\n"
            f"({int(bad.sum())} such rows among those read); weights must be finite"
        )
    return weights
