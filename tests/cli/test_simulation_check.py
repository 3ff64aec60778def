from __future__ import annotations

import json
import os

import numpy as np
import pytest
from checked_files import make, write

from salt_like.cli.main import main
from salt_like.simulation.check import figures, web
from salt_like.simulation.check.panels import PANELS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("check")
    arrays = make(events=300)
    write(made / "good.h5", arrays)
    arrays["tracks"]["ftagTruthOriginLabel"][arrays["tracks"]["ftagTruthOriginLabel"] == 2] = 1
    write(made / "fakes.h5", arrays)
    return made


@pytest.fixture
def one_panel(monkeypatch):
    """Drawing is tested elsewhere and takes its time."""
    for module in (figures, web):
        monkeypatch.setattr(module, "PANELS", PANELS[:1])


def test_tables_figure_and_page(folder, capsys):
    assert main(["simulate", "--check", str(folder / "good.h5")]) == 0
    shown = capsys.readouterr().out
    assert "mean Lxy·m/pT of b hadrons" in shown
    assert shown.splitlines()[-2:] == [f"figure: {folder}/good.check.png", f"page: {folder}/good.check.html"]
    assert (folder / "good.check.png").stat().st_size > 50_000
    assert (folder / "good.check.html").stat().st_size > 50_000


def test_what_is_outside_is_said_and_is_exit_code_1(one_panel, folder, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert main(["simulate", "--check", str(folder / "fakes.h5"), "--out-dir", str(out)]) == 1
    shown = capsys.readouterr().out
    assert "outside of what is expected, with significance:\n" in shown
    assert "  fakes among tracks: " in shown.split("with significance:")[1]
    assert sorted(os.listdir(out)) == ["fakes.check.html", "fakes.check.png"]


def test_json(one_panel, folder, tmp_path, capsys):
    code = main(["simulate", "--check", str(folder / "fakes.h5"), "--json", "--out-dir", str(tmp_path)])
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert code == 1
    assert found["verdicts"]["outside"] >= 1
    rows = {row["name"]: row for section in found["sections"] for row in section["rows"]}
    fakes = rows["fakes among tracks"]
    assert fakes["verdict"] == "outside"
    assert fakes["value"] > 30
    assert fakes["unit"] == "%"
    assert (fakes["low"], fakes["high"]) == pytest.approx((0.8, 2.2))
    assert np.isfinite(fakes["error"])
    assert found["page"].endswith("fakes.check.html")
    assert ": NaN" not in captured.out
    assert "page: " in captured.err


def test_missing_fields_are_listed(one_panel, folder, tmp_path, capsys):
    write(tmp_path / "jets.h5", {"jets": make(events=100)["jets"]})
    assert main(["simulate", "--check", str(tmp_path / "jets.h5")]) == 0
    shown = capsys.readouterr().out
    assert "not checked, as the file has no such fields:\n" in shown
    assert "  tracks per jet: tracks\n" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/god.h5"], "no such file: {folder}/god.h5 (--check) (did you mean '{folder}/good.h5'?)"),
        (["{folder}"], "a folder, not a file: {folder} (--check)"),
        (["{folder}/good.h5", "--jets", "5"], "--jets has no meaning with --check"),
        (["{folder}/good.h5", "--seed", "0"], "--seed has no meaning with --check"),
        (["{folder}/good.h5", "--workers", "1"], "--workers has no meaning with --check"),
        (["{folder}/good.h5", "--out-dir", "{folder}/good.h5"], "--out-dir is a file, not a folder: {folder}/good.h5"),
    ],
)
def test_what_cannot_be_checked(arguments, message, folder, capsys):
    assert main(["simulate", "--check", *(one.format(folder=folder) for one in arguments)]) == 2
    assert message.format(folder=folder) in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to(folder, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, whom nothing stops
    assert main(["simulate", "--check", str(folder / "good.h5")]) == 2
    assert "write figure and page elsewhere: --out-dir DIR" in capsys.readouterr().err
