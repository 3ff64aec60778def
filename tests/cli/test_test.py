from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from field_files import make_arrays, write
from made_runs import TASKS, make_file, make_run

from salt_like.cli import report as reporting
from salt_like.cli.main import main
from salt_like.errors import UserError
from salt_like.evaluation.classification import classify
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.working_points import read
from salt_like.figures import draw
from salt_like.loading import load


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    test = make_file(folder / "test.h5", 300, 3)
    return make_run(folder / "run", test={"mixed": str(test)})


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures and reports take their time; only the tests of the figures draw them, those of reports stand apart."""
    monkeypatch.setattr(reporting, "after_test", lambda *_: None)
    if "figures" not in request.node.name:
        monkeypatch.setattr(draw, "figures", lambda metrics: ())


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert 1 <= len(message.splitlines()) <= 5
    return message


def test_the_runs_own_sample_without_the_training_file(
    run: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not (run.parent / "run-train.h5").exists()
    assert main(["test", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "sample mixed: 300 jets, model GN2" in printed
    assert "pt 2" in printed
    assert "MeV" in printed
    assert "cuts made on this sample" in printed
    predictions, metrics = run / "predictions" / "mixed.h5", run / "predictions" / "mixed_metrics.json"
    tables = metrics.with_suffix(".txt")
    assert f"predictions: {predictions}\nmetrics: {metrics}\ntables by range and class: {tables}\n" in printed
    assert len(printed.splitlines()) <= 75
    assert max(map(len, printed.partition("predictions: ")[0].splitlines())) <= 110
    assert "by range" not in printed.partition("predictions: ")[0]
    assert "flavour on mixed by range" in tables.read_text()
    assert main(["test", str(run), "--details", "--flat"]) == 0
    assert capsys.readouterr().out.startswith(tables.read_text())
    written = json.loads(metrics.read_text())
    assert written["jets"] == 300
    assert list(written["tasks"]) == ["flavour", "origin", "vertices", "hadron"]
    assert set(written["discriminants"]) == {"Db", "Dc"}
    with h5py.File(predictions) as file:
        jets = file["jets"][:]
        truth = file["tracks"][:]["ftagTruthOriginLabel"]
    probabilities = np.stack([jets[f"GN2_{name}"] for name in ("pu", "pc", "pb", "ptau")], 1)
    expected = classify(probabilities, jets["flavour_label"], ("ujets", "cjets", "bjets", "taujets"), (0.25,) * 4)
    for metric, found in zip(expected, written["tasks"]["flavour"]["metrics"], strict=True):
        assert found["value"] == pytest.approx(metric.value)
        assert found["baseline"] == pytest.approx(metric.baseline)
    assert written["tasks"]["origin"]["entries"] == (truth >= 0).sum()
    assert written["tasks"]["hadron"]["entries"] == np.isin(jets["flavour_label"], [1, 2]).sum()


def test_cuts_of_the_first_sample_are_applied_to_the_others(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = make_file(tmp_path / "1.h5", 200, 11), make_file(tmp_path / "2.h5", 200, 12)
    assert main(["test", str(run), f"--data.test.ttbar={one}", f"--data.test.zprime={other}"]) == 0
    printed = capsys.readouterr().out
    assert "Db on zprime" in printed
    assert "cuts made on sample ttbar" in printed
    results = [json.loads((run / "predictions" / f"{name}_metrics.json").read_text()) for name in ("ttbar", "zprime")]
    first, second = (result["discriminants"]["Db"]["points"] for result in results)
    assert [point["cut"] for point in first] == [point["cut"] for point in second]
    made, kept = ([point[name] for point in second] for name in ("efficiency", "signal_efficiency"))
    assert kept != pytest.approx(made, abs=0.01)
    assert sorted(path.name for path in (run / "predictions").iterdir()) == [
        "ttbar.h5",
        "ttbar_metrics.json",
        "ttbar_metrics.txt",
        "ttbar_working_points.json",
        "zprime.h5",
        "zprime_metrics.json",
        "zprime_metrics.txt",
    ]


def test_a_second_test_of_the_same_files_refreshes_and_of_others_needs_force(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = make_file(tmp_path / "1.h5", 50, 11), make_file(tmp_path / "2.h5", 60, 12)
    predictions = run / "predictions" / "test.h5"
    assert main(["test", str(run), f"--data.test={one}"]) == 0
    before = predictions.stat().st_mtime_ns
    assert main(["test", str(run), f"--data.test={one}", "--extra=jets=mass"]) == 0
    assert predictions.stat().st_mtime_ns > before
    assert "exists already" in fails(["test", str(run), f"--data.test={other}"], capsys)
    assert len(h5py.File(predictions)["jets"]) == 50
    assert main(["test", str(run), f"--data.test={other}", "--force"]) == 0
    assert len(h5py.File(predictions)["jets"]) == 60


def test_the_table_says_weights_and_prior(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flavour = {"stream": "jets", "label": "flavour_label", "class_weights": [1.0, 1.0, 2.0, 0.0]}
    tasks = {"flavour": {"class_path": "Classification", "init_args": flavour}}
    run = make_run(tmp_path / "run", tasks=tasks, weight="weight", test=str(make_file(tmp_path / "test.h5", 80, 3)))
    assert main(["test", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "sample test: 80 jets, weighted by weight (effective number 7" in printed
    assert "flavour on test, 80 labelled jets, weighted by weight\nclass-weighted: probabilities for " in printed
    prior = json.loads((run / "predictions" / "test_metrics.json").read_text())["tasks"]["flavour"]["assumed_prior"]
    fractions = {one["name"]: one for one in json.loads((run / "spec.json").read_text())["labels"]}
    shares = np.array(fractions["flavour_label"]["prior"]) * [1, 1, 2, 0]
    assert list(prior.values()) == pytest.approx((shares / shares.sum()).tolist())


def test_number_of_jets_weights_and_several_files(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", weight="weight")
    files = [str(make_file(tmp_path / f"{number}.h5", 40, number)) for number in range(2)]
    assert main(["test", str(run), f"--data.test=[{', '.join(files)}]", "--data.num_test=50"]) == 0
    with h5py.File(run / "predictions" / "test.h5") as file:
        assert len(file["jets"]) == 50
        jets = file["jets"][:]
    written = json.loads((run / "predictions" / "test_metrics.json").read_text())
    probabilities = np.stack([jets[f"GN2_{name}"] for name in ("pu", "pc", "pb", "ptau")], 1)
    losses = -np.log(probabilities[np.arange(50), jets["flavour_label"]])
    expected = np.average(losses, weights=jets["weight"])
    assert written["tasks"]["flavour"]["metrics"][0]["value"] == pytest.approx(expected)


def test_a_split_run_is_tested_on_its_share_of_events(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", split={"by": "eventNumber", "fractions": [0.6, 0.2, 0.2]})
    assert main(["test", str(run)]) == 0
    with h5py.File(run / "predictions" / "test.h5") as file:
        rows = file["jets"]["row"]
    assert 10 < len(rows) < 80  # about a fifth of 200
    assert np.array_equal(np.unique(rows // 2), np.unique(rows[::2] // 2))  # both jets of each event


def test_no_test_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    assert "give one: --data.test=FILE" in fails(["test", str(run)], capsys)
    assert "no such file" in fails(["test", str(run), "--data.test=absent.h5"], capsys)


def test_wrong_arguments(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot be set for a test" in fails(["test", str(run), "--data.train=a.h5"], capsys)
    assert "unknown argument '--forse'" in fails(["test", str(run), "--forse=1"], capsys)
    assert "no run folder" in fails(["test", str(run) + "s"], capsys)
    shutil.rmtree(run / "checkpoints")
    assert "the run has no checkpoint" in fails(["test", str(run)], capsys)


def test_a_file_without_labels(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = make_arrays(20)
    names = [name for name in arrays["jets"].dtype.names if name != "flavour_label"]
    jets = np.zeros(20, [(name, arrays["jets"].dtype[name]) for name in names])
    for name in names:
        jets[name] = arrays["jets"][name]
    path = write(tmp_path / "bare.h5", {**arrays, "jets": jets})
    message = fails(["test", str(run), f"--data.test={path}"], capsys)
    assert "flavour_label" in message
    assert "train predict" in message


def test_a_label_outside_the_classes(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = make_arrays(20)
    arrays["jets"]["flavour_label"][7] = 9
    path = write(tmp_path / "odd.h5", arrays)
    assert "row 7" in fails(["test", str(run), f"--data.test={path}"], capsys)
    assert not (run / "predictions" / "test.h5").exists()


def test_a_checkpoint_of_another_configuration(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_run(tmp_path / "other", inputs={"jets": ["pt"], "tracks": ["d0"]})
    checkpoint = other / "checkpoints" / "best.ckpt"
    assert "made by another configuration" in fails(["test", str(run), f"--ckpt={checkpoint}"], capsys)
    file = write(tmp_path / "jets.h5", make_arrays(20))
    given = ["predict", str(run), f"--ckpt={checkpoint}", f"--data={file}", f"--out={tmp_path / 'out.h5'}"]
    assert "made by another configuration" in fails(given, capsys)
    with pytest.raises(UserError, match="made by another configuration"):
        load(run, str(checkpoint))
    wider = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    wider["model"]["pooling"] = {"class_path": "salt_like.nn.AttentionPooling"}
    torch.save(wider, tmp_path / "wider.ckpt")
    assert "made by another configuration" in fails(["test", str(run), f"--ckpt={tmp_path / 'wider.ckpt'}"], capsys)
    copy = shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "moved.ckpt")
    assert main(["test", str(run), f"--ckpt={copy}"]) == 0


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "--help"]) == 0
    assert "--data.test.ttbar=a.h5" in capsys.readouterr().out


def test_a_model_that_says_nothing_about_jets_is_tested_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = {name: TASKS[name] for name in ("origin", "vertices")}
    run = make_run(tmp_path / "run", tasks=tasks, weight="weight", test=str(make_file(tmp_path / "test.h5", 80, 3)))
    assert main(["test", str(run)]) == 0
    assert "sample test: 80 jets, weighted by weight" in capsys.readouterr().out
    with h5py.File(run / "predictions" / "test.h5") as file:
        assert {"row", "eventNumber", "weight", "pt"} <= set(file["jets"].dtype.names)
        np.testing.assert_array_equal(file["jets"]["row"], np.arange(80))
    with h5py.File(tmp_path / "test.h5") as file:
        weights, tracks = file["jets"]["weight"].astype(float), file["tracks"][:]
    entries = np.bincount(tracks["ftagTruthOriginLabel"][tracks["valid"]])
    written = json.loads((run / "predictions" / "test_metrics.json").read_text())
    assert written["weight"] == "weight"
    assert written["effective_jets"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-5)
    assert written["tasks"]["origin"]["entries"] == entries.sum()


def test_a_number_of_jets_that_is_no_number(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--data.num_test = 'abc': expected an integer" in fails(["test", str(run), "--data.num_test=abc"], capsys)
    assert "a whole number of at least 1, not 'x'" in fails(["test", str(run), "--batch_size=x"], capsys)


def test_a_file_is_no_run(run: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(["test", str(run / "checkpoints" / "best.ckpt")], capsys)
    assert f"a file, not the folder of a run: {run / 'checkpoints' / 'best.ckpt'}" in said
    assert "--ckpt" in said


@pytest.mark.parametrize("kind", ["a group", "an array of float64", "a link to something that is not there"])
def test_something_else_under_the_name_of_a_dataset(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = make_file(tmp_path / "odd.h5", 20)
    with h5py.File(path, "a") as file:
        del file["tracks"]
        if kind == "a group":
            file.create_group("tracks")
        elif kind == "an array of float64":
            file["tracks"] = np.zeros((20, 3))
        else:
            file["tracks"] = h5py.ExternalLink("gone.h5", "/tracks")
    said = fails(["test", str(run), f"--data.test={path}"], capsys)
    assert f"'tracks' is {kind}, not a dataset of rows with named fields\nin {path} (datasets: jets)" in said


def test_ranges_and_cuts_of_the_command_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = make_file(tmp_path / "1.h5", 300, 11), make_file(tmp_path / "2.h5", 300, 12)
    samples = [f"--data.test.ttbar={one}", f"--data.test.zprime={other}"]
    with h5py.File(one) as file:
        middle = float(np.median(file["jets"]["mass"]))
    ranges = f"--ranges=mass=0,{middle},inf"  # no input of the model
    assert main(["test", str(run), *samples, ranges, "--cuts=zprime:2", "--flat"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("sample zprime") < printed.index("sample ttbar")
    assert f"cuts made on sample zprime, mass ≥ {middle:.6g} MeV" in printed
    assert "for the same efficiency in 1 bins of mass" in printed
    stored = run / "predictions" / "zprime_working_points.json"
    assert f"working points: {stored}" in printed
    cuts = read(stored)
    assert (cuts.sample, cuts.model, cuts.sources) == ("zprime", "GN2", (str(other),))
    assert cuts.within == Range("mass", middle, np.inf, "MeV")
    written = json.loads((run / "predictions" / "ttbar_metrics.json").read_text())
    assert [part["range"]["high"] for part in written["by_range"]] == [middle, None]
    for part in (written, *written["by_range"]):
        points = part["discriminants"]["Db"]["points"]
        assert [point["cut"] for point in points] == [point.cuts[0] for point in cuts.points["Db"]]
    third = make_file(tmp_path / "3.h5", 200, 13)
    assert main(["test", str(run), f"--data.test={third}", "--ranges=none", f"--cuts={stored}"]) == 0
    later = json.loads((run / "predictions" / "test_metrics.json").read_text())
    assert later["by_range"] == []
    assert later["discriminants"]["Db"]["cuts_from"] == "zprime"
    assert later["discriminants"]["Db"]["points"][0]["cut"] == points[0]["cut"]
    assert not (run / "predictions" / "test_working_points.json").exists()


def test_cuts_of_all_jets_and_of_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(run), "--cuts=mixed:all"]) == 0
    cuts = read(run / "predictions" / "mixed_working_points.json")
    assert cuts.within is None
    assert cuts.flat["Db"][0].field == "pt"
    assert "no test sample of that name (did you mean 'mixed'?)" in fails(["test", str(run), "--cuts=mixd"], capsys)
    assert "no range '7' to make the cuts in" in fails(["test", str(run), "--cuts=mixed:7"], capsys)
    assert "cannot read the working points" in fails(["test", str(run), "--cuts=absent.json"], capsys)
    assert "edges that rise" in fails(["test", str(run), "--ranges=pt"], capsys)
    assert "--ranges" in fails(["test", str(run), "--ranges=px=1,2"], capsys)


def test_figures_of_every_sample_and_one_line_that_says_where(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(run), "--figures=png,pdf"]) == 0
    folder = run / "predictions" / "mixed_figures"
    files = sorted(path.name for path in folder.iterdir())
    assert f"\nfigures: {folder} ({len(files)})\n" in capsys.readouterr().out
    assert {path.split(".")[0] for path in files} >= {
        "rejection_Db",
        "distribution_Dc",
        "bins_Db",
        "confusion_flavour",
        "confusion_origin",
        "calibration_flavour",
        "vertices_vertices",
        "residuals_hadron_HadronPt",
    }
    assert [name.replace(".pdf", ".png") for name in files[::2]] == files[1::2]
    assert (folder / "rejection_Db.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "rejection_Db.pdf").read_bytes().startswith(b"%PDF")
    (folder / "mine.png").write_text("mine")
    assert main(["test", str(run), "--figures=none"]) == 0  # figures of an earlier test are not left beside new metrics
    assert "figures:" not in capsys.readouterr().out
    assert [path.name for path in folder.iterdir()] == ["mine.png"]


def test_unknown_figures_are_refused_before_anything_is_predicted(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = fails(["test", str(run), "--figures=png,pfd"], capsys)
    assert "unknown 'pfd' (did you mean 'pdf'?)" in message
    assert not (run / "predictions").exists()
