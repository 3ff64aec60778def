"""What `train inspect` prints and writes about data files that are wrong."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from salt_like.checks import classifier
from salt_like.cli import main as dispatcher
from salt_like.cli import shipped

SAMPLES = shipped.FOLDER.parent / "samples"


@pytest.fixture(autouse=True)
def _hardly_trained(monkeypatch):
    monkeypatch.setattr(classifier, "EPOCHS", 1)


@pytest.fixture
def other(tmp_path):
    """Jets of the test sample with nothing of `sample` in them."""
    path = tmp_path / "other.h5"
    with h5py.File(SAMPLES / "test.h5") as source, h5py.File(path, "w") as target:
        target.attrs["seed"] = 1  # that of the training sample: event numbers mean the same
        for name in source:
            target[name] = source[name][:400]
            for key, value in source[name].attrs.items():
                target[name].attrs[key] = value
    return path


def change(path, stream, field, rows, value):
    with h5py.File(path, "r+") as file:
        array = file[stream][:]
        array[field][rows] = value
        file[stream][...] = array


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = dispatcher.main(["inspect", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_one_clean_file(sample, capsys):
    code, out, _ = run(capsys, sample, "--ignore", "softLeptonPt")
    assert code == 0
    assert out.startswith(f"{sample}: 300 jets")
    assert out.rstrip().endswith("checks: nothing found")


def test_one_file_with_a_flaw(sample, capsys):
    change(sample, "jets", "eta", [17, 21], np.inf)
    change(sample, "jets", "mass", [5], np.nan)
    code, out, _ = run(capsys, sample)
    lines = out.splitlines()
    start = lines.index("error: infinite values")
    assert lines[start + 4].startswith("  -> find out who divides by 0")
    assert lines[start + 2].split() == ["jets.eta", "inf", "2", "0.67%", "17"]
    assert out.index("error: infinite values") < out.index("warning: NaN in variables")
    assert "checks: 1 error, 1 warning" in out
    assert code == 1


def test_two_clean_samples_are_told_briefly(sample, other, capsys):
    code, out, err = run(capsys, sample, other, "--ignore=softLeptonPt")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= 100
    assert lines[2].split() == ["small", "1", "300", "300", "eventNumber"]
    assert "variables differ beyond chance; AUC of a classifier 0." in out
    assert "checks: nothing found" in out


def test_a_leak(sample, other, capsys, tmp_path):
    with h5py.File(sample) as first, h5py.File(other, "r+") as second:
        for name in second:
            second[name][40:45] = first[name][100:105]
    code, out, _ = run(capsys, f"train={sample}", f"val={other}", "--json", tmp_path / "out.json")
    assert code == 1
    lines = out.splitlines()
    start = lines.index("error: the same jets, or their constituents, in two samples")
    assert lines[start + 2].split()[:8] == ["train,", "val", "jets", "5", "1.25%", "40", "of", "other.h5"]
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["failed"] is True
    by_name = {one["check"]: one for one in found["findings"]}
    assert by_name["shared-jets"] | {"mend": "", "what": ""} == {
        "check": "shared-jets",
        "severity": "error",
        "what": "",
        "sample": "train, val",
        "where": "jets",
        "value": None,
        "number": 5,
        "total": 400,
        "row": 40,
        "file": str(other),
        "detail": found["findings"][1]["detail"],
        "mend": "",
    }
    with h5py.File(sample) as file:
        assert by_name["shared-events"]["number"] == len(np.unique(file["jets"]["eventNumber"][100:105]))
    assert found["samples"]["val"]["jets"] == 400
    assert sum(found["samples"]["val"]["classes"]["files"][str(other)].values()) == 400
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"]) == ("train", "val")
    assert 0.3 < pair["separation"]["auc"] < 0.7
    assert {"jets.pt", "number of tracks"} <= {one["variable"] for one in pair["differences"]}
    rates = {(one["of"], one["what"]): one for one in found["samples"]["train"]["rates"]}
    assert rates["bjets", "without tracks fromB or fromBC"]["total"] > 0


def test_a_shift(sample, other, capsys):
    with h5py.File(other, "r+") as file:
        array = file["jets"][:]
        array["pt"] *= 3
        file["jets"][...] = array
    code, out, _ = run(capsys, sample, other)
    assert code == 1
    lines = out.splitlines()
    start = lines.index("error: distributions differ between two samples")
    assert "jets.pt" in "\n".join(lines[start:])
    assert max(map(len, lines)) <= 110
    assert run(capsys, sample, other, "--max-ks=1", "--max-auc=1")[0] == 0
    assert run(capsys, sample, other, "--ignore", "pt,ptfrac,pt_btagJes,energy", "--max-auc=1", "--max-ks=0.3")[0] == 0


def test_files_of_one_sample(sample, other, capsys):
    code, out, _ = run(capsys, f"both={sample},{other}", SAMPLES / "val.h5", "--max-ks=1", "--max-auc=1")
    assert code == 0
    start = out.splitlines().index("classes by flavour_label")
    names = [line.split()[:2] for line in out.splitlines()[start + 2 : start + 6]]
    assert names == [["both", "700"], ["small.h5", "300"], ["other.h5", "400"], ["val", "2000"]]


def test_drawn_part_is_said(sample, capsys):
    assert "small: distributions of 100 of 300 jets (--jets)" in run(capsys, sample, "--jets", "100")[1]


def test_what_cannot_be_checked_is_said(tmp_path, capsys):
    jets = np.zeros(50, [("pt", "f4")])
    jets["pt"] = np.random.default_rng(0).normal(size=50)
    for name in ("a", "b"):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["jets"] = jets
    code, out, _ = run(capsys, tmp_path / "a.h5", tmp_path / "b.h5")
    assert code == 0
    assert "a: nothing says the classes of its jets, so they were not checked" in out
    assert "b: nothing identifies its events (--event), so shared ones cannot be found" in out
    assert "b: too few real numbers in common to recognise jets by their content" in out
    assert "too few jets for a classifier" in out


def test_many_findings_are_cut(tmp_path, capsys):
    jets = np.ones(50, [(f"x{number}", "f4") for number in range(30)])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets"] = jets
    out = run(capsys, tmp_path / "a.h5")[1]
    assert "warning: the same value everywhere (20 of 30)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}", "--max-kss=0.1"], "--max-kss has no meaning here (did you mean '--max-ks'?)"),
        (["{}", "--max-ks=2"], "argument --max-ks: 2 is not between 0 and 1"),
        (["{}", "--max-ks=x"], "argument --max-ks: invalid"),
        (["{}", "--jets=0"], "argument --jets: 0 is not at least 1"),
        (["{}", "--data.train=x"], "--data.train has no meaning here"),
        (["{}", "--ignore=softLeptonPT"], "--ignore names 'softLeptonPT' (did you mean 'softLeptonPt'?)"),
        (["{}", "--weight=w"], "no field 'w'"),
        (["{}", "quickstart"], "only data files and runs can be compared, and 'quickstart' is neither"),
        (["quickstart", "--max-ks=0.1"], "--max-ks has no meaning here: only data files are checked"),
        (["quickstart", "nothing"], "only data files and runs can be compared"),
        (["{}", "nothing.h5"], "no such file: nothing.h5"),
    ],
)
def test_errors_of_the_user(sample, capsys, arguments, message):
    code, _, err = run(capsys, *(one.format(sample) for one in arguments))
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) <= 5


def test_files_after_options(sample, other, capsys):
    assert "other" in run(capsys, sample, "--max-ks", "0.5", other)[1]
