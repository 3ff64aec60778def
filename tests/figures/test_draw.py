from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_texts import collisions, texts
from prediction_files import FLAVOURS, arrays, contents

from salt_like.evaluation import evaluate
from salt_like.figures import draw as drawing
from salt_like.figures.draw import KINDS, draw, figures

from .conftest import informed, measured

NAMES = [
    "rejection_Db",
    "rejection_Db_range1",
    "rejection_Db_range2",
    "distribution_Db",
    "bins_Db",
    "scan_Db",
    "confusion_flavour",
    "calibration_flavour",
    "residuals_mass_mass",
    "confusion_origin",
    "calibration_origin",
    "classes_origin",
    "vertices_vertices",
]


def test_every_figure_of_the_metrics(metrics: dict[str, Any]) -> None:
    names = [name for name, _ in figures(metrics)]
    assert names == NAMES
    assert {name.partition("_")[0] for name in names} == set(KINDS)


def test_every_figure_says_sample_jets_model_and_simulation(metrics: dict[str, Any]) -> None:
    for name, make in figures(metrics):
        said = texts(make())
        head = said.splitlines()[1]
        assert head.startswith("ttbar, "), name
        assert head.endswith("jets, model m"), name
        assert "Simulation (Pythia 8 + parametrised tracker)" in said, name
    other = {**metrics, "generator": "Sherpa"}
    assert not [name for name, make in figures(other) if "Simulation" in texts(make())]


def test_no_text_overlaps_another(metrics: dict[str, Any]) -> None:
    for name, make in figures(metrics):
        assert collisions(make()) == [], name


def test_a_long_name_is_wrapped(metrics: dict[str, Any]) -> None:
    long = {**metrics, "model": "a rather long name of a model " * 6}
    for name, make in figures(long):
        assert collisions(make()) == [], name


def one_class(given: dict[str, np.ndarray]) -> None:
    given["jets"]["flavour"] = 5


def without_signal(given: dict[str, np.ndarray]) -> None:
    given["jets"]["flavour"] = 4


def without_labels(given: dict[str, np.ndarray]) -> None:
    given["jets"]["flavour"] = -1
    given["jets"]["mass[pt > 50]"] = np.nan
    given["tracks"]["origin"] = -1


def perfect(given: dict[str, np.ndarray]) -> None:
    """No background jet passes, and some discriminants are infinite."""
    jets = given["jets"]
    for index, name in enumerate(FLAVOURS):
        jets[f"m_p{name}"] = jets["flavour"] == [0, 4, 5][index]


def all_the_same(given: dict[str, np.ndarray]) -> None:
    for name in FLAVOURS:
        given["jets"][f"m_p{name}"] = 1 / 3
    given["jets"]["pt"] = 40
    given["jets"]["m_mass"] = given["jets"]["mass[pt > 50]"] = 3


def without_constituents(given: dict[str, np.ndarray]) -> None:
    given["tracks"]["valid"] = False


def outside_the_ranges(given: dict[str, np.ndarray]) -> None:
    given["jets"]["pt"] = 1


def negative_momentum(given: dict[str, np.ndarray]) -> None:
    given["jets"]["pt"] -= 50


@pytest.mark.parametrize(
    "change",
    [
        one_class,
        without_signal,
        without_labels,
        perfect,
        all_the_same,
        without_constituents,
        outside_the_ranges,
        negative_momentum,
    ],
)
def test_odd_samples_can_be_drawn(change: Any, tmp_path: Path) -> None:
    given = arrays()
    change(given)
    metrics = measured(tmp_path / "a.h5", given)
    written = draw(metrics, tmp_path / "figures")
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    if change is not without_labels:
        assert written


@pytest.mark.parametrize("seed", [0, 1])
def test_negative_weights_can_be_drawn(seed: int, tmp_path: Path) -> None:
    given = informed()
    given["jets"]["weight"] = np.random.default_rng(seed).normal(0.3, 1, len(given["jets"]))
    assert draw(measured(tmp_path / "a.h5", given, weight="weight"), tmp_path / "figures")


@pytest.mark.parametrize("number", [0, 1, 2, 30])
def test_few_jets_can_be_drawn(number: int, tmp_path: Path) -> None:
    given = {name: array[:number] for name, array in arrays().items()}
    written = draw(measured(tmp_path / "a.h5", given), tmp_path / "figures")
    assert bool(written) == (number > 0)
    assert (tmp_path / "figures").exists() == (number > 0)


def test_weights_and_prior_are_said(tmp_path: Path) -> None:
    tasks = contents().tasks
    tasks = (replace(tasks[0], prior=(0.2, 0.3, 0.5)), *tasks[1:])
    metrics = measured(tmp_path / "a.h5", informed(), weight="weight", tasks=tasks)
    drawn = {name: texts(make()) for name, make in figures(metrics)}
    effective = f"weighted by weight (effective number {metrics['effective_jets']:.4g})"
    assert effective in drawn["bins_Db"]
    for name in ("rejection_Db", "distribution_Db", "bins_Db", "scan_Db", "confusion_flavour"):
        assert "prior: 20 % light, 30 % c, 50 % b" in " ".join(drawn[name].split()), name
    assert "prior: class fractions of the training" in drawn["confusion_origin"]


def test_files_are_complete_or_not_there(
    metrics: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    few = [(name, make) for name, make in figures(metrics) if name.startswith("scan")]
    monkeypatch.setattr(drawing, "figures", lambda _: few)
    (path,) = draw(metrics, tmp_path)
    before = path.read_bytes()

    def breaks(self: Figure, file: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError("no space")

    monkeypatch.setattr(Figure, "savefig", breaks)
    with pytest.raises(OSError, match="no space"):
        draw(metrics, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["scan_Db.png"]
    assert path.read_bytes() == before


def test_same_metrics_same_bytes_in_every_format(metrics: dict[str, Any], tmp_path: Path) -> None:
    few = copy.deepcopy(metrics)
    few["tasks"] = {}
    few["by_range"] = []
    first = draw(few, tmp_path / "a", ("png", "pdf"))
    second = draw(few, tmp_path / "b", ("png", "pdf"))
    assert [path.suffix for path in first] == [".png", ".pdf"] * 3
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_figures_of_an_earlier_test_go_and_others_stay(metrics: dict[str, Any], tmp_path: Path) -> None:
    for name in ("rejection_Dold.png", "bins_Db.pdf", "notes.png", "rejection_Db.txt"):
        (tmp_path / name).write_text("")
    few = {**metrics, "discriminants": {}}
    seen: list[tuple[int, int]] = []
    written = draw(few, tmp_path, report=lambda done, total: seen.append((done, total)))
    assert {path.name for path in tmp_path.iterdir()} == {
        *(path.name for path in written),
        "notes.png",
        "rejection_Db.txt",
    }
    assert seen == [(number, len(written)) for number in range(1, len(written) + 1)]


def test_names_are_names_of_files(metrics: dict[str, Any], tmp_path: Path) -> None:
    odd = {**metrics, "tasks": {"a/b: c?": metrics["tasks"]["flavour"]}, "discriminants": {}}
    assert [path.name for path in draw(odd, tmp_path)] == ["confusion_a_b_c.png", "calibration_a_b_c.png"]


def test_matplotlib_is_imported_when_something_is_drawn() -> None:
    code = "import sys, salt_like.figures.draw, salt_like.cli.test; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_evaluation_does_not_draw() -> None:
    code = f"import sys, {evaluate.__name__}; sys.exit(any('figures' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
