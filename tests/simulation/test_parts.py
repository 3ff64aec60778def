from __future__ import annotations

import numpy as np
import pytest
from made_streams import made_streams

from salt_like.errors import UserError
from salt_like.simulation.layout import DTYPES
from salt_like.simulation.parts import Parts
from salt_like.simulation.pileup import Pool

ABOUT = {"settings": {"seed": 1, "pileup": {"mean": 20.0}}, "versions": {"numpy": "2.0"}}


def pool(collisions):
    return Pool(np.full(collisions, collisions), *[np.zeros(collisions**2)] * 9)


@pytest.fixture
def parts(tmp_path):
    parts = Parts.beside(tmp_path / "jets.h5")
    assert parts.folder == tmp_path / "jets.h5.parts"
    parts.begin(ABOUT, resume=False)
    return parts


@pytest.mark.parametrize("jets", [0, 1, 30])
def test_what_is_kept_is_what_was_made(parts, jets):
    streams = made_streams(jets)
    assert parts.save(4, streams) == jets
    again = parts.load(4)
    assert again.keys() == streams.keys()
    for name, rows in streams.items():
        assert again[name].dtype == DTYPES[name]
        assert again[name].tobytes() == rows.tobytes()
    assert parts.finished() == {4: jets}


def test_half_written_chunks_do_not_count(parts):
    parts.save(0, made_streams(5))
    (parts.folder / ".chunk-000001-of-7-jets.npz.99.part").write_bytes(b"half")
    (parts.folder / "notes.txt").write_text("mine")
    assert parts.finished() == {0: 5}


def test_going_on_must_be_said(parts):
    parts.save(0, made_streams(5))
    with pytest.raises(
        UserError, match=r"(?s)chunks of an interrupted simulation \(1\) are in .*parts\ngo on.*--resume"
    ):
        parts.begin(ABOUT, resume=False)
    parts.begin(ABOUT, resume=True)
    assert parts.finished() == {0: 5}


def test_going_on_with_nothing_begins(tmp_path):
    parts = Parts.beside(tmp_path / "jets.h5")
    parts.begin(ABOUT, resume=True)
    assert parts.finished() == {}


def test_where_nothing_is_finished_pile_up_is_kept_for_the_same_settings_only(parts):
    assert parts.pool() is None
    for index, collisions in ((11, 3), (2, 4)):
        assert parts.save_block(index, pool(collisions)) == collisions
    (parts.folder / ".pileup-001.npz.99.part").write_bytes(b"half")
    parts.begin(ABOUT, resume=False)
    assert parts.blocks() == [2, 11]
    assert parts.pool().counts.tolist() == [4] * 4 + [3] * 3
    other = {**ABOUT, "settings": {"seed": 2}}
    parts.begin(other, resume=False)
    assert parts.blocks() == []
    parts.begin(other, resume=True)


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(
        UserError, match=r"nothing can be written to .*file: Not a directory\ngive another place to --out"
    ):
        Parts.beside(tmp_path / "file" / "jets.h5").begin(ABOUT, resume=False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({**ABOUT, "settings": {"seed": 2, "pileup": {"mean": 20.0}}}, "settings.seed was 1, now 2"),
        ({**ABOUT, "settings": {"seed": 1, "pileup": {"mean": 3.0}}}, r"settings.pileup.mean was 20.0, now 3.0"),
        ({**ABOUT, "versions": {"numpy": "2.1"}}, "versions.numpy was 2.0, now 2.1"),
        ({**ABOUT, "more": 1}, "more was None, now 1"),
    ],
)
def test_going_on_with_something_else_is_refused(parts, changed, message):
    with pytest.raises(UserError, match=f"the finished chunks are of another simulation: {message}"):
        parts.begin(changed, resume=True)


def test_damaged_chunk(parts):
    parts.save(0, made_streams(5))
    path = next(parts.folder.glob("chunk-*"))
    content = path.read_bytes()
    for damaged in (content[:-100], b"", content[:200] + bytes(200) + content[400:]):
        path.write_bytes(damaged)
        with pytest.raises(
            UserError, match=r"chunk-000000-of-5-jets.npz is damaged\nremove it and go on with --resume"
        ):
            parts.load(0)


def test_order_of_chunks_does_not_matter(parts):
    for index in (3, 0, 1_000_000):
        parts.save(index, made_streams(index % 7 + 1, index))
    assert parts.finished() == {0: 1, 3: 4, 1_000_000: 2}
    assert np.array_equal(parts.load(3)["jets"]["eventNumber"], 3000 + np.arange(4))
    parts.remove()
    assert not parts.folder.exists()
    assert parts.finished() == {}
