from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import resource
import shutil
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from packed_jets import Readable, assert_same, make_columns

from salt_like.data import writer as writer_module
from salt_like.data.cache import Cache, CacheUnavailableError, clear_caches, default_folder, list_caches
from salt_like.data.columns import Columns
from salt_like.data.lock import Lock
from salt_like.data.manifest import Manifest
from salt_like.data.packed import PackedColumns
from salt_like.data.writer import Writer

JETS = 230


def cache(folder, **options) -> Cache:
    return Cache(folder, **{"chunk": 64, **options})


class HaltError(Exception):
    pass


class Failing(Readable):
    """Stops in the middle, as if the process had been killed."""

    def chunks(self, *, first=0, last=None):
        for columns in super().chunks(first=first, last=last):
            if len(columns) and columns.rows[0] >= 150:
                raise HaltError
            yield columns


def test_everything_comes_back_in_any_order(tmp_path):
    packed = cache(tmp_path).columns(Readable(JETS), {}, shuffle=False)
    assert len(packed) == JETS
    columns = make_columns(JETS)
    in_pieces = Columns.concatenate(list(Readable(JETS).chunks()))
    assert_same(packed.take(np.arange(JETS)), in_pieces)
    index = np.random.default_rng(0).permutation(JETS)[:100]
    assert_same(packed.take(index), in_pieces.select(index))
    assert packed.take(index).inputs["tracks"].shape[0] == columns.counts["tracks"][index].sum()
    assert_same(packed.take(index[:0]), in_pieces.select(index[:0]))
    assert_same(packed.take(np.array([3, 3])), in_pieces.select(np.array([3, 3])))


def test_shuffled_within_chunks_only(tmp_path):
    packed = cache(tmp_path).columns(Readable(JETS), {}, shuffle=True)
    rows = packed.take(np.arange(JETS)).rows
    assert not np.array_equal(rows, np.arange(JETS))
    for start in range(0, JETS, 64):
        stop = min(start + 64, JETS)
        assert sorted(rows[start:stop]) == list(range(start, stop))
    in_pieces = Columns.concatenate(list(Readable(JETS).chunks()))
    assert_same(packed.take(np.arange(JETS)), in_pieces.select(rows))


def test_integers_take_the_smallest_type_that_fits(tmp_path):
    # vertex indices grow with the row: int8 fits the first chunk, but not the following ones
    packed = cache(tmp_path, chunk=32).columns(Readable(JETS), {}, shuffle=False)
    assert_same(packed.take(np.arange(JETS)), Columns.concatenate(list(Readable(JETS).chunks())))
    stored = {(entry.part, entry.key or entry.stream): entry.stored for entry in packed.manifest.entries}
    assert stored["labels", "vertex"] == "int16"
    assert stored["labels", "origin"] == stored["counts", "tracks"] == stored["positions", "tracks"] == "int8"
    assert stored["rows", ""] == "int64"
    assert stored["inputs", "tracks"] == "float32"
    assert {path.name for path in packed.folder.iterdir()} == {
        "manifest.json",
        *(name for name, _, _ in packed.manifest.files()),
    }


def test_the_second_time_nothing_is_read(tmp_path):
    sample = Readable(JETS)
    cache(tmp_path).columns(sample, {"a": 1}, shuffle=True)
    cache(tmp_path).columns(sample, {"a": 1}, shuffle=True)
    assert sample.asked == [0]


@pytest.mark.parametrize("change", [{"about": {"a": 2}}, {"shuffle": False}, {"chunk": 65}])
def test_another_request_or_source_is_another_cache(tmp_path, change):
    sample = Readable(JETS)
    cache(tmp_path).columns(sample, {"a": 1}, shuffle=True)
    cache(tmp_path, chunk=change.get("chunk", 64)).columns(
        sample, change.get("about", {"a": 1}), shuffle=change.get("shuffle", True)
    )
    assert len(sample.asked) == 2
    assert len(list_caches(tmp_path)) == 2


def test_no_jets_no_file_to_map(tmp_path):
    packed = cache(tmp_path).columns(Readable(0), {}, shuffle=True)
    assert len(packed) == 0


def test_jets_without_any_constituents(tmp_path):
    sample = Readable(JETS, kept=60)  # rows 0, 60, 120, 180: no tracks and no flows in any
    packed = cache(tmp_path).columns(sample, {}, shuffle=False)
    columns = packed.take(np.arange(4))
    assert columns.rows.tolist() == [0, 60, 120, 180]
    assert columns.inputs["tracks"].shape == (0, 3)


def test_size_time_and_free_space_are_said_and_progress_is_shown(tmp_path):
    said, done = [], []
    cache(tmp_path, announce=said.append, progress=lambda *step: done.append(step)).columns(Readable(JETS), {}, False)
    assert len(said) == 1
    assert "writing the needed fields" in said[0]
    assert "kB in 0 s" in said[0]
    assert "are free" in said[0]
    assert done == [(50, JETS), (100, JETS), (150, JETS), (200, JETS), (JETS, JETS), (JETS, JETS)]
    (info,) = list_caches(tmp_path)
    estimate = float(said[0].split("about ")[1].split(" kB")[0]) * 1000
    assert info.size == pytest.approx(estimate, rel=0.3)


def test_interrupted_writing_is_continued_where_it_stopped(tmp_path):
    said: list[str] = []
    with pytest.raises(HaltError):
        cache(tmp_path).columns(Failing(JETS), {}, shuffle=True)
    (info,) = list_caches(tmp_path)
    assert not info.complete
    assert info.jets == 128
    partial = info.path
    with (partial / next(iter(Manifest.read(partial).files()))[0]).open("ab") as file:
        file.write(b"what was written of the next chunk")
    sample = Readable(JETS)
    packed = cache(tmp_path, announce=said.append).columns(sample, {}, shuffle=True)
    assert sample.asked == [128]
    assert said[0].startswith("continuing the cache")
    whole = cache(tmp_path / "other").columns(Readable(JETS), {}, shuffle=True)
    assert_same(packed.take(np.arange(JETS)), whole.take(np.arange(JETS)))
    assert [info.complete for info in list_caches(tmp_path)] == [True]


def test_an_interruption_before_a_type_is_widened_or_after(tmp_path):
    narrow = Readable(40)
    for stop in (40, 80):
        folder = tmp_path / str(stop)
        writer = Writer(folder, {}, shuffle=False)
        for columns in narrow.chunks() if stop == 40 else Readable(80, piece=40).chunks():
            writer.append(columns)
        again = Writer(folder, {}, shuffle=False)
        for columns in Readable(JETS, piece=40).chunks(first=stop):
            if len(columns):
                again.append(columns)
        assert again.manifest.next_row == JETS
        found = PackedColumns(folder).take(np.arange(JETS))
        assert_same(found, Columns.concatenate(list(Readable(JETS, piece=40).chunks())))


def test_an_interrupted_writing_with_damaged_files_starts_again(tmp_path):
    with pytest.raises(HaltError):
        cache(tmp_path).columns(Failing(JETS), {}, shuffle=True)
    partial = list_caches(tmp_path)[0].path
    os.truncate(partial / next(iter(Manifest.read(partial).files()))[0], 10)
    sample = Readable(JETS)
    assert len(cache(tmp_path).columns(sample, {}, shuffle=True)) == JETS
    assert sample.asked == [0]


def _truncate(folder: Path) -> None:
    os.truncate(next(path for path in folder.iterdir() if "tracks" in path.name), 8)


def _lengthen(folder: Path) -> None:
    with next(path for path in folder.iterdir() if "tracks" in path.name).open("ab") as file:
        file.write(b"more")


def _flip(folder: Path) -> None:
    path = next(path for path in folder.iterdir() if "inputs" in path.name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _remove(folder: Path) -> None:
    next(path for path in folder.iterdir() if "labels" in path.name).unlink()


def _forget(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _garble(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"sum": 0, "text": "{}"}')


@pytest.mark.parametrize("damage", [_truncate, _lengthen, _flip, _remove, _forget, _garble])
def test_a_damaged_cache_is_written_again(tmp_path, damage):
    sample = Readable(JETS)
    folder = cache(tmp_path).columns(sample, {}, shuffle=False).folder
    damage(folder)
    packed = cache(tmp_path).columns(sample, {}, shuffle=False)
    assert len(sample.asked) == 2
    assert_same(packed.take(np.arange(JETS)), Columns.concatenate(list(Readable(JETS).chunks())))


def test_too_little_space_is_noticed_before_writing(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(CacheUnavailableError, match=r"needs about .* kB, but only 1 kB are free"):
        cache(tmp_path).columns(Readable(JETS), {}, shuffle=False)
    assert list_caches(tmp_path) == []


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path, monkeypatch):
    calls = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writer_module.os, "fsync", full)
    with pytest.raises(CacheUnavailableError, match=r"No space left on device"):
        cache(tmp_path).columns(Readable(JETS), {}, shuffle=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_size_limit_counts_as_a_full_disk(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, before[1]))
    try:
        with pytest.raises(CacheUnavailableError, match=r"File too large"):
            cache(tmp_path).columns(Readable(JETS), {}, shuffle=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheUnavailableError, match=r"cannot be written"):
        cache(tmp_path / "file" / "below").columns(Readable(JETS), {}, shuffle=False)


class Slow(Readable):
    """Takes a moment for each piece and says which process reads."""

    def chunks(self, *, first=0, last=None):
        Path(f"read-by-{os.getpid()}").write_text("")
        for columns in super().chunks(first=first, last=last):
            time.sleep(0.05)
            yield columns


def _make(folder: Path, results) -> None:
    os.chdir(folder)
    packed = cache(folder / "cache").columns(Slow(JETS), {}, shuffle=True)
    results.put(packed.take(np.arange(JETS)).rows.tolist())


def test_of_processes_that_start_together_one_writes_and_all_read(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_make, args=(tmp_path, results)) for _ in range(3)]
    for process in processes:
        process.start()
    rows = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert rows[0] == rows[1] == rows[2]
    assert len(list(tmp_path.glob("read-by-*"))) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [list_caches(tmp_path / "cache")[0].path.name]


def test_pickled_without_its_arrays(tmp_path):
    packed = cache(tmp_path).columns(Readable(JETS), {}, shuffle=False)
    packed.take(np.arange(3))
    text = pickle.dumps(packed)
    assert len(text) < 5000
    assert_same(pickle.loads(text).take(np.arange(3)), packed.take(np.arange(3)))


def test_listed_newest_first_and_cleared(tmp_path):
    folders = [cache(tmp_path).columns(Readable(JETS), {"files": [name]}, False).folder for name in ("a", "b")]
    os.utime(folders[0], (1, 1))
    infos = list_caches(tmp_path)
    assert [info.about["files"] for info in infos] == [["b"], ["a"]]
    assert all(info.complete and info.jets == JETS for info in infos)
    assert infos[0].size == sum(path.stat().st_size for path in folders[1].iterdir())
    cache(tmp_path).plain({"statistics": 1}, dict)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis.json").write_text("precious")
    assert clear_caches(tmp_path) == sum(info.size for info in infos)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis", "thesis.json"]
    assert list_caches(tmp_path / "nowhere") == []


def test_a_cache_that_is_being_written_is_not_cleared(tmp_path):
    with pytest.raises(HaltError):
        cache(tmp_path).columns(Failing(JETS), {}, shuffle=True)
    partial = list_caches(tmp_path)[0].path
    with Lock(tmp_path / f"{partial.stem}.lock") as lock:
        assert lock.acquire()
        assert clear_caches(tmp_path) == 0
        assert partial.is_dir()
    assert clear_caches(tmp_path) > 0
    assert not partial.exists()


def test_an_incomplete_cache_without_description_is_listed_too(tmp_path):
    (tmp_path / ("0" * 32 + ".partial")).mkdir()
    (info,) = list_caches(tmp_path)
    assert not info.complete
    assert info.jets == 0


def test_plain_results_are_computed_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"mean": float("inf"), "names": ["a"]}

    for _ in range(2):
        assert cache(tmp_path).plain({"what": 1}, compute) == {"mean": float("inf"), "names": ["a"]}
    assert len(calls) == 1
    next(tmp_path.glob("*.json")).write_text("{half")
    assert cache(tmp_path).plain({"what": 1}, compute)["names"] == ["a"]
    assert len(calls) == 2


def test_plain_results_without_a_place_to_keep_them(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    kept = cache(tmp_path / "file")
    for number in range(3):
        assert kept.plain({"number": number}, lambda: {"a": 1}) == {"a": 1}
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"nothing can be kept in {tmp_path / 'file'}, so the files are read anew each time: ")
    assert said.endswith("; give another folder with data.cache_dir or $SALT_LIKE_CACHE")


def test_where_caches_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("SALT_LIKE_CACHE", str(tmp_path / "own"))
    assert default_folder() == tmp_path / "own"
    monkeypatch.delenv("SALT_LIKE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "salt-like"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "salt-like"
