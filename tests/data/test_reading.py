from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from salt_like.data import reading
from salt_like.data.reading import PAGE, PIECE, Piece, PieceReader, memory_limit

SIZE = 3 * PIECE + 1234


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(np.random.default_rng(0).bytes(SIZE))
    return path


PLACES = [(0, 1), (0, PAGE), (1, PAGE), (PAGE - 1, 2), (SIZE - 1, 1), (SIZE - 5000, 5000), (77, 2 * PIECE + 5), (9, 0)]


@pytest.mark.parametrize("direct", [False, True])
def test_the_bytes_of_the_file(file, direct):
    targets = [bytearray(length) for _, length in PLACES]
    reader = PieceReader(direct)
    for _ in range(2):
        reader.read([Piece(file, first, memoryview(t)) for (first, _), t in zip(PLACES, targets, strict=True)])
    content = file.read_bytes()
    for (first, length), target in zip(PLACES, targets, strict=True):
        assert target == content[first : first + length]
    reader.read([])


@pytest.mark.parametrize("direct", [False, True])
def test_a_file_that_ends_too_early(file, direct):
    with pytest.raises(OSError, match=rf"ends before byte {SIZE + 1}.*{file.name}"):
        PieceReader(direct).read([Piece(file, SIZE - 5, memoryview(bytearray(6)))])
    with pytest.raises(FileNotFoundError):
        PieceReader(direct).read([Piece(file.with_name("nothing"), 0, memoryview(bytearray(6)))])


@pytest.mark.skipif(sys.platform != "linux", reason="reading directly is for Linux")
@pytest.mark.parametrize("at", ["open", "preadv"])
def test_a_file_system_that_cannot_read_directly(file, monkeypatch, at):
    real = getattr(os, at)
    refused = []

    def refuse(first, *rest):
        flags = rest[0] if at == "open" else __import__("fcntl").fcntl(first, 3)
        if flags & os.O_DIRECT:
            refused.append(first)
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(first, *rest)

    monkeypatch.setattr(reading.os, at, refuse)
    target = bytearray(PIECE + 10)
    PieceReader(direct=True).read([Piece(file, 5, memoryview(target))])
    assert refused
    assert target == file.read_bytes()[5 : PIECE + 15]


def test_pieces_of_limited_length(file):
    target = memoryview(bytearray(2 * PIECE + 3))
    parts = list(Piece(file, 10, target).parts())
    assert [(part.offset, len(part.target)) for part in parts] == [
        (10, PIECE),
        (10 + PIECE, PIECE),
        (10 + 2 * PIECE, 3),
    ]


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Stands for the files of control groups."""

    def make(own: str, limits: dict[str, str]) -> int:
        (tmp_path / "own").write_text(own)
        for name, limit in limits.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(limit)
        monkeypatch.setattr(reading, "OWN_GROUPS", tmp_path / "own")
        monkeypatch.setattr(reading, "ALL_GROUPS", tmp_path / "groups")
        return memory_limit()

    return make


def test_memory_of_the_machine(groups):
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert groups("", {}) == machine
    assert groups("0::/job\n", {"job/memory.max": "max\n"}) == machine


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/jobs/mine\n", {"jobs/mine/memory.max": "5000\n", "jobs/memory.max": "9000\n"}, 5000),
        ("0::/jobs/mine\n", {"jobs/mine/memory.max": "max\n", "jobs/memory.max": "9000\n"}, 9000),
        ("5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/\n", {"memory/a/b/memory.limit_in_bytes": "7000\n"}, 7000),
        # in a container: the own group's folder is the root
        ("4:memory:/docker/1234\n", {"memory/memory.limit_in_bytes": "6000\n"}, 6000),
        ("0::/\n", {"memory.max": "4000\n"}, 4000),
    ],
)
def test_limit_of_a_control_group(groups, own, limits, expected):
    assert groups(own, limits) == expected
