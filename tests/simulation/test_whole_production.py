"""Small samples made by Pythia: the same file in any way, and files of different seeds with nothing in common."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
import time

import h5py
import numpy as np
import pytest

from salt_like.data.events import event_hash
from salt_like.data.files import Files
from salt_like.errors import UserError
from salt_like.simulation import chunk
from salt_like.simulation.chunk import Chunks, block_of, pool_of
from salt_like.simulation.layout import DTYPES
from salt_like.simulation.parts import Parts
from salt_like.simulation.pileup import COMMANDS
from salt_like.simulation.production import produce
from salt_like.simulation.settings import BeamSettings, PileupSettings, Settings

for module in ("pythia8mc", "fastjet", "awkward"):
    pytest.importorskip(module)

MIX = {"ttbar": 2, "zprime800": 1}
ALONE = PileupSettings(mean=0.0)
SETTINGS = Settings(1, mix=MIX, chunk=10, pileup=ALONE)
JETS = 150  # about four chunks


@pytest.fixture(autouse=True)
def _quick_pile_up(monkeypatch):
    monkeypatch.setattr(chunk, "COMMANDS", ("SoftQCD:nonDiffractive = on",))  # diffraction takes five seconds to set up


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "jets.h5"
    produce(path, JETS, SETTINGS)
    return path


def test_the_same_file_from_three_workers_as_from_one(sample, tmp_path):
    produce(tmp_path / "jets.h5", JETS, SETTINGS, 3)
    assert (tmp_path / "jets.h5").read_bytes() == sample.read_bytes()


def test_chunks_do_not_depend_on_those_before(sample):
    settings = Settings(1, mix=MIX, chunk=10, pileup=PileupSettings(mean=3.0, pool=30))
    pool = pool_of(settings)
    indices = [0, 1, 2, 3, 6]
    forward, backward = Chunks(settings, pool), Chunks(settings, pool)
    made = {index: forward.make(index) for index in indices}
    for index in reversed(indices):
        for name, rows in backward.make(index).items():
            assert rows.tobytes() == made[index][name].tobytes(), (index, name)
    # another order in the same generators, where Pythia has already made many events
    for index in (6, 0):
        assert forward.make(index)["jets"].tobytes() == made[index]["jets"].tobytes()


def test_layout_and_contents(sample):
    with h5py.File(sample) as file:
        assert {name: dataset.dtype for name, dataset in file.items()} == DTYPES
        jets = file["jets"][:]
        assert len(jets) == JETS
        assert np.all(jets["pt"] > 19_900)
        assert np.all(np.abs(jets["eta"]) < 2.51)
        assert set(jets["process"]) == {1, 800}
        assert np.all(jets["n_pileup"] == 0)
        assert np.all(jets["mcEventWeight"] == 1)
        numbers = jets["eventNumber"] - jets["eventNumber"].min()
        assert np.all(np.diff(numbers) >= 0)
        assert numbers.max() < 60
        # chunks of ten events: two of top quarks, one of the Z'
        process = {number // 10: set(jets["process"][numbers // 10 == number // 10]) for number in numbers}
        assert all(len(one) == 1 for one in process.values())
        for name in ("seed", "settings", "versions", "citations", "licence", "command", "units"):
            assert name in file.attrs
        text = str([(name, file.attrs[name]) for name in file.attrs])
        assert os.getcwd() not in text
        assert str(sample.parent) not in text
        assert "worker" not in text


def test_seeds_share_nothing(sample, tmp_path):
    other = Settings(2, mix=MIX, chunk=10, pileup=ALONE)
    produce(tmp_path / "jets.h5", JETS, other)
    events = []
    for path in (sample, tmp_path / "jets.h5"):
        files = Files([path])
        rows = files.read("jets", 0, 0, JETS)
        events.append(set(event_hash(rows, ["eventNumber"], files.runs[0])))
        files.close()
    assert not events[0] & events[1]
    with h5py.File(sample) as one, h5py.File(tmp_path / "jets.h5") as two:
        first, second = ({tuple(row) for row in file["jets"]["pt", "eta", "phi"].tolist()} for file in (one, two))
    assert len(first) == len(second) == JETS
    assert not first & second


def test_pools_of_seeds_share_nothing():
    settings = [Settings(seed, pileup=PileupSettings(mean=1.0, pool=20)) for seed in (1, 1, 2)]
    first, again, other = (pool_of(one) for one in settings)
    assert np.array_equal(first.px, again.px)
    assert not np.intersect1d(first.px, other.px).size
    # nor do the blocks of a pool; of single numbers in single precision some are the same by chance
    assert len(set(zip(first.px, first.py, strict=True))) == len(first.px)


def test_blocks_with_diffraction_do_not_depend_on_those_before(monkeypatch):
    monkeypatch.setattr(chunk, "COMMANDS", COMMANDS)
    settings = Settings(1, pileup=PileupSettings(mean=1.0, pool=400))
    alone, first, again = (block_of(index, settings) for index in (1, 0, 1))
    assert len(alone.counts) == len(first.counts) == 100
    for name, values in vars(alone).items():
        assert np.array_equal(values, getattr(again, name)), name
    assert not np.intersect1d(first.px, alone.px).size


def test_the_same_file_with_pile_up_from_two_workers_as_from_one(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk, "COMMANDS", COMMANDS)  # as in the workers, which are other processes
    settings = Settings(1, mix={"qcd": 1}, chunk=10, pileup=PileupSettings(mean=5.0, pool=3))
    produce(tmp_path / "one.h5", 40, settings)
    produce(tmp_path / "two.h5", 40, settings, 2)
    whole = (tmp_path / "one.h5").read_bytes()
    assert (tmp_path / "two.h5").read_bytes() == whole


def test_a_worker_that_is_killed_while_the_pool_is_made(tmp_path):
    out, settings = tmp_path / "jets.h5", Settings(1, mix={"qcd": 1}, chunk=10, pileup=PileupSettings(pool=4000))

    def kill():
        while not Parts.beside(out).blocks():
            time.sleep(0.05)
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(UserError) as caught:
        produce(out, 40, settings, 2)
    killer.join()
    message = str(caught.value)
    assert re.match(r"a process was killed while it simulated block \d of the pile-up of seed 1, or one", message)
    assert re.search(r"finished blocks \([1-3]\) are kept in .*; go on with --resume", message)
    assert not multiprocessing.active_children()


def test_pile_up_is_in_the_file(tmp_path):
    produce(tmp_path / "jets.h5", 60, Settings(1, mix={"qcd": 1}, chunk=20, pileup=PileupSettings(mean=20.0, pool=40)))
    with h5py.File(tmp_path / "jets.h5") as file:
        jets, tracks = file["jets"][:], file["tracks"][:]
    assert 15 < jets["n_pileup"].mean() < 25
    assert len(set(jets["mcEventWeight"])) > 10
    origin = tracks["ftagTruthOriginLabel"][tracks["valid"]]
    assert 0.005 < np.mean(origin == 0) < 0.5


def test_a_killed_worker_is_said_and_its_chunk_made_again(sample, tmp_path):
    out = tmp_path / "jets.h5"

    def kill():
        while not Parts.beside(out).finished():
            time.sleep(0.05)
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(UserError, match=r"(?s)a process was killed while it simulated chunk .* --resume"):
        produce(out, 100_000, SETTINGS, 2)
    killer.join()
    assert not multiprocessing.active_children()
    assert len(Parts.beside(out).finished()) >= 1
    produce(out, JETS, SETTINGS, 2, resume=True)  # two workers make what one does
    assert out.read_bytes() == sample.read_bytes()


def test_a_generator_that_fails_in_a_worker_is_named(tmp_path):
    # a Z' of 6 TeV needs collisions of at least half of that
    settings = Settings(4, mix={"ttbar": 3, "zprime6000": 1}, chunk=5, pileup=ALONE, beam=BeamSettings(energy=2900.0))
    with pytest.raises(UserError) as caught:
        produce(tmp_path / "jets.h5", 1000, settings, 2)
    message = str(caught.value)
    assert "of seed 4 (zprime6000) failed: RuntimeError: Pythia cannot be set up with" in message
    assert re.search(r"finished chunks \(\d+\) are kept in", message)
    assert len(message.splitlines()) <= 5
    assert Parts.beside(tmp_path / "jets.h5").finished()
