from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from salt_like.checks import reading
from salt_like.checks.finding import Options
from salt_like.cli import inspect_file, inspect_samples
from salt_like.errors import UserError


def report(path):
    """Tables of one file."""
    return inspect_file.inspect(inspect_samples.samples([str(path)]), Options(), None)[0]


@pytest.fixture
def made(tmp_path):
    """Five jets with known numbers."""
    jets = np.zeros(5, [("pt", "f4"), ("flavour_label", "i4"), ("flat", "f4"), ("name", "S3")])
    jets["pt"] = [1, 2, np.nan, np.inf, 6]
    jets["flavour_label"] = [0, 2, 2, 0, 2]
    jets["flat"] = 7
    tracks = np.zeros((5, 4), [("d0", "f2"), ("ftagTruthOriginLabel", "i1"), ("valid", "?")])
    tracks["d0"] = 99  # padding is not to be trusted
    for row, number in enumerate([0, 1, 4, 2, 0]):
        tracks["valid"][row, :number] = True
        tracks["d0"][row, :number] = np.arange(number) - 1
        tracks["ftagTruthOriginLabel"][row, :number] = 2
    tracks["ftagTruthOriginLabel"][2, 3] = 3
    path = tmp_path / "made.h5"
    with h5py.File(path, "w") as file:
        file.attrs["units"] = "MeV, mm, rad"
        file["jets"], file["tracks"] = jets, tracks
        file["jets"].attrs["flavour_label"] = ["ujets", "cjets", "bjets"]
        file["hits"] = np.zeros((5, 2), [("x", "f4")])
    return path


@pytest.mark.parametrize("rows_at_once", [2, 100])
def test_numbers(made, monkeypatch, rows_at_once):
    monkeypatch.setattr(reading, "MOST_ROWS", rows_at_once)
    _, streams = inspect_file.summarise(made)
    pt = streams["jets"].fields["pt"]
    assert (pt.entries, pt.nan, pt.infinite, pt.low, pt.high, pt.mean) == (5, 1, 1, 1, 6, 3)
    assert not pt.constant
    assert streams["jets"].fields["flat"].constant
    assert streams["jets"].fields["flavour_label"].values == {0: 2, 2: 3}
    assert list(streams["jets"].fields) == ["pt", "flavour_label", "flat"]
    assert streams["tracks"].multiplicities.tolist() == [2, 1, 1, 0, 1]
    d0 = streams["tracks"].fields["d0"]
    assert (d0.entries, d0.low, d0.high) == (7, -1, 2)
    assert streams["tracks"].fields["ftagTruthOriginLabel"].values == {2: 6, 3: 1}
    assert streams["hits"].multiplicities.tolist() == [0, 0, 5]  # without `valid` everything is real


def test_report(made):
    parts = report(made)
    text = {part.title: part.plain() for part in parts[1:] if not isinstance(part, str)}
    assert parts[0] == f"{made}: 5 jets, 3 streams, units: MeV, mm, rad"
    assert "cjets        0   0.00%" in text["classes of jets.flavour_label"]
    assert "bjets        3  60.00%" in text["classes of jets.flavour_label"]
    origins = text["classes of tracks.ftagTruthOriginLabel"].splitlines()
    assert origins[5].split() == ["3", "fromB", "1", "14.29%"]
    lines = text["stream jets (one row per jet)"].splitlines()
    assert lines[2].split() == ["pt", "float32", "1", "3", "6", "1", "1"]
    assert lines[4].split() == ["flat", "float32", "7", "7", "7", "0", "0", "constant"]
    assert text["constituents per jet"].splitlines()[3].split() == (
        ["tracks", "0", "1", "1.40", "4", "40.00%", "20.00%"]
    )


def test_integers_with_many_values_are_no_labels():
    summary = inspect_file.FieldSummary("process", "int32", values={}, most_values=3)
    summary.update(np.array([1, 2, 3]))
    assert summary.values == {1: 1, 2: 1, 3: 1}
    summary.update(np.array([4, 5]))
    assert summary.values is None
    summary.update(np.array([6]))
    assert (summary.high, summary.entries) == (6, 6)


def test_a_field_without_a_finite_entry(tmp_path):
    jets = np.full(3, np.nan, [("pt", "f4")])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["jets"] = jets
    table = report(tmp_path / "x.h5")[1]
    assert table.rows == [["pt", "float32", "-", "-", "-", "3", "0", "no finite entry"]]


def test_a_file_without_jets(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["jets"] = np.zeros(0, [("pt", "f4")])
        file["tracks"] = np.zeros((0, 3), [("d0", "f4")])
    parts = report(tmp_path / "x.h5")
    assert parts[0].startswith(f"{tmp_path}/x.h5: 0 jets")
    assert next(part for part in parts[1:] if part.title == "constituents per jet").rows == []


def test_not_hdf5(tmp_path):
    (tmp_path / "x.h5").write_text("no")
    with pytest.raises(UserError, match="not an HDF5 file"):
        report(tmp_path / "x.h5")


def test_several_files_are_one_sample(made, tmp_path):
    (tmp_path / "more.h5").write_bytes(made.read_bytes())
    files = inspect_samples.samples([str(tmp_path / "m*.h5")])
    assert {name: one.rows for name, one in files.items()} == {"m*": 10}
    parts, failed = inspect_file.inspect(files, Options(), None)
    assert parts[0].startswith(f"{tmp_path}/made.h5 and 1 more files: 10 jets")
    assert next(part for part in parts[1:] if part.title.startswith("stream jets")).rows[0][5:7] == ["2", "2"]
    assert failed  # pt is infinite


def test_everything_is_written_as_plain_values(made, tmp_path):
    inspect_file.inspect(inspect_samples.samples([str(made)]), Options(), tmp_path / "out.json")
    streams = json.loads((tmp_path / "out.json").read_text())["streams"]
    pt, label, *_ = streams["jets"]["fields"]
    assert (pt["name"], pt["nan"], pt["infinite"], pt["low"], pt["mean"], pt["high"]) == ("pt", 1, 1, 1, 3, 6)
    assert label["values"] == {"0": 2, "2": 3}
    assert streams["tracks"]["multiplicities"] == [2, 1, 1, 0, 1]
    flat = np.full(3, np.nan, [("pt", "f4")])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["jets"] = flat
    inspect_file.inspect(inspect_samples.samples([str(tmp_path / "x.h5")]), Options(), tmp_path / "out.json")
    (pt,) = json.loads((tmp_path / "out.json").read_text())["streams"]["jets"]["fields"]
    assert pt["low"] is None
