from __future__ import annotations

import h5py
import numpy as np
import pytest
from made_streams import made_streams

from salt_like.data.files import Files
from salt_like.simulation.layout import CLASS_NAMES, DTYPES, LENGTHS, TRUTH_FIELDS
from salt_like.simulation.writer import KEPT_BITS, rounded, write


def joined(chunks):
    return {name: np.concatenate([one[name] for one in chunks]) for name in DTYPES}


@pytest.mark.parametrize(("sizes", "jets"), [((3,), 3), ((3,), 2), ((400, 0, 1700, 1900, 900), 3999), ((1,) * 7, 5)])
def test_the_first_rows_are_written(tmp_path, sizes, jets):
    chunks = [made_streams(size, number) for number, size in enumerate(sizes)]
    write(tmp_path / "jets.h5", iter(chunks), jets, {})
    with h5py.File(tmp_path / "jets.h5") as file:
        assert set(file) == set(DTYPES)
        for name, rows in joined(chunks).items():
            assert file[name].shape == (jets, *rows.shape[1:])
            assert file[name][:].tobytes() == rounded(rows[:jets], KEPT_BITS[name]).tobytes()


def test_the_same_rows_are_the_same_bytes_however_they_come(tmp_path):
    whole = made_streams(2300)
    pieces = [{name: rows[start : start + 170] for name, rows in whole.items()} for start in range(0, 2300, 170)]
    attributes = {"seed": 1, "units": "MeV, mm, rad", "event": ["eventNumber"]}
    write(tmp_path / "one.h5", [whole], 2300, attributes)
    write(tmp_path / "other.h5", pieces, 2300, attributes)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()


def test_layout_and_attributes(tmp_path):
    write(tmp_path / "jets.h5", [made_streams(600)], 600, {"seed": 3, "units": "MeV, mm, rad"})
    with h5py.File(tmp_path / "jets.h5") as file:
        assert file.attrs["seed"] == 3
        for name, dataset in file.items():
            assert dataset.chunks == (600, *dataset.shape[1:])
            shuffled = name != "truth_hadrons"
            assert (dataset.compression, dataset.compression_opts, dataset.shuffle) == ("gzip", 7, shuffled)
            assert list(dataset.attrs.get("truth", [])) == list(TRUTH_FIELDS[name])
            for label, classes in CLASS_NAMES.get(name, {}).items():
                assert list(dataset.attrs[label]) == list(classes)
    files = Files([tmp_path / "jets.h5"])
    assert files.runs == (3,)
    assert set(files.headers) == {"jets", *LENGTHS}
    files.close()


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path):
    def broken():
        yield made_streams(600)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(tmp_path / "jets.h5", broken(), 1000, {})
    assert not list(tmp_path.iterdir())


def test_rounding_keeps_the_first_bits():
    values = np.array(
        [0.0, -0.0, 1.0, 1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-12, -3.14159, 1e-30, np.nan, np.inf, -np.inf]
    )
    rows = np.zeros(len(values), DTYPES["jets"])
    rows["pt"] = rows["mcEventWeight"] = values
    rows["eventNumber"] = 2**40 + 1
    kept = rounded(rows, 10)
    # halfway goes to the even neighbour, as everywhere in floating point
    expected = [0.0, -0.0, 1.0, 1.0, 1 + 2**-9, 1.0, -3.140625, kept["pt"][7], np.nan, np.inf, -np.inf]
    assert np.array_equal(kept["pt"], np.float32(expected), equal_nan=True)
    assert np.signbit(kept["pt"][1])
    assert kept["pt"][7] == pytest.approx(1e-30, rel=2**-11)
    assert np.array_equal(kept["mcEventWeight"], np.float32(values), equal_nan=True)
    assert np.all(kept["eventNumber"] == 2**40 + 1)
    assert rows["pt"][3] == np.float32(1 + 2**-11), "the rows that are given stay as they are"
    for bits in (7, 8):
        shorter = rounded(rows, bits)["pt"][:7]
        assert not np.any(shorter.view("u4") & np.uint32((1 << (23 - bits)) - 1))
        np.testing.assert_allclose(shorter, values[:7], rtol=2.0 ** -(bits + 1))
    random = np.random.default_rng(1).normal(0, 10.0 ** np.arange(-10, 10)[:, None], (20, 1000)).astype("f4").ravel()
    rows = np.zeros(random.shape, DTYPES["jets"])
    rows["pt"] = random
    kept = rounded(rows, 10)["pt"]
    assert np.all(np.abs(kept - random) <= np.abs(random) * 2.0**-11)
    assert not np.any(kept.view("u4") & 0x1FFF)
    assert abs(np.mean(kept / random - 1)) < 1e-5, "up and down alike"
