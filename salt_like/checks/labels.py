"""Labels against constituents: what is impossible, and how often what is odd."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from salt_like.checks.classes import class_names
from salt_like.checks.finding import Check, Finding, Options
from salt_like.checks.reading import Piece, global_stream, numeric, of_jets, whole
from salt_like.checks.values import Tally
from salt_like.data import conventions
from salt_like.data.source import Header, Source

OUTSIDE = Check(
    "label-outside",
    "error",
    "labels outside their classes",
    "data.labels.FIELD.ignore leaves values out of the loss, a label_map of the task gives them a class, data.select "
    "drops the jets",
)
VERTEX = Check(
    "vertex-of-nothing",
    "error",
    "pile-up or fake constituents with a vertex index of 0 or more",
    "give them a negative index when the file is made: in vertexing it matches nothing",
)
COUNT = Check(
    "count",
    "error",
    "the stated number of constituents is not that of the valid ones",
    "the number was stored before a selection, or valid is wrong: make the file again, or leave the field out",
)
HOLES = Check(
    "holes",
    "warning",
    "valid constituents after invalid ones",
    "train reads them rightly; programs that take the first n do not: move the valid ones to the front",
)


@dataclass
class Rate:
    """How often something odd, but possible, is seen.

    Args:
        what: What is counted.
        of: Among what.
    """

    what: str
    of: str
    total: int = 0
    tally: Tally = field(default_factory=Tally)

    def add(self, odd: NDArray[np.bool_], among: NDArray[np.bool_], jets: NDArray[np.intp], piece: Piece) -> None:
        """Counts entries ``(n,)`` of the jets ``(n,)``."""
        self.total += int(among.sum())
        self.tally.add(odd & among, jets, piece)


@dataclass
class _Labelled:
    """Fields of one stream of constituents that hold labels, ``None`` where it has none."""

    stream: str
    origin: str | None
    origins: dict[str, int]
    vertex: str | None
    order: str | None
    count: str | None
    capacity: int
    has_mask: bool


class Labels:
    """Collects what contradicts what.

    Args:
        source: The files of a sample.
        jet_label: Label of the jets and its classes by raw value, if there is one.
        options: What is ignored.
    """

    def __init__(self, source: Source, jet_label: tuple[str, dict[int, str]] | None, options: Options) -> None:
        self.main = global_stream(source)
        self.label = jet_label[0] if jet_label else None
        self.classes = {name: raw for raw, name in jet_label[1].items()} if jet_label else {}
        self.rates: dict[tuple[str, str], Rate] = {}
        self.wrong: dict[tuple[Check, str], Rate] = {}
        self.values: dict[str, int] = {}
        headers = {name: source.headers[name] for name in of_jets(source)}
        main = headers[self.main] if self.main else None
        self.sets = [_labelled(header, main, options) for header in headers.values() if header.capacity]
        self.named = {
            (name, one): np.array(sorted(class_names(header, one)), np.int64)
            for name, header in headers.items()
            for one in numeric(header)
            if class_names(header, one) and not options.ignored(name, one)
        }

    def update(self, piece: Piece) -> None:
        """Adds a piece."""
        real = {one.stream: piece.real(one.stream) for one in self.sets}
        for (stream, name), known in self.named.items():
            self._outside(stream, name, known, real.get(stream), piece)
        for one in self.sets:
            self._origins_of_jets(one, real[one.stream], piece)
            self._vertices(one, real[one.stream], piece)
            self._slots(one, real[one.stream], piece)

    def findings(self, sample: str) -> Iterable[Finding]:
        """What is impossible."""
        for (check, where), one in self.wrong.items():
            if one.tally.number:
                value = str(self.values[where]) if check is OUTSIDE else ""
                tally = one.tally
                yield Finding(
                    check, sample, where, value, tally.number, one.total, tally.row, tally.file, detail=one.what
                )

    def _outside(
        self, stream: str, name: str, known: NDArray[np.int64], real: NDArray[np.bool_] | None, piece: Piece
    ) -> None:
        rows = piece.rows[stream]
        raw = whole(rows[name] if real is None else rows[name][real])
        jets = np.arange(len(rows)) if real is None else np.nonzero(real)[0]
        bad = ~np.isin(raw, known)
        if real is not None:
            bad &= raw >= 0  # of constituents negative labels mean: not to be learned
        where = f"{stream}.{name}"
        if bad.any():
            self.values.setdefault(where, int(raw[bad.argmax()]))
        self._wrong(OUTSIDE, where, "").add(bad, np.ones(len(raw), bool), jets, piece)

    def _origins_of_jets(self, one: _Labelled, real: NDArray[np.bool_], piece: Piece) -> None:
        if one.origin is None or self.label is None or self.main is None:
            return
        flavour = whole(piece.rows[self.main][self.label])
        origin = whole(piece.rows[one.stream][one.origin])
        jets = np.arange(len(flavour))
        for name, wanted, has_them in conventions.ORIGINS_OF_JETS:
            values = [one.origins[origin_name] for origin_name in wanted if origin_name in one.origins]
            if name in self.classes and values:
                has = (np.isin(origin, values) & real).any(1)
                how = "without" if has_them else "with"
                rate = self._rate(f"{how} {one.stream} {' or '.join(wanted)}", name)
                rate.add(np.asarray(has != has_them), np.asarray(flavour == self.classes[name]), jets, piece)

    def _vertices(self, one: _Labelled, real: NDArray[np.bool_], piece: Piece) -> None:
        if one.origin is None or one.vertex is None:
            return
        rows = piece.rows[one.stream][real]
        jets = np.nonzero(real)[0]
        origin, vertex = whole(rows[one.origin]), whole(rows[one.vertex])
        loose = np.isin(origin, [one.origins[n] for n in conventions.ORIGINS_WITHOUT_VERTEX if n in one.origins])
        what = f"of {one.stream} that are {' or '.join(conventions.ORIGINS_WITHOUT_VERTEX)}"
        self._wrong(VERTEX, f"{one.stream}.{one.vertex}", what).add(vertex >= 0, loose, jets, piece)
        chosen = vertex >= 0
        vertex, origin, jets = vertex[chosen], origin[chosen], jets[chosen]
        order = np.lexsort((vertex, jets))
        vertex, origin, jets = vertex[order], origin[order], jets[order]
        starts = np.flatnonzero(np.diff(vertex, prepend=-1) | np.diff(jets, prepend=-1))
        if len(starts):
            mixed = np.minimum.reduceat(origin, starts) != np.maximum.reduceat(origin, starts)
            several = np.diff(np.append(starts, len(vertex))) > 1
            self._rate("with more than one origin", f"vertices of 2 or more {one.stream}").add(
                mixed, several, jets[starts], piece
            )

    def _slots(self, one: _Labelled, real: NDArray[np.bool_], piece: Piece) -> None:
        counts, jets = real.sum(1), np.arange(len(real))
        every = np.ones(len(real), bool)
        if one.count is not None and self.main is not None:
            stated = whole(piece.rows[self.main][one.count])
            wrong = self._wrong(COUNT, f"{self.main}.{one.count}", f"against valid {one.stream}")
            different = np.asarray(np.minimum(stated, one.capacity) != counts)
            wrong.add(different, every, jets, piece)
        if one.has_mask:
            holes = (real[:, 1:] & ~real[:, :-1]).any(1)
            self._wrong(HOLES, one.stream, "").add(np.asarray(holes), every, jets, piece)
        if one.order is not None:
            owner = np.nonzero(real)[0]
            values = piece.rows[one.stream][one.order][real]
            rising = (values[1:] > values[:-1]) & (owner[1:] == owner[:-1])
            rises = np.asarray(np.bincount(owner[1:][rising], minlength=len(real)) > 0)
            rate = self._rate(f"with {one.stream} not in falling {one.order}", "jets")
            rate.add(rises, np.asarray(counts > 1), jets, piece)

    def _rate(self, what: str, of: str) -> Rate:
        return self.rates.setdefault((what, of), Rate(what, of))

    def _wrong(self, check: Check, where: str, what: str) -> Rate:
        return self.wrong.setdefault((check, where), Rate(what, ""))


def _labelled(header: Header, main: Header | None, options: Options) -> _Labelled:
    fields = [name for name in numeric(header) if not options.ignored(header.name, name)]
    jets = [name for name in numeric(main) if not options.ignored(main.name, name)] if main else []
    origin = _first(fields, "ftagTruthOriginLabel")
    return _Labelled(
        stream=header.name,
        origin=origin,
        origins={name: raw for raw, name in class_names(header, origin).items()} if origin else {},
        vertex=_first(fields, "ftagTruthVertexIndex"),
        order=next((name for name in ("pt", "pT") if name in fields and _stands_by_pt(header)), None),
        count=next(
            (name for name in (one.format(stream=header.name) for one in conventions.COUNT_FIELDS) if name in jets),
            None,
        ),
        capacity=header.capacity,
        has_mask="valid" in header.fields,
    )


def _stands_by_pt(header: Header) -> bool:
    """Whether nothing else than falling momentum is stated, as an attribute, about the order of constituents."""
    return str(header.attributes.get("order", "pt")).lower().startswith("pt")


def _first(fields: Iterable[str], label: str) -> str | None:
    return next((name for name in conventions.aliases(label) if name in fields), None)
