from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from salt_like.callbacks import copied
from salt_like.callbacks.copied import read_rows
from salt_like.data.files import Files


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Files, dict[str, np.ndarray]]:
    random = np.random.default_rng(3)
    whole = {
        "jets": np.zeros(90, [("pt", "f4"), ("eta", "f2"), ("eventNumber", "u8")]),
        "tracks": np.zeros((90, 3), [("d0", "f4"), ("hits", "u1"), ("valid", "?")]),
    }
    for array in whole.values():
        for name in array.dtype.names:
            array[name] = random.integers(0, 100, array.shape)
    paths = []
    for number, (start, stop) in enumerate([(0, 20), (20, 21), (21, 90)]):
        paths.append(tmp_path / f"{number}.h5")
        with h5py.File(paths[-1], "w") as file:
            for stream, array in whole.items():
                file[stream] = array[start:stop]
    return Files(paths), whole


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_rows_of_several_files(
    parts: tuple[Files, dict[str, np.ndarray]], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copied, "BLOCK", block)
    source, whole = parts
    for rows in ([], [0], [89], [19, 20, 21], list(range(90)), [3, 18, 25, 60, 61]):
        index = np.array(rows, np.int64)
        for stream, names in (("jets", ["eventNumber", "eta"]), ("tracks", ["hits"])):
            found = read_rows(source, stream, index, names)
            assert found.dtype.names == tuple(names)
            for name in names:
                assert found[name].dtype == whole[stream][name].dtype
                np.testing.assert_array_equal(found[name], whole[stream][name][index])
