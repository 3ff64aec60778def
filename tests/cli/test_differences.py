from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from prediction_files import N, arrays, file

from salt_like.cli.main import main


def rows(**changes: np.ndarray) -> dict[str, np.ndarray]:
    """A prediction file's arrays, with rows, and some columns changed."""
    given = arrays()
    old = given["jets"]
    given["jets"] = np.zeros(N, [("row", "i8"), *old.dtype.descr])
    for name in old.dtype.names or ():
        given["jets"][name] = old[name]
    given["jets"]["row"] = np.arange(N)
    for name, column in changes.items():
        stream = "jets" if name in (given["jets"].dtype.names or ()) else "tracks"
        given[stream][name] = column
    return given


@pytest.fixture
def ours(tmp_path: Path) -> str:
    return str(file(tmp_path / "ours.h5", rows()))


def changed(path: Path, **values: float) -> str:
    """The same with one value of jet 17 changed in each of some columns."""
    given = rows()
    for name, value in values.items():
        given["jets"][name][17] += value
    return str(file(path, given))


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert 1 <= len(message.splitlines()) <= 5
    return message


def test_equal_files(ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", ours, ours, "--differences"]) == 0
    printed = capsys.readouterr().out
    assert f"{N} jets in both, the same by row of the source\n  A: m, {ours}\n  B: m, {ours}" in printed
    assert printed.endswith("nothing is beyond its tolerance\n")
    assert "the jets that differ most" not in printed


def test_one_value_is_found(ours: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = changed(tmp_path / "other.h5", m_mass=0.01, m_mass_stddev=1e-6)
    out, drawn = tmp_path / "found.json", tmp_path / "found.pdf"
    assert main(["compare", ours, other, "--differences", f"--json={out}", f"--out={drawn}"]) == 1
    printed = capsys.readouterr().out
    assert "beyond the tolerance: mass of jets\n" in printed
    (line,) = (one for one in printed.splitlines() if one.strip().startswith("mass [GeV] "))
    assert line.split()[:4] == ["mass", "[GeV]", "jets", "0.01"]
    assert line.endswith(" 1")
    (worst,) = (one for one in printed.splitlines() if one.split()[:2] == ["17", "8"])
    content = json.loads(out.read_text())
    mass = next(one for one in content["outputs"] if one["name"] == "mass")
    assert (content["passed"], mass["jets_beyond"], mass["worst"][0]["row"]) == (False, 1, 17)
    assert f"{mass['worst'][0]['A']:.6g}" in worst
    assert f"{mass['worst'][0]['B']:.6g}" in worst
    assert drawn.read_bytes().startswith(b"%PDF")


def test_a_tolerance_of_ones_own(ours: str, tmp_path: Path) -> None:
    other = changed(tmp_path / "other.h5", m_mass=0.01, m_pbjets=0.01)
    codes = {
        given: main(["compare", ours, other, "--differences", f"--tolerance={given}"])
        for given in ("0.0101", "0.009", "0,1", "0", "0.0,1e-9")
    }
    assert codes == {"0.0101": 0, "0.009": 1, "0,1": 0, "0": 1, "0.0,1e-9": 1}


def test_vertices_under_other_numbers_are_the_same(ours, tmp_path, capsys) -> None:
    numbers = arrays()["tracks"]["VertexIndex"]
    other = str(file(tmp_path / "other.h5", rows(VertexIndex=np.where(numbers < 0, numbers, 5 - numbers))))
    assert main(["compare", ours, other, "--differences"]) == 0
    line = next(one for one in capsys.readouterr().out.splitlines() if one.split()[:1] == ["VertexIndex"])
    seen = int((arrays()["tracks"]["valid"] & (numbers >= 0)).sum())
    assert line.split()[3:] == [str(seen), "0", "0"]
    moved = numbers.copy()
    jet, slot = np.argwhere(arrays()["tracks"]["valid"] & (numbers == 1))[0]
    moved[jet, slot] = 9
    other = str(file(tmp_path / "moved.h5", rows(VertexIndex=moved)))
    capsys.readouterr()
    assert main(["compare", ours, other, "--differences"]) == 1
    printed = capsys.readouterr().out
    assert "the jets with other indices" in printed
    assert "beyond the tolerance: VertexIndex of tracks" in printed


def test_jets_that_only_one_has_and_a_key(ours, tmp_path, capsys) -> None:
    order = np.random.default_rng(0).permutation(N)[:300]
    given = {name: one[order] for name, one in rows().items()}
    given["jets"]["row"] = np.arange(300)
    other = str(file(tmp_path / "other.h5", given, sources=("elsewhere.h5",)))
    message = fails(["compare", ours, other, "--differences"], capsys)
    assert "--key eventNumber" in message
    assert main(["compare", ours, other, "--differences", "--key=eventNumber,pt"]) == 0
    assert "300 jets in both, the same by eventNumber, pt; 100 only in A\n" in capsys.readouterr().out
    assert main(["compare", other, ours, "--differences", "--key=eventNumber,pt", "--range=pt=20,60"]) == 0
    inside = int(((given["jets"]["pt"] >= 20) & (given["jets"]["pt"] < 60)).sum())
    assert f"{inside} jets in both" in capsys.readouterr().out


def test_the_figure_lies_beside_the_numbers(ours: str, tmp_path: Path) -> None:
    assert main(["compare", ours, ours, "--differences", f"--json={tmp_path / 'x.json'}"]) == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_without_it_files_are_compared_as_before(ours: str, tmp_path: Path, capsys) -> None:
    other = changed(tmp_path / "other.h5", m_mass=0.01)
    assert main(["compare", ours, other, "--resamples=10"]) == 0
    assert "10 resamples" in capsys.readouterr().out


def test_options_that_would_have_no_effect(ours: str, tmp_path: Path, capsys) -> None:
    for given in ("--key=row", "--tolerance=1", "--out=x.png"):
        assert f"{given.split('=')[0]} needs --differences, or a bundle" in fails(
            ["compare", ours, ours, given], capsys
        )
    for given in ("--fail-if-worse=1", "--details"):
        message = fails(["compare", ours, ours, "--differences", given], capsys)
        assert f"{given.split('=')[0]} is of the comparison that asks which tagger is better" in message
    message = fails(["compare", ours, ours, "--differences", "--tolerance=x"], capsys)
    assert "numbers of at least 0 such as 1e-5 or 1e-5,1e-4, not 'x'" in message
    assert "not '-1'" in fails(["compare", ours, ours, "--differences", "--tolerance=-1"], capsys)
    message = fails(["compare", ours, ours, "--differences", "--out=x.jpg"], capsys)
    assert "--out x.jpg: a figure ends in .png, .pdf, .svg" in message
    assert not list(Path.cwd().glob("x.*"))


def test_a_file_with_other_columns(ours, tmp_path, capsys) -> None:
    path = tmp_path / "few.h5"
    shutil.copyfile(ours, path)
    with h5py.File(path, "r+") as out:
        kept = [name for name in out["jets"].dtype.names if name != "m_mass"]
        fewer = out["jets"][:][kept].copy()
        del out["jets"]
        out["jets"] = fewer
    assert main(["compare", ours, str(path), "--differences"]) == 0
    assert "only in A: mass of jets" in capsys.readouterr().out
