"""Columns made of random numbers, each of which can be told apart, and a sample that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from salt_like.data.columns import Columns
from salt_like.spec import DataSpec, Label, Request, Stream, Variable

CAPACITY = 12

SPEC = DataSpec(
    streams=(
        Stream("jets", (Variable("pt", mean=1.0, std=2.0), Variable("eta")), is_global=True),
        Stream("tracks", tuple(Variable(name) for name in ("d0", "z0", "dr")), capacity=CAPACITY),
        Stream("flows", (Variable("energy"),), capacity=CAPACITY),
    ),
    labels=(
        Label("jets", "flavour", "flavour", "class", ("b", "c", "u")),
        Label("jets", "mass", "mass", "real"),
        Label("tracks", "origin", "origin", "class", tuple("abcdefgh")),
        Label("tracks", "vertex", "vertex", "index"),
    ),
)
REQUEST = Request("tracks", "vertex", "index", pairs=True)


def make_columns(number: int, first: int = 0, seed: int = 0) -> Columns:
    """Jets `first` to `first + number`; the first input of every jet and constituent encodes whose it is."""
    rows = np.arange(first, first + number, dtype=np.int64)
    tracks, flows = rows * 7 % CAPACITY, rows * 5 % (CAPACITY - 2)  # some jets have none
    random = np.random.default_rng([seed, first])
    jet_of_track, jet_of_flow = np.repeat(rows, tracks), np.repeat(rows, flows)
    slots = np.arange(len(jet_of_track)) - np.repeat(np.cumsum(tracks) - tracks, tracks)
    inputs = {
        "jets": np.stack([rows, random.normal(size=number)], 1).astype(np.float32),
        "tracks": np.stack([jet_of_track, slots, random.normal(size=len(slots))], 1).astype(np.float32),
        "flows": jet_of_flow[:, None].astype(np.float32),
    }
    labels = {
        "jets": {"flavour": rows % 3, "mass": np.where(rows % 4 == 0, np.nan, rows).astype(np.float32)},
        "tracks": {"origin": slots % 8 - (slots % 5 == 0) * (1 + slots % 8), "vertex": jet_of_track * 3 - 2},
    }
    return Columns(
        rows=rows,
        inputs=inputs,
        counts={"tracks": tracks.astype(np.int32), "flows": flows.astype(np.int32)},
        labels=labels,
        weights=(1 + rows % 2).astype(np.float32),
        events=(rows // 2).astype(np.uint64),
        positions={"tracks": slots.astype(np.int32)},
    )


@dataclass
class Readable:
    """Stands for a sample: `number` rows read in pieces; `kept` selects one row in so many."""

    number: int
    piece: int = 50
    kept: int = 1
    seed: int = 0
    asked: list[int] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.number

    def chunks(self, *, first: int = 0, last: int | None = None) -> Iterator[Columns]:
        self.asked.append(first)
        last = self.number if last is None else last
        for start in range(first // self.piece * self.piece, last, self.piece):
            columns = make_columns(min(self.piece, self.number - start), start, self.seed)
            inside = (columns.rows >= first) & (columns.rows < last) & (columns.rows % self.kept == 0)
            yield columns.select(inside)


def assert_same(one: Columns, other: Columns) -> None:
    """Every array equal, type included."""
    for name in ("rows", "weights", "events"):
        _assert_equal(getattr(one, name), getattr(other, name), name)
    for name in ("inputs", "counts", "positions"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.keys() == theirs.keys()
        for key in mine:
            _assert_equal(mine[key], theirs[key], f"{name} {key}")
    assert {(s, k) for s in one.labels for k in one.labels[s]} == {
        (s, k) for s in other.labels for k in other.labels[s]
    }
    for stream, labels in one.labels.items():
        for key, values in labels.items():
            _assert_equal(values, other.labels[stream][key], f"{stream} {key}")


def _keys(columns: Columns) -> set[tuple[str, str]]:
    return {(stream, key) for stream, labels in columns.labels.items() for key in labels}


def _assert_equal(one: np.ndarray | None, other: np.ndarray | None, what: str) -> None:
    if one is None or other is None:
        assert one is other, what
        return
    assert one.dtype == other.dtype, what
    np.testing.assert_array_equal(one, other, err_msg=what)
