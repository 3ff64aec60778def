from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from salt_like.callbacks.predictions import CHUNK, open_predictions
from salt_like.errors import UserError


def rows(number: int, start: int = 0, slots: int | None = None) -> np.ndarray:
    table = np.zeros((number,) if slots is None else (number, slots), [("value", "f4"), ("row", "i8")])
    table["row"] = (start + np.arange(number)).reshape(-1, *[1] * (table.ndim - 1))
    table["value"] = table["row"] / 7
    return table


@pytest.mark.parametrize("pieces", [[3], [CHUNK], [CHUNK - 1, 2, 3 * CHUNK, 1], [0, 5], [700] * 5])
def test_what_is_written_in_pieces_is_read_back_whole(tmp_path: Path, pieces: list[int]) -> None:
    path = tmp_path / "new folder" / "out.h5"
    with open_predictions(path, {"model": "GN2", "sources": ["a.h5", "b.h5"]}) as writer:
        start = 0
        for piece in pieces:
            writer.write("jets", rows(piece, start))
            writer.write("tracks", rows(piece, start, slots=4))
            start += piece
        writer.annotate("tracks", {"order": "-pt"})
    with h5py.File(path) as file:
        assert file["jets"].shape == (start,)
        assert file["tracks"].shape == (start, 4)
        np.testing.assert_array_equal(file["jets"][:], rows(start))
        np.testing.assert_array_equal(file["tracks"][:], rows(start, slots=4))
        assert file["tracks"].compression == "gzip"
        assert file["tracks"].attrs["order"] == "-pt"
        assert list(file.attrs["sources"]) == ["a.h5", "b.h5"]
    assert [one.name for one in path.parent.iterdir()] == ["out.h5"]


def test_an_empty_file_has_its_fields(tmp_path: Path) -> None:
    with open_predictions(tmp_path / "out.h5", {}) as writer:
        writer.write("jets", rows(0))
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["jets"].dtype.names == ("value", "row")


def test_nothing_is_left_when_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_predictions(tmp_path / "out.h5", {}) as writer:  # noqa: PT012
        writer.write("jets", rows(2 * CHUNK))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    path.write_text("precious")
    with pytest.raises(UserError, match=r"exists already: .*out\.h5"), open_predictions(path, {}):
        raise AssertionError("the block must not run")
    assert path.read_text() == "precious"
    with pytest.raises(RuntimeError, match="stop"), open_predictions(path, {}, overwrite=True) as writer:  # noqa: PT012
        writer.write("jets", rows(2 * CHUNK))
        raise RuntimeError("stop")
    assert path.read_text() == "precious"
    with open_predictions(path, {}, overwrite=True) as writer:
        writer.write("jets", rows(2))
    with h5py.File(path) as file:
        assert len(file["jets"]) == 2


def test_a_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    with pytest.raises(UserError, match="exists already"), open_predictions(path, {}) as writer:  # noqa: PT012
        writer.write("jets", rows(2))
        path.write_text("precious")
    assert [one.name for one in tmp_path.iterdir()] == ["out.h5"]
    assert path.read_text() == "precious"


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"), open_predictions(tmp_path / "file" / "out.h5", {}):
        raise AssertionError("the block must not run")


def test_an_error_of_the_block_is_not_taken_for_one_of_writing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the source"), open_predictions(tmp_path / "out.h5", {}):
        raise OSError(errno.EIO, "the source is broken")


def test_a_disk_that_gets_full_at_the_very_end_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no space left while writing .*out\.h5"):  # noqa: SIM117, PT012
        with open_predictions(tmp_path / "out.h5", {}) as writer:
            writer.write("jets", rows(3))
            writer._disk._failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from salt_like.callbacks.predictions import open_predictions
from salt_like.errors import UserError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
rows = np.random.default_rng(1).random((500, 40)).astype([("value", "f8")])
try:
    with open_predictions(Path(sys.argv[1]), {}) as writer:
        for _ in range(20):
            writer.write("tracks", rows)
except UserError as error:
    print(error)
    sys.exit(2)
"""


def test_hdf5_out_of_space_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "out.h5")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "no space left while writing" in done.stdout
    assert list(tmp_path.iterdir()) == []
