"""Production without a simulation: which chunks are made, what is kept, and what is said."""

from __future__ import annotations

from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from made_streams import made_streams

from salt_like.errors import UserError
from salt_like.simulation import production, workers
from salt_like.simulation.pileup import Pool
from salt_like.simulation.production import WITHOUT_JETS, produce
from salt_like.simulation.settings import PileupSettings, Settings

SETTINGS = Settings(1, pileup=PileupSettings(mean=0))


class Chunks:
    """Rows that depend on the index only; may fail at one."""

    made: list[int]
    pools: list[list[float] | None]
    broken: dict[int, BaseException]

    def __init__(self, settings, pool):
        del settings
        type(self).pools.append(None if pool is None else pool.px.tolist())

    def make(self, index):
        if index in self.broken:
            raise self.broken[index]
        self.made.append(index)
        return made_streams(self.jets(index), index)

    @staticmethod
    def jets(index):
        return (40, 0, 70, 30)[index % 4]


@pytest.fixture
def chunks(monkeypatch):
    fresh = type("Fresh", (Chunks,), {"made": [], "pools": [], "broken": {}})
    monkeypatch.setattr(workers, "Chunks", fresh)
    monkeypatch.setattr(production, "versions", lambda: {"salt-like": "1"})
    monkeypatch.setattr(production, "attributes", lambda settings, jets: {"seed": settings.seed, "jets": jets})
    monkeypatch.setattr(production.engines, "require_engines", lambda: None)
    return fresh


WITH_PILEUP = Settings(1, pileup=PileupSettings(mean=1.0, pool=9))


class Blocks:
    """Blocks of the pool that hold their number; may fail at one."""

    def __init__(self):
        self.made, self.broken = [], {}

    def __call__(self, index, settings):
        if index in self.broken:
            raise self.broken[index]
        self.made.append(index)
        size = production.blocks_of(settings)[index]
        numbers = np.full(size, index)
        return Pool(np.ones(size, np.int64), numbers, *[np.float32(numbers)] * 8)


@pytest.fixture
def blocks(chunks, monkeypatch):
    made = Blocks()
    monkeypatch.setattr(workers, "block_of", made)
    return made


@pytest.mark.parametrize(("jets", "last"), [(1, 0), (40, 0), (41, 2), (110, 2), (111, 3), (300, 8)])
def test_exactly_so_many_jets_from_the_first_chunks(chunks, tmp_path, jets, last):
    produce(tmp_path / "jets.h5", jets, SETTINGS)
    assert set(chunks.made) >= set(range(last + 1))
    assert len(chunks.made) == len(set(chunks.made))
    with h5py.File(tmp_path / "jets.h5") as file:
        numbers = file["jets"]["eventNumber"]
    whole = np.concatenate([1000 * index + np.arange(Chunks.jets(index)) for index in range(12)])
    assert np.array_equal(numbers, whole[:jets])
    assert [path.name for path in tmp_path.iterdir()] == ["jets.h5"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_interrupted_and_gone_on(chunks, tmp_path, stop):
    produce(tmp_path / "whole.h5", 500, SETTINGS)
    chunks.made.clear()
    chunks.broken[5] = stop
    with pytest.raises(type(stop)):
        produce(tmp_path / "jets.h5", 500, SETTINGS)
    assert not (tmp_path / "jets.h5").exists()
    assert chunks.made == [0, 1, 2, 3, 4]
    chunks.broken.clear()
    with pytest.raises(UserError, match=r"(?s)chunks of an interrupted simulation \(5\) .* --resume"):
        produce(tmp_path / "jets.h5", 500, SETTINGS)
    with pytest.raises(UserError, match="settings.seed was 1, now 2"):
        produce(tmp_path / "jets.h5", 500, Settings(2, pileup=SETTINGS.pileup), resume=True)
    seen = []
    produce(tmp_path / "jets.h5", 500, SETTINGS, resume=True, report=lambda *state: seen.append(state))
    assert chunks.made == [*range(len(chunks.made))], "what was finished is not made again"
    assert seen[0] == ("jets", 180, 500)
    assert seen[-1] == ("jets", 500, 500)
    assert (tmp_path / "jets.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_finished_chunks_of_any_order_are_used(chunks, tmp_path):
    produce(tmp_path / "whole.h5", 200, SETTINGS)
    chunks.broken[1] = chunks.broken[0] = RuntimeError("no")
    with pytest.raises(UserError):
        produce(tmp_path / "jets.h5", 200, SETTINGS)
    parts = production.Parts.beside(tmp_path / "jets.h5")
    parts.save(3, made_streams(Chunks.jets(3), 3))
    chunks.broken.clear()
    chunks.made.clear()
    produce(tmp_path / "jets.h5", 200, SETTINGS, resume=True)
    assert 3 not in chunks.made
    assert (tmp_path / "jets.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_more_jets_begin_with_the_same_ones(chunks, tmp_path):
    produce(tmp_path / "few.h5", 100, SETTINGS)
    produce(tmp_path / "many.h5", 300, SETTINGS)
    with h5py.File(tmp_path / "few.h5") as few, h5py.File(tmp_path / "many.h5") as many:
        for name in few:
            assert few[name][:].tobytes() == many[name][:100].tobytes()


def test_a_chunk_that_fails_is_named_and_the_others_are_kept(chunks, tmp_path):
    chunks.broken[3] = RuntimeError("the generator gave up\nmore")
    with pytest.raises(UserError) as caught:
        produce(tmp_path / "jets.h5", 500, SETTINGS)
    message = str(caught.value)
    assert "chunk 3 of seed 1 (ttbar) failed: RuntimeError: the generator gave up\n" in message
    assert f"finished chunks (3) are kept in {tmp_path}/jets.h5.parts" in message
    assert "--resume" in message
    assert sorted(production.Parts.beside(tmp_path / "jets.h5").finished()) == [0, 1, 2]


def test_a_disk_that_is_full_is_not_taken_for_a_failure_of_the_generator(chunks, tmp_path):
    chunks.broken[2] = OSError(28, "No space left on device")
    with pytest.raises(UserError) as caught:
        produce(tmp_path / "jets.h5", 500, SETTINGS)
    assert str(caught.value).startswith(
        f"chunk 2 of seed 1 cannot be written to {tmp_path}/jets.h5.parts: No space left"
    )
    assert "another seed" not in str(caught.value)
    assert str(caught.value).endswith("make room there, and go on with --resume")


def test_settings_that_leave_no_jets_come_to_an_end(chunks, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "jets", staticmethod(lambda index: 0))
    with pytest.raises(UserError, match=f"no jet in {100 * WITHOUT_JETS} events"):
        produce(tmp_path / "jets.h5", 10, SETTINGS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"jets": 0}, "the number of jets must be at least 1, not 0"),
        ({"jets": -5}, "the number of jets must be at least 1, not -5"),
        ({"workers": 0}, "the number of workers must be at least 1, not 0"),
    ],
)
def test_numbers_that_make_no_sense(chunks, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        produce(tmp_path / "jets.h5", **{"jets": 10, "settings": SETTINGS, **arguments})
    assert not list(tmp_path.iterdir())


def test_existing_files_are_not_overwritten(chunks, tmp_path):
    (tmp_path / "jets.h5").write_text("precious")
    with pytest.raises(UserError, match=r"jets.h5 exists already, and is not overwritten\ngive another name to --out"):
        produce(tmp_path / "jets.h5", 10, SETTINGS)
    assert (tmp_path / "jets.h5").read_text() == "precious"
    with pytest.raises(UserError, match="is a folder"):
        produce(tmp_path, 10, SETTINGS)
    with pytest.raises(UserError, match="nothing can be written to .*jets.h5: Not a directory"):
        produce(tmp_path / "jets.h5/more.h5", 10, SETTINGS)
    assert chunks.made == []


def test_chunks_are_written_while_others_are_made(chunks, tmp_path, monkeypatch):
    given = []

    def watched(path, rows, *arguments):
        given.extend(list(chunks.made) for _ in rows)

    monkeypatch.setattr(production, "write", watched)
    produce(tmp_path / "jets.h5", 300, SETTINGS)
    assert given[:3] == [[0, 1], [0, 1, 2], [0, 1, 2, 3]], "not after all of them"


def test_an_interrupted_writing_ends_the_workers_at_once(chunks, tmp_path, monkeypatch):
    ended = []
    executor = workers.workers

    @contextmanager
    def watched(*arguments):
        with executor(*arguments) as one:
            try:
                yield one
            finally:
                ended.append(True)

    def interrupted(path, rows, *arguments):
        next(rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "workers", watched)
    monkeypatch.setattr(production, "write", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        produce(tmp_path / "jets.h5", 300, SETTINGS)
    assert ended == [True], "while the traceback still holds the chunks"
    assert caught.value is not None


def test_a_full_disk_loses_nothing(chunks, tmp_path, monkeypatch):
    def full(path, rows, *arguments):
        list(rows)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(production, "write", full)
        with pytest.raises(OSError, match="No space"):
            produce(tmp_path / "jets.h5", 100, SETTINGS)
    chunks.made.clear()
    produce(tmp_path / "jets.h5", 100, SETTINGS, resume=True)
    assert chunks.made == []


def test_the_pool_is_made_of_blocks_before_the_first_chunk(chunks, blocks, tmp_path):
    seen = []
    produce(tmp_path / "jets.h5", 100, WITH_PILEUP, report=lambda *state: seen.append((*state, len(chunks.made))))
    assert blocks.made == [0, 1, 2, 3]
    assert chunks.pools == [[0, 0, 1, 1, 2, 2, 3, 3, 3]]
    assert seen[:5] == [*(("pile-up", done, 9, 0) for done in (0, 2, 4, 6)), ("jets", 0, 100, 0)]
    assert [path.name for path in tmp_path.iterdir()] == ["jets.h5"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), RuntimeError("the generator gave up\nmore")])
@pytest.mark.parametrize("resume", [True, False])
def test_finished_blocks_are_kept(chunks, blocks, tmp_path, stop, resume):
    blocks.broken[2] = stop
    with pytest.raises((UserError, KeyboardInterrupt)) as caught:
        produce(tmp_path / "jets.h5", 100, WITH_PILEUP)
    if isinstance(stop, RuntimeError):
        message = str(caught.value)
        assert message.startswith("block 2 of the pile-up of seed 1 failed: RuntimeError: the generator gave up\n")
        assert f"finished blocks (2) are kept in {tmp_path}/jets.h5.parts; go on with --resume" in message
    assert (blocks.made, chunks.pools) == ([0, 1], []), "nothing is begun after that"
    blocks.broken.clear()
    produce(tmp_path / "jets.h5", 100, WITH_PILEUP, resume=resume)
    assert blocks.made == [0, 1, 2, 3], "what was finished is not made again"
    assert chunks.pools == [[0, 0, 1, 1, 2, 2, 3, 3, 3]]


def test_a_disk_that_is_full_while_the_pool_is_made(blocks, tmp_path):
    blocks.broken[1] = OSError(28, "No space left on device")
    with pytest.raises(UserError) as caught:
        produce(tmp_path / "jets.h5", 100, WITH_PILEUP)
    where = f"{tmp_path}/jets.h5.parts"
    assert str(caught.value) == (
        f"block 1 of the pile-up of seed 1 cannot be written to {where}: No space left on device\n"
        f"finished blocks (1) are kept in {where}; make room there, and go on with --resume"
    )


def test_a_damaged_block_is_named(chunks, blocks, tmp_path):
    chunks.broken[0] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        produce(tmp_path / "jets.h5", 100, WITH_PILEUP)
    path = tmp_path / "jets.h5.parts" / "pileup-002.npz"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError) as caught:
        produce(tmp_path / "jets.h5", 100, WITH_PILEUP, resume=True)
    assert str(caught.value) == f"the finished pile-up {path} is damaged\nremove it and go on with --resume"
    path.unlink()
    chunks.broken.clear()
    produce(tmp_path / "jets.h5", 100, WITH_PILEUP, resume=True)
    assert blocks.made == [0, 1, 2, 3, 2]


@pytest.mark.parametrize(
    ("pileup", "sizes"),
    [({}, [1000] * 4), ({"pool": 3}, [1, 1, 1]), ({"pool": 10}, [2, 3, 2, 3]), ({"mean": 0.0}, [])],
)
def test_blocks_of_the_pool(pileup, sizes):
    assert production.blocks_of(Settings(1, pileup=PileupSettings(**pileup))) == sizes
