from __future__ import annotations

import numpy as np
import pytest
from field_files import write

from salt_like.checks import reading
from salt_like.data.files import Files


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_pieces_are_all_rows_in_order(clean, source, monkeypatch, step):
    monkeypatch.setattr(reading, "MOST_ROWS", step)
    parts = [clean(20, seed=1), clean(9, seed=2)]
    files = source(*parts)
    found = list(reading.pieces(files, ""))
    assert max(len(one.rows["jets"]) for one in found) <= step
    for name in ("jets", "tracks"):
        joined = np.concatenate([one.rows[name] for one in found])
        wanted = np.concatenate([one[name] for one in parts])
        assert joined.tobytes() == wanted.tobytes()
    for one in found:
        assert one.file.endswith(f"part{one.part}.h5")
        assert one.rows["jets"].tobytes() == parts[one.part]["jets"][one.start : one.start + step].tobytes()


def test_pieces_are_bounded_in_bytes(clean, source, monkeypatch):
    monkeypatch.setattr(reading, "BYTES_AT_ONCE", 10_000)
    files = source(clean(200))
    for piece in reading.pieces(files, ""):
        assert sum(rows.nbytes for rows in piece.rows.values()) <= 10_000


def test_streams_of_another_length(tmp_path, clean):
    arrays = clean(30)
    arrays["sums"] = np.arange(4).view([("total", "i8")])
    files = Files([write(tmp_path / "x.h5", arrays)])
    assert reading.of_jets(files) == ["jets", "tracks"]
    joined = np.concatenate([piece.rows["sums"]["total"] for piece in reading.pieces(files, "")])
    assert joined.tolist() == [0, 1, 2, 3]


def test_which_stream_is_global(tmp_path, clean):
    tracks = clean(30)["tracks"]
    events = clean(30)["jets"]
    assert reading.global_stream(Files([write(tmp_path / "a.h5", {"tracks": tracks})])) is None
    assert reading.global_stream(Files([write(tmp_path / "b.h5", {"tracks": tracks, "events": events})])) == "events"


def test_place(clean, source):
    files = source(clean(20), clean(9))
    assert reading.place(files, 19)[0] == 19
    row, file = reading.place(files, 20)
    assert (row, file.endswith("part1.h5")) == (0, True)
    with pytest.raises(IndexError):
        reading.place(files, 29)


def test_labels_that_are_no_whole_numbers():
    assert reading.whole(np.array([1.0, -1.0])).tolist() == [1, -1]
    assert reading.whole(np.array([np.nan, np.inf])).max() < -(10**9)
