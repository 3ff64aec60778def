"""The samples in the package are what the commands beside them make."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import salt_like
from salt_like.cli.main import main
from salt_like.simulation import engines
from salt_like.simulation.check import check
from salt_like.simulation.check.verdict import MISSING, OUTSIDE
from salt_like.simulation.writer import KEPT_BITS

FOLDER = salt_like.__path__[0] + "/samples"
FILES = {"train.h5": 5000, "val.h5": 2000, "test.h5": 3000}
README = Path(f"{FOLDER}/README.md").read_text(encoding="utf-8")


def attributes(name):
    with h5py.File(f"{FOLDER}/{name}") as file:
        return dict(file.attrs)


def rows(path, stream, number):
    with h5py.File(path) as file:
        return file[stream][:number]


def commands():
    return [line.split()[2:] for line in re.findall(r"^train simulate .*$", README, re.MULTILINE)]


def test_numbers_and_sizes():
    sizes = 0
    for name, jets in FILES.items():
        with h5py.File(f"{FOLDER}/{name}") as file:
            assert len(file["jets"]) == jets
            assert set(np.unique(file["jets"]["flavour_label"])) == {0, 1, 2, 3}
            sizes += file.id.get_filesize()
    assert sizes <= 5_000_000


def test_the_commands_beside_them_are_those_that_made_them():
    assert [arguments[1] for arguments in commands()] == list(FILES)
    for arguments in commands():
        made = attributes(arguments[1])
        assert made["command"].startswith(f"train simulate {' '.join(arguments[2:6])} ")
        if "--mix" in arguments:
            assert f"--mix {arguments[7]}:1 " in made["command"]
        assert made["licence"] == "CC0-1.0"


@pytest.mark.parametrize("name", FILES)
def test_they_are_physics(name):
    report = check(Path(FOLDER) / name)
    assert [(row.name, row.shown) for row in report.lines if row.verdict in (OUTSIDE, MISSING)] == []


def test_they_share_no_event():
    seeds = [int(attributes(name)["seed"]) for name in FILES]
    assert len(set(seeds)) == 3
    events = [np.unique(rows(f"{FOLDER}/{name}", "jets", None)["eventNumber"]) for name in FILES]
    assert len(np.unique(np.concatenate(events))) == sum(map(len, events))


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(one, marks=() if one[1] == "test.h5" else pytest.mark.slow, id=one[1]) for one in commands()],
)
def test_made_again_they_are_the_same(arguments, tmp_path):
    for module in ("pythia8mc", "fastjet", "awkward"):
        pytest.importorskip(module)
    name = arguments[1]
    made, here = json.loads(attributes(name)["versions"]), engines.versions()
    different = {key: (made[key], here[key]) for key in ("pythia8mc", "fastjet") if made[key] != here[key]}
    if different:
        pytest.skip(f"other versions of the generators than those of the samples: {different}")
    jets = 300
    again = tmp_path / name
    assert main(["simulate", "--out", str(again), "--jets", str(jets), *arguments[4:]]) == 0
    for stream, bits in KEPT_BITS.items():
        old, new = rows(f"{FOLDER}/{name}", stream, jets), rows(again, stream, jets)
        for field in old.dtype.names:
            # elsewhere the last bit of a sine may differ, and with it the rounding
            unit = 2.0**-bits if old.dtype[field].kind == "f" else 0
            np.testing.assert_allclose(new[field], old[field], rtol=unit, err_msg=f"{stream}.{field}")
