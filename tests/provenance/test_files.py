from __future__ import annotations

import os
import shutil

import pytest

from salt_like.provenance.files import BLOCK, BLOCKS, fingerprint


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK * BLOCKS + 7, 5_000_000])
def test_it_knows_the_content_and_not_the_place_or_the_time(tmp_path, size):
    path = tmp_path / "one"
    path.write_bytes(os.urandom(size))
    copy = shutil.copy(path, tmp_path / "two")
    os.utime(copy, (1, 1))
    assert fingerprint(tmp_path / "two") == fingerprint(path)
    with copy.open("ab") as file:
        file.write(b"x")
    assert fingerprint(copy) != fingerprint(path)


@pytest.mark.parametrize("place", [0, -1])
def test_the_first_and_the_last_byte_count(tmp_path, place):
    content = bytearray(os.urandom(3_000_000))
    (tmp_path / "one").write_bytes(content)
    content[place] ^= 1
    (tmp_path / "two").write_bytes(content)
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "two")
