from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from made_runs import make_file, make_run

from salt_like.cli.main import main
from salt_like.figures import draw
from salt_like.loading import load
from salt_like.report import inputs


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take their time, and are drawn in the tests of the page."""
    monkeypatch.setattr(draw, "figures", lambda metrics: ())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    test = make_file(folder / "test.h5", 200, 3)
    return make_run(folder / "run", test={"mixed": str(test)})


@pytest.fixture(scope="module")
def tested(made: Path) -> Path:
    """A run that was tested, with the report that the test makes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "figures", lambda metrics: ())
        assert main(["test", str(made)]) == 0
    return made


@pytest.fixture
def run(tested: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tested, tmp_path / "run"))


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert 1 <= len(message.splitlines()) <= 5
    return message


def test_a_test_makes_a_report_unless_told_not_to(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (run / "report.html").read_text()
    assert "<h1>Report: GN2</h1>" in text
    assert "mixed: 200 jets" in text
    (run / "report.html").unlink()
    assert main(["test", str(run), "--no-report"]) == 0
    assert not (run / "report.html").exists()
    assert "report:" not in capsys.readouterr().out


def test_importance_of_the_inputs_is_measured_once(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["report", str(run), "--importance=100"]
    assert main(arguments) == 0
    assert f"report: {run / 'report.html'} (0." in capsys.readouterr().out
    found = json.loads((run / "predictions/mixed_importance.json").read_text())
    assert found["jets"] == 100
    assert found["fingerprint"] == load(run).fingerprint
    assert "importance of the inputs, mixed, GN2" in (run / "report.html").read_text()
    monkeypatch.setattr(inputs, "importance", None)
    assert main(arguments) == 0
    assert main(["report", str(run), "--importance=none"]) == 0
    assert "importance of the inputs, mixed, GN2" in (run / "report.html").read_text()  # that of before


def test_importance_that_cannot_be_measured_is_a_note(run: Path, made: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    predictions = run / "predictions/mixed.h5"
    import h5py

    with h5py.File(predictions, "r+") as file:
        file.attrs["checkpoint"] = "gone.ckpt"
    assert main(["report", str(run)]) == 0
    assert "importance of the inputs for mixed is not measured: the run has no checkpoint" in (
        (run / "report.html").read_text()
    )
    with h5py.File(predictions, "r+") as file:
        file.attrs["sources"] = ["/gone.h5"]
    assert main(["report", str(run)]) == 0
    assert "is not measured: no file /gone.h5" in (run / "report.html").read_text()


def test_runs_are_tested_on_the_same_files_first(run: Path, tested: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tested, tmp_path / "other"))
    file = make_file(tmp_path / "new.h5", 150, 5)
    out = tmp_path / "both.html"
    arguments = ["report", str(run), str(other), f"--data={file}", "--out", str(out), "--importance=none"]
    assert main(arguments) == 0
    text = out.read_text()
    assert "<h1>Report: GN2 run and GN2 other</h1>" in text
    assert "new: 150 jets" in text
    assert "mixed" not in text.partition("<h2>Data</h2>")[0]
    assert (run / "predictions/new_metrics.json").is_file()
    assert not (tmp_path / "both_figures").exists()


def test_what_cannot_be_reported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    predictions = str(run / "predictions/mixed.h5")
    assert "give the name of an HTML file, such as report.html" in fails(["report", str(run), "--out=a.pdf"], capsys)
    assert "no folder gone" in fails(["report", str(run), "--out=gone/a.html"], capsys)
    assert "--importance few: give a number of jets" in fails(["report", str(run), "--importance=few"], capsys)
    assert "--figures=jpg: unknown 'jpg'" in fails(["report", str(run), "--figures=jpg"], capsys)
    message = fails(["report", predictions, "--data=a.h5"], capsys)
    assert f"--data needs runs, and this is none: {predictions}" in message
    message = fails(["report", str(run), "--data=a/x.h5", "--data=b/x.h5"], capsys)
    assert "two files have the same name" in message
    assert "not a prediction file" in fails(["report", str(run / "config.yaml")], capsys)
    assert "no run folder at" in fails(["report", str(run / "gone")], capsys)
    shutil.rmtree(run / "predictions")
    assert f"make them with: train test {run}" in fails(["report", str(run)], capsys)
    assert not list(tmp_path.glob("*.html"))


def test_a_prediction_file_alone(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(run / "predictions/mixed.h5")]) == 0
    assert "mixed: 200 jets" in (tmp_path / "report.html").read_text()
