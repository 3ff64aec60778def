from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from made_runs import TASKS, make_file, make_run

from salt_like.cli.compare import _form, _number
from salt_like.cli.main import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs with predictions of the same two samples."""
    folder = tmp_path_factory.mktemp("runs")
    files = {name: str(make_file(folder / f"{name}.h5", 400, seed)) for seed, name in enumerate(("ttbar", "zprime"))}
    made = [make_run(folder / name, seed, test=files) for seed, name in enumerate("ab")]
    for run in made:
        assert main(["test", str(run), "--ranges=none"]) == 0
    return made[0], made[1]


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert 1 <= len(message.splitlines()) <= 5
    return message


def test_two_runs(runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = runs
    capsys.readouterr()
    out = tmp_path / "numbers.json"
    arguments = [str(first), str(second), "--sample=zprime", "--resamples=50", f"--json={out}"]
    assert main(["compare", *arguments, "--details"]) == 0
    printed = capsys.readouterr().out
    assert "sample zprime: 400 jets of 200 events, 50 resamples, seed 0" in printed
    assert f"A: GN2, {first / 'predictions' / 'zprime.h5'}" in printed
    written = json.loads(out.read_text())
    row = written["ratios"][0]
    assert row["name"].startswith("Db 60 %, ")
    line = next(one for one in printed.splitlines() if one.strip().startswith(row["name"]))
    assert line.endswith(row["verdict"])
    loss = next(one for one in written["differences"] if one["name"] == "cross-entropy")
    assert f"{loss['change']['low95']:+.4f} to {loss['change']['high95']:+.4f}" in printed
    files = [str(run / "predictions" / "zprime.h5") for run in runs]
    assert main(["compare", *files, "--resamples=50", "--seed=1"]) == 0
    again = capsys.readouterr().out
    assert loss["name"] in again
    assert f"{loss['change']['low95']:+.4f} to {loss['change']['high95']:+.4f}" not in again  # another seed
    assert main(["compare", files[0], str(second), "--sample=zprime", "--resamples=5", "--range=pt=0,1e9"]) == 0
    assert "400 jets" in capsys.readouterr().out


def test_a_short_screen_and_all_numbers(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(run / "predictions" / "ttbar.h5") for run in runs]
    out = tmp_path / "numbers.json"
    assert main(["compare", *files, "--resamples=20", f"--json={out}"]) == 0
    short = capsys.readouterr().out
    assert main(["compare", *files, "--resamples=20", "--details"]) == 0
    long = capsys.readouterr().out
    written = json.loads(out.read_text())
    assert list(written["tasks"]) == ["origin", "vertices", "hadron"]
    rows = [
        *written["ratios"],
        *written["differences"],
        *(row for one in written["tasks"].values() for row in one["metrics"]),
    ]
    hidden = [row for row in rows if row["detail"]]
    assert f"\n{len(hidden)} more numbers with --details\n" in short
    assert "--details" not in long
    for row in rows:
        assert (f"\n  {row['name']} " in short) == (not row["detail"]), row["name"]
        assert f"\n  {row['name']} " in long, row["name"]
    assert {row["name"].split(",")[0] for row in written["ratios"] if not row["detail"]} == {
        f"{one} {percent} %" for one in ("Db", "Dc") for percent in (70, 77, 85)
    }
    bias, rms = written["tasks"]["hadron"]["metrics"][:2]
    (line,) = (one for one in short.splitlines() if "HadronPt: bias [MeV]" in one)
    assert f"B - A {bias['change']['value']:+.0f} " in line
    assert line.endswith(bias["verdict"])
    assert bias["distance"]["value"] == pytest.approx(abs(bias["second"]) - abs(bias["first"]))
    assert f"B/A {rms['change']['value']:.3f} " in short


@pytest.mark.parametrize(
    ("width", "text"), [(0.0, "+0.1235"), (0.002, "+0.1235"), (0.4, "+0.123"), (9, "+0.12"), (300, "+0")]
)
def test_digits_that_an_interval_gives_meaning_to(width: float, text: str) -> None:
    assert _form(width).format(0.12345) == text
    assert (_number(float("nan")), _number(12345.6)) == ("-", "1.235e+04")


def test_not_worse_is_shown_or_not(runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = str(runs[0] / "predictions" / "ttbar.h5")
    assert main(["compare", one, one, "--resamples=20", "--fail-if-worse=1"]) == 0
    assert "B keeps 1 of A in all" in capsys.readouterr().out
    assert main(["compare", one, one, "--resamples=20", "--fail-if-worse=1.01"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(
        r"not shown that B keeps 1.01 of A in (\d+) of \1 rejections: (Db [^;]*; ){2}Db .* and \d+ more", last
    )
    assert main(["compare", one, one, "--resamples=20"]) == 0
    with h5py.File(one) as file:
        seventh = np.sort(file["jets"]["pt"])[7]
    test = str(make_file(tmp_path / "t.h5", 60))
    regression = [make_run(tmp_path / name, 0, {"hadron": TASKS["hadron"]}, test=test) for name in "ab"]
    for run in regression:
        assert main(["test", str(run), "--ranges=none"]) == 0
    assert main(["compare", *map(str, regression), "--resamples=20", "--fail-if-worse=0.5"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "no rejection to judge: nothing is shown about B"
    few = [f"--range=pt=0,{seventh}", "--fail-if-worse=0.5", "--resamples=40"]
    assert main(["compare", one, one, *few]) == 1
    printed = capsys.readouterr().out
    assert "nothing is shown about B" in printed
    assert "sample ttbar: 7 jets" in printed
    assert "no jets to compare: 0 ≤ pt < 1" in fails(["compare", one, one, "--range=pt=0,1"], capsys)


def test_which_sample(runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = map(str, runs)
    said = fails(["compare", first, second], capsys)
    assert "several samples in common: give one with --sample\nA: ttbar, zprime\nB: ttbar, zprime" in said
    said = fails(["compare", first, second, "--sample=zprim"], capsys)
    assert "no predictions of sample 'zprim'" in said
    assert "did you mean 'zprime'?" in said
    only = shutil.copytree(second, tmp_path / "only")
    (only / "predictions" / "zprime.h5").unlink()
    assert main(["compare", first, str(only), "--resamples=5"]) == 0
    assert "sample ttbar" in capsys.readouterr().out
    shutil.rmtree(only / "predictions")
    assert "no sample in common" in fails(["compare", first, str(only)], capsys)


def test_wrong_arguments(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (str(runs[0] / "predictions" / f"{name}.h5") for name in ("ttbar", "zprime"))
    said = fails(["compare", one, other], capsys)
    assert "not the same jets: " in said
    assert "compare predictions of the same files" in said
    assert "no run folder" in fails(["compare", one, "absent"], capsys)
    assert "a positive ratio such as 0.95, not '-1'" in fails(["compare", one, one, "--fail-if-worse=-1"], capsys)
    assert "a positive ratio" in fails(["compare", one, one, "--fail-if-worse=x"], capsys)
    assert "one range has two edges" in fails(["compare", one, one, "--range=pt=1,2,3"], capsys)
    assert "unknown argument '--sampel'" in fails(["compare", one, one, "--sampel=a"], capsys)
