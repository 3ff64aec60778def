from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from packed_jets import SPEC, Readable, assert_same

from salt_like.data.cache import Cache
from salt_like.data.collate import Collator
from salt_like.data.loader import Loader, PackedSteps, Preparation
from salt_like.data.packed import PackedColumns
from salt_like.data.reading import Piece
from salt_like.data.shuffle import Order, Shards
from salt_like.data.windows import Windows

JETS = 3000
SMALL = {"chunk": 512, "window": 256, "run": 8}
COLLATOR = Collator(SPEC, pair_streams=("tracks",))


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> PackedColumns:
    return Cache(tmp_path_factory.mktemp("cache"), chunk=512).columns(Readable(JETS), {}, shuffle=True)


@pytest.fixture(params=[False, True], ids=["through the system's memory", "directly"])
def direct(request, monkeypatch) -> bool:
    monkeypatch.setattr("salt_like.data.windows.memory_limit", lambda: 100 if request.param else 10**15)
    return request.param


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("together", [1, 100, 256, 700])
def test_the_same_jets_as_from_the_whole_copy(packed, direct, in_order, together):
    order = Order(JETS, seed=5, in_order=in_order, **SMALL)
    windows = Windows(packed, alone=True)
    assert windows.reader.direct is direct
    for epoch in (order.epoch(number) for number in (0, 1)):
        last = JETS if together > 1 else 300
        for start in range(0, last, together):
            stop = min(start + together, JETS)
            assert_same(windows.take(epoch, start, stop), packed.take(epoch.take(start, stop)))


def test_any_window_in_any_order(packed, direct):
    windows, epochs = Windows(packed), [Order(JETS, **SMALL).epoch(number) for number in (0, 1)]
    random = np.random.default_rng(0)
    for _ in range(60):
        epoch, start = epochs[random.integers(2)], int(random.integers(JETS - 300))
        stop = start + int(random.integers(1, 300))
        assert_same(windows.take(epoch, start, stop), packed.take(epoch.take(start, stop)))


def test_what_nobody_needs_is_not_read(packed, monkeypatch):
    asked: list[str] = []
    order, windows = Order(JETS, **SMALL), Windows(packed, ("events", "positions"))
    read = windows.reader.read

    def listening(pieces: list[Piece]) -> None:
        asked.extend(piece.path.name for piece in pieces)
        read(pieces)

    monkeypatch.setattr(windows.reader, "read", listening)
    columns = windows.take(order.epoch(0), 0, 10)
    whole = packed.take(order.epoch(0).take(0, 10))
    assert columns.events is None
    assert columns.positions == {}
    assert np.array_equal(columns.inputs["tracks"], whole.inputs["tracks"])
    assert any("inputs-tracks" in name for name in asked)
    assert not any("events" in name or "positions" in name for name in asked)


def test_only_who_reads_alone_reads_past_the_memory_of_the_system(packed, monkeypatch):
    monkeypatch.setattr("salt_like.data.windows.memory_limit", lambda: 100)
    assert Windows(packed, alone=True).reader.direct
    assert not Windows(packed, alone=False).reader.direct
    for world, alone in ((1, True), (2, False)):
        steps = PackedSteps(packed, Shards(JETS, 20, 0, world), Preparation(COLLATOR), Order(JETS, **SMALL))
        steps[(0, 0)]
        assert steps._windows is not None
        assert steps._windows.reader.direct is alone


def rows_and_inputs(steps: PackedSteps, workers: int = 0) -> list[tuple[list[int], np.ndarray]]:
    loader = Loader(steps, workers, "fork")
    found = [(batch.rows.tolist(), batch.inputs["tracks"].numpy().copy()) for batch in loader]
    loader.close()
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_batches_from_workers_also_after_this_process_has_read(packed, direct, workers):
    def steps() -> PackedSteps:
        return PackedSteps(packed, Shards(JETS, 70), Preparation(COLLATOR), Order(JETS, **SMALL), together=200)

    used = steps()
    expected = rows_and_inputs(used)
    # workers that are started by fork inherit a reader whose threads are not theirs
    for found, wanted in zip(rows_and_inputs(used, workers), rows_and_inputs(steps()), strict=True):
        assert found[0] == wanted[0]
        assert np.array_equal(found[1], wanted[1])
    assert sorted(row for rows, _ in expected for row in rows) == list(range(JETS))


def test_memory_does_not_grow_with_the_copy(tmp_path):
    """The buffers of an epoch are those of two windows, and nothing else of the copy is mapped."""
    held = {}
    for jets in (2000, 20_000):
        packed = Cache(tmp_path / str(jets), chunk=1024).columns(Readable(jets, piece=500), {}, shuffle=True)
        order = Order(jets, chunk=1024, window=500, run=16)
        windows = Windows(packed)
        rows, mapped = [], 0
        for start in range(0, jets, 100):
            rows += windows.take(order.epoch(0), start, start + 100).rows.tolist()
            mapped = max(mapped, _mapped_bytes(packed.folder))
        assert sorted(rows) == list(range(jets))
        held[jets] = sum(buffers.nbytes for buffers in windows.buffers)
        assert held[jets] < 1.3 * 2 * packed.nbytes * order.length / jets
        # the numbers of constituents, one byte for each jet and stream
        assert mapped <= 2 * (jets + 4096)
    assert held[20_000] < 1.2 * held[2000]
    assert held[20_000] < packed.nbytes / 10


def _mapped_bytes(folder: Path) -> int:
    """Bytes of this folder's files that are mapped into this process."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    mapped = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        if str(folder) in line:
            first, last = line.split()[0].split("-")
            mapped += int(last, 16) - int(first, 16)
    return mapped


def test_a_copy_that_becomes_shorter_is_an_error(tmp_path, direct):
    packed = Cache(tmp_path, chunk=512).columns(Readable(JETS), {}, shuffle=True)
    os.truncate(next(path for path in packed.folder.iterdir() if "inputs-tracks" in path.name), 5000)
    with pytest.raises(OSError, match=r"the file ends before byte .*inputs-tracks"):
        Windows(packed).take(Order(JETS, **SMALL).epoch(0), 0, 300)


LIMITED = """
import sys
from pathlib import Path

import numpy as np

from salt_like.data.packed import PackedColumns
from salt_like.data.reading import memory_limit
from salt_like.data.shuffle import Order
from salt_like.data.windows import Windows

packed = PackedColumns(Path(sys.argv[1]))
order = Order(len(packed), seed=1, chunk=65536, window=4096, run=128)
windows, epoch = Windows(packed), order.epoch(0)
seen = np.zeros(len(packed), bool)
for start in range(0, len(packed), 2048):
    columns = windows.take(epoch, start, min(start + 2048, len(packed)))
    owner = np.repeat(columns.rows, columns.counts["tracks"])
    assert np.array_equal(columns.inputs["tracks"][:, 0], owner.astype(np.float32))
    seen[columns.rows] = True
assert seen.all()
print(memory_limit(), windows.reader.direct, packed.nbytes)
"""


@contextmanager
def _limited_group(limit: int) -> Iterator[Path]:
    """A control group that may use so many bytes."""
    root = Path("/sys/fs/cgroup")
    first = (root / "memory").is_dir()
    group = (root / "memory" if first else root) / f"salt-like-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(limit))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control group with a limit on memory can be made here: {error}")
    try:
        yield group
    finally:
        group.rmdir()


@pytest.mark.slow
def test_under_a_real_limit(tmp_path):
    """A copy more than four times larger than what the process may use, pages of files included."""
    limit = 100_000_000
    packed = Cache(tmp_path / "cache").columns(Readable(3_300_000, piece=65_536), {}, shuffle=True)
    assert packed.nbytes > 4 * limit
    with _limited_group(limit) as group:
        command = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]
        done = subprocess.run(
            [*command, sys.executable, "-c", LIMITED, str(packed.folder)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    found, direct, _ = done.stdout.split()
    assert limit - 4096 <= int(found) <= limit
    assert direct == "True"
