"""Events and jets that two samples share, and jets that one sample holds twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from salt_like.checks.finding import Check, Finding
from salt_like.checks.reading import Piece, global_stream, numeric, of_jets, place
from salt_like.data.conventions import IDENTITY_FIELDS
from salt_like.data.events import Hashes, event_hash
from salt_like.data.source import Header, Rows, Source

SHARED_EVENTS = Check(
    "shared-events",
    "error",
    "events in two samples",
    "split by event (data.split); if event numbers restart in each process, tell events apart with "
    "--event mcChannelNumber,eventNumber (data.event)",
)
SHARED_JETS = Check(
    "shared-jets",
    "error",
    "the same jets, or their constituents, in two samples",
    "one file was made from the other, or both from one: make them again from separate events",
)
REPEATED = Check(
    "repeated-jets",
    "warning",
    "the same jets, or their constituents, again in one sample",
    "list every file once; jets that were simulated or copied several times are not independent",
)
ENOUGH = 3  # real-valued fields of all streams: with fewer, different jets may look the same
ENOUGH_OF_STREAM = 4  # of a stream that identifies jets on its own
ENOUGH_CONSTITUENTS = 2
NOTHING = np.uint64(0)  # in place of a hash that would not tell jets apart

Fields = Mapping[str, Sequence[str]]


def common_fields(sources: Sequence[Source]) -> dict[str, list[str]]:
    """Stream → fields that all samples have with the same type, without those that only number things.

    Empty where there are too few real numbers to tell jets apart.

    Args:
        sources: The samples.
    """
    first, *others = sources
    found = {}
    for stream in of_jets(first):
        if all(stream in of_jets(other) for other in others):
            headers = [source.headers[stream] for source in sources]
            found[stream] = [
                name
                for name in numeric(headers[0])
                if name not in IDENTITY_FIELDS and all(_same(headers[0], other, name) for other in headers)
            ]
    real = sum(first.headers[stream].dtype[name].kind == "f" for stream, names in found.items() for name in names)
    return found if real >= ENOUGH else {}


def _same(one: Header, other: Header, name: str) -> bool:
    return name in other.fields and one.dtype[name] == other.dtype[name]


@dataclass
class Identities:
    """Which event and which jet every row of a sample is.

    Args:
        source: The files of the sample.
        event: Fields that identify an event, empty where nothing does.
        content: Stream → fields that make up a jet.
    """

    source: Source
    event: Sequence[str]
    content: Fields

    def __post_init__(self) -> None:
        self._events: list[Hashes] = []
        self._jets: list[Hashes] = []
        self._streams: dict[str, list[Hashes]] = {stream: [] for stream in self.content}
        self.main = global_stream(self.source)

    def update(self, piece: Piece) -> None:
        """Adds a piece."""
        if self.main is not None and self.event:
            self._events.append(event_hash(piece.rows[self.main], self.event, self.source.runs[piece.part]))
        if self.content:
            hashes = {stream: stream_hash(piece, stream, names) for stream, names in self.content.items()}
            self._jets.append(_together(list(hashes.values())))
            for stream, names in self.content.items():
                rows = piece.rows[stream]
                is_enough = sum(rows.dtype[name].kind == "f" for name in names) >= ENOUGH_OF_STREAM
                known = np.full(len(rows), is_enough)
                if rows.ndim == 2:
                    known &= piece.real(stream).sum(1) >= ENOUGH_CONSTITUENTS
                self._streams[stream].append(np.where(known, hashes[stream], NOTHING))

    @property
    def events(self) -> Hashes:
        """Event of each jet, ``(n,)``; empty where nothing identifies events."""
        return np.concatenate(self._events) if self._events else np.zeros(0, np.uint64)

    @property
    def jets(self) -> Hashes:
        """Content of each jet, ``(n,)``; empty where it cannot tell jets apart."""
        return np.concatenate(self._jets) if self._jets else np.zeros(0, np.uint64)

    def stream(self, name: str) -> Hashes:
        """Content of each jet in one stream, ``(n,)``, `NOTHING` where that cannot tell jets apart."""
        return np.concatenate(self._streams[name]) if self._streams[name] else np.zeros(0, np.uint64)

    def findings(self, sample: str) -> list[Finding]:
        """Jets that occur twice, as a whole or in one of their streams."""
        every = _again(self.jets)
        streams = []
        for stream in self.content:
            again = _again(self.stream(stream))
            streams += [f"{stream} {int(again.sum())}"] if again.any() else []
            every |= again
        if not every.any():
            return []
        row, file = place(self.source, int(every.argmax()))
        detail = f"same {', '.join(streams)}" if streams else ""
        number, total = int(every.sum()), len(every)
        return [Finding(REPEATED, sample, "jets", number=number, total=total, row=row, file=file, detail=detail)]


def _again(hashes: Hashes) -> NDArray[np.bool_]:
    """True for what was seen in a row before."""
    again = np.ones(len(hashes), bool)
    again[np.unique(hashes, return_index=True)[1]] = False
    again &= hashes != NOTHING
    return again


def stream_hash(piece: Piece, stream: str, names: Sequence[str]) -> Hashes:
    """One number per jet from the bits of its row, or of its real constituents in any order, ``(n,)``.

    Args:
        piece: Rows of a file.
        stream: Which of them.
        names: Fields that count.
    """
    rows = piece.rows[stream]
    if rows.ndim == 1:
        return event_hash(_bits(rows, names), names)
    real = piece.real(stream)
    counts = real.sum(1)
    # sums of wrapping integers, so that the order of the constituents does not matter
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(event_hash(_bits(rows[real], names), names))])
    ends = np.cumsum(counts)
    found: Hashes = sums[ends] - sums[ends - counts] + counts.astype(np.uint64)
    return found


def _together(columns: Sequence[Hashes]) -> Hashes:
    rows = np.zeros(len(columns[0]), [(str(number), np.uint64) for number in range(len(columns))])
    for number, column in enumerate(columns):
        rows[str(number)] = column
    return event_hash(rows, rows.dtype.names or ())


def _bits(rows: Rows, names: Sequence[str]) -> Rows:
    """The same memory with real numbers seen as whole ones."""
    kinds = [rows.dtype[name] for name in names]
    seen = [np.dtype(f"u{kind.itemsize}") if kind.kind == "f" else kind for kind in kinds]
    offsets = [rows.dtype.fields[name][1] for name in names] if rows.dtype.fields else []
    return rows.view(
        np.dtype({"names": list(names), "formats": seen, "offsets": offsets, "itemsize": rows.dtype.itemsize})
    )


def between(pair: str, first: Identities, second: Identities) -> list[Finding]:
    """Events and jets that both samples hold.

    A jet is the same where one of its streams is: calibrations may have changed the others.

    Args:
        pair: What messages call the two samples.
        first: One sample.
        second: Another one.
    """
    found = []
    events = np.intersect1d(first.events, second.events)
    if len(events):
        rows = [np.flatnonzero(np.isin(one.events, events)) for one in (first, second)]
        other = int(np.flatnonzero(first.events == second.events[rows[1][0]])[0])
        total = len(np.unique(second.events))
        found.append(_shared(SHARED_EVENTS, pair, (first, second), rows[1], other, (len(events), total), len(rows[0])))
    alike: dict[int, int] = {}  # row of the second sample → row of the first
    streams = []
    for stream in first.content:
        mine, theirs = first.stream(stream), second.stream(stream)
        values, firsts = np.unique(mine, return_index=True)
        hits = np.flatnonzero(np.isin(theirs, values) & (theirs != NOTHING))
        where = firsts[np.searchsorted(values, theirs[hits])]
        streams += [f"{stream} {len(hits)}"] if len(hits) else []
        alike = {**dict(zip(hits.tolist(), where.tolist(), strict=True)), **alike}
    if alike:
        hits = np.array(sorted(alike))
        number = (len(hits), second.source.rows)
        one = _shared(SHARED_JETS, pair, (first, second), hits, alike[int(hits[0])], number, len(set(alike.values())))
        found.append(replace(one, detail=f"{one.detail}; same {', '.join(streams)}"))
    return found


def _shared(
    check: Check,
    pair: str,
    samples: tuple[Identities, Identities],
    rows: NDArray[np.intp],
    other: int,
    number: tuple[int, int],
    in_first: int,
) -> Finding:
    """A finding at the first of the rows of the second sample."""
    row, file = place(samples[1].source, int(rows[0]))
    other_row, other_file = place(samples[0].source, other)
    detail = f"also row {other_row} of {other_file.rpartition('/')[2]}"
    if check is SHARED_EVENTS:
        detail += f"; {in_first} and {len(rows)} jets"
    where = "events" if check is SHARED_EVENTS else "jets"
    return Finding(check, pair, where, number=number[0], total=number[1], row=row, file=file, detail=detail)
