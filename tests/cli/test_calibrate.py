from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from gaussian_jets import CLASSES, TRAINED, exact, make_file, make_jets, make_run

import salt_like
from salt_like.cli.main import main
from salt_like.evaluation.priors import transfer
from salt_like.loading.calibration import read

OTHER = (0.2, 0.3, 0.5)
PLAIN = ("--ranges=none", "--figures=none")
GIVEN = "flavour={ujets: 0.2, cjets: 0.3, bjets: 0.5}"
COLUMNS = ("toy_pu", "toy_pc", "toy_pb")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Validation jets like the training's, test jets of other class fractions."""
    folder = tmp_path_factory.mktemp("files")
    return {
        "val": make_file(folder / "val.h5", make_jets(12_000, seed=7)),
        "test": make_file(folder / "test.h5", make_jets(12_000, OTHER, seed=5)),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]) -> Path:
    """A tagger that is too sure of itself by a factor of 1.7."""
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "run", 1.7, data={"val": str(files["val"]), "test": str(files["test"])})


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture(scope="module")
def calibrated(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = Path(shutil.copytree(made, tmp_path_factory.mktemp("calibrated") / "run"))
    assert main(["calibrate", str(copy)]) == 0
    return copy


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert 1 <= len(message.splitlines()) <= 5
    return message


def probabilities(tagger, jets: np.ndarray) -> np.ndarray:
    found = tagger.predict({"jets": jets})["jets"]
    return np.stack([found[name] for name in COLUMNS], 1)


def test_what_is_printed_and_stored(run: Path, files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "too sure, made softer" in printed
    assert "% ujets, " in printed
    assert f"calibration: {run / 'calibration.json'}" in printed
    assert len(printed.splitlines()) <= 12
    assert main(["inspect", str(run)]) == 0
    assert "calibration.json" in capsys.readouterr().out
    assert max(map(len, printed.partition("for the class")[0].splitlines()[1:])) <= 120
    stored = read(run / "calibration.json")
    assert (stored.checkpoint, stored.sources) == ("best.ckpt", (str(files["val"]),))
    one = stored.tasks["flavour"]
    assert one.temperature == pytest.approx(1.7, abs=3 * one.error)
    assert 0.01 < one.error < 0.05
    assert one.differs
    assert one.entries == 12_000
    assert one.cross_entropy[0] > one.cross_entropy[1] + 0.02
    assert one.ece[0] > 10 * one.ece_error[0]
    assert one.ece[1] == pytest.approx(one.ece_chance[1], abs=4 * one.ece_error[1])
    np.testing.assert_allclose(list(one.prior.values()), TRAINED, atol=0.02)


def test_it_is_used_from_then_on_and_can_be_left_out(
    calibrated: Path, made: Path, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jets = make_jets(2000, OTHER, seed=9)
    plain, hot = salt_like.load(made), salt_like.load(calibrated)
    temperature = read(calibrated / "calibration.json").temperatures["flavour"]
    assert hot.tagger.task("flavour").temperature == temperature
    prior = plain.tagger.task("flavour").trained_prior
    truth = exact(jets, prior)
    assert np.abs(probabilities(plain, jets) - truth).mean() > 0.03
    assert np.abs(probabilities(hot, jets) - truth).mean() < 0.01
    off = salt_like.load(calibrated, calibrated=False)
    np.testing.assert_array_equal(probabilities(off, jets), probabilities(plain, jets))
    by_checkpoint = salt_like.load(calibrated / "checkpoints" / "best.ckpt")
    np.testing.assert_array_equal(probabilities(by_checkpoint, jets), probabilities(hot, jets))
    assert hot.tagger.state_dict().keys() == plain.tagger.state_dict().keys()
    data = make_file(tmp_path / "data.h5", jets)
    for name, options, expected in (("on", [], hot), ("off", ["--calibration=none"], plain)):
        out = tmp_path / f"{name}.h5"
        assert main(["predict", str(calibrated), f"--data={data}", f"--out={out}", *options]) == 0
        assert ("temperature 1." in capsys.readouterr().err) == (name == "on")
        with h5py.File(out) as file:
            found = np.stack([file["jets"][column] for column in COLUMNS], 1)
            said = json.loads(file.attrs["class_fractions"])["flavour"]
        np.testing.assert_allclose(found, probabilities(expected, jets), atol=1e-6)
        assert said["temperature"] == (temperature if name == "on" else 1)
        assert said["assumed"] == "training"
        assert said["fractions"] == pytest.approx(dict(zip(CLASSES, prior, strict=True)))


def test_tables_and_metrics_say_temperature_and_fractions(calibrated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(calibrated), *PLAIN]) == 0
    printed = capsys.readouterr().out
    assert "flavour on test, 12000 labelled jets\ntemperature 1." in printed
    assert "cuts made on this sample\ntemperature 1." in printed
    assert "ECE at the training's fractions" in printed
    assert "ECE at the sample's fractions" in printed
    task = json.loads((calibrated / "predictions" / "test_metrics.json").read_text())["tasks"]["flavour"]
    trained, sample = task["calibration"]
    assert (trained["assumed"], sample["assumed"]) == ("training", "sample")
    np.testing.assert_allclose(list(sample["prior"].values()), OTHER, atol=0.02)
    assert trained["ece"] > 20 * trained["error"]  # the classes of these jets are otherwise frequent
    assert sample["ece"] == pytest.approx(sample["chance"], abs=4 * sample["error"])
    tables = (calibrated / "predictions" / "test_metrics.txt").read_text()
    assert "probabilities for the class fractions of this sample (2" in tables


def test_class_fractions_of_ones_choice(
    calibrated: Path, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, jets = tmp_path / "out.h5", make_jets(2000, OTHER, seed=9)
    data = make_file(tmp_path / "data.h5", jets)
    assert main(["predict", str(calibrated), f"--data={data}", f"--out={out}", f"--prior={GIVEN}"]) == 0
    assert "class fractions as given" in capsys.readouterr().err
    tagger = salt_like.load(calibrated)
    expected = transfer(probabilities(tagger, jets), tagger.tagger.task("flavour").trained_prior, OTHER)
    with h5py.File(out) as file:
        found = np.stack([file["jets"][column] for column in COLUMNS], 1)
        said = json.loads(file.attrs["class_fractions"])["flavour"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert said["assumed"] == "given"
    assert said["fractions"] == {"ujets": 0.2, "cjets": 0.3, "bjets": 0.5}
    np.testing.assert_allclose(
        probabilities(salt_like.load(calibrated, prior={"flavour": dict(zip(CLASSES, OTHER, strict=True))}), jets),
        found,
    )
    assert main(["test", str(calibrated), *PLAIN, f"--prior={GIVEN}"]) == 0
    printed = capsys.readouterr().out
    assert "as given: probabilities for 20 % ujets, 30 % cjets, 50 % bjets, temperature 1." in printed
    assert "given prior" in printed
    assert "ECE at the given fractions" in printed


def test_cuts_hold_for_the_same_probabilities_only(
    calibrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(calibrated, tmp_path / "run"))
    assert main(["test", str(run), *PLAIN]) == 0
    cuts = f"--cuts={shutil.copy(run / 'predictions' / 'test_working_points.json', tmp_path / 'cuts.json')}"
    assert main(["test", str(run), *PLAIN, cuts]) == 0
    for changed in ("--calibration=none", f"--prior={GIVEN}"):
        message = fails(["test", str(run), *PLAIN, cuts, changed], capsys)
        assert "other class fractions or temperature" in message
        assert "--prior and --calibration" in message


def test_another_calibration_needs_force(
    run: Path, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(run)]) == 0
    first = (run / "calibration.json").read_bytes()
    assert main(["calibrate", str(run), "--batch_size=333"]) == 0  # the same jets: made again
    assert read(run / "calibration.json").temperatures["flavour"] == pytest.approx(
        json.loads(first)["tasks"]["flavour"]["temperature"], rel=1e-4
    )
    other = make_file(tmp_path / "other.h5", make_jets(3000, seed=8))
    assert "from other validation files" in fails(["calibrate", str(run), f"--data.val={other}"], capsys)
    assert main(["calibrate", str(run), f"--data.val={other}", "--data.num_val=2000", "--force"]) == 0
    assert read(run / "calibration.json").tasks["flavour"].entries == 2000


def test_a_calibration_is_for_one_checkpoint(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(run)]) == 0
    best, last = run / "checkpoints" / "best.ckpt", run / "checkpoints" / "last.ckpt"
    content = torch.load(best, weights_only=True)
    torch.save({**content, "epoch": 7}, last)  # the same weights in another file
    assert main(["test", str(run), "--ckpt=last", *PLAIN]) == 0
    name = next(iter(content["state_dict"]))
    content["state_dict"][name] = content["state_dict"][name] + 1e-6
    torch.save(content, last)
    message = fails(["test", str(run), "--ckpt=last"], capsys)
    assert "is for other weights (best.ckpt)" in message
    assert "--calibration=none" in message
    assert main(["test", str(run), "--ckpt=last", *PLAIN, "--calibration=none", "--force"]) == 0
    assert "for other weights" in fails(["calibrate", str(run), "--ckpt=last"], capsys)
    assert main(["calibrate", str(run), "--ckpt=last", "--force"]) == 0
    assert "is for other weights (last.ckpt)" in fails(["test", str(run)], capsys)


def test_jets_that_the_run_validated_on(tmp_path: Path, files: dict[str, Path]) -> None:
    """Those of data.split, with the weights of the run."""
    jets = make_jets(6000, seed=3)
    split = {"by": "eventNumber", "fractions": [0.5, 0.4, 0.1]}
    run = make_run(tmp_path / "run", 1.7, 100, jets, data={"split": split, "weight": "weight"})
    assert main(["calibrate", str(run)]) == 0
    stored = read(run / "calibration.json")
    assert 2000 < stored.tasks["flavour"].entries < 2800
    assert stored.sources == (str(tmp_path / "run-train.h5"),)


def test_bad_input(run: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def message(*arguments: str, command: str = "calibrate") -> str:
        return fails([command, str(run), *arguments], capsys)

    assert "no run folder" in fails(["calibrate", str(run) + "x"], capsys)
    assert "no checkpoint 'lost'" in message("--ckpt=lost")
    assert "--data.test cannot be set for a calibration" in message("--data.test=a.h5")
    assert "did you mean '--force'" in message("--forse=1")
    assert "no such file" in message("--data.val=lost.h5")
    assert "expected an integer" in message("--data.num_val=many")
    one_class = make_file(tmp_path / "one.h5", make_jets(500, (0.0, 1.0, 0.0)))
    assert "at least two of its classes\nfound: ujets 0, cjets 500, bjets 0" in message(f"--data.val={one_class}")
    jets = make_jets(500)
    jets["flavour_label"] = 0
    jets["flavour_label"][:3] = [1, 2, 5]
    assert "row 2" in message(f"--data.val={make_file(tmp_path / 'odd.h5', jets)}")
    bare = np.zeros(50, [("x", "f4"), ("y", "f4"), ("eventNumber", "i8")])
    assert "flavour_label" in message(f"--data.val={make_file(tmp_path / 'bare.h5', bare)}")
    shuffled = make_jets(3000)
    shuffled["flavour_label"] = exact(shuffled, TRAINED).argmin(1)
    assert "less than the class fractions alone" in message(f"--data.val={make_file(tmp_path / 's.h5', shuffled)}")
    assert not (run / "calibration.json").exists()
    (run / "calibration.json").write_text("{}")
    assert "not a calibration" in message(command="test")
    assert "not a calibration" in message()
    assert main(["calibrate", str(run), "--force"]) == 0


def test_without_validation_data_and_with_an_absent_class(
    tmp_path: Path, files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", 1.7, 100, make_jets(5000))
    assert "give labelled jets that were not trained on: --data.val=FILE" in fails(["calibrate", str(run)], capsys)
    two = make_file(tmp_path / "two.h5", make_jets(4000, (0.7, 0.3, 0.0)))
    assert main(["calibrate", str(run), f"--data.val={two}"]) == 0
    assert "(none of class bjets)" in capsys.readouterr().out
    one = read(run / "calibration.json").tasks["flavour"]
    assert one.temperature == pytest.approx(1.7, abs=5 * one.error)


def test_probabilities_that_are_no_numbers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    name = next(name for name in content["state_dict"] if "tasks" in name)
    content["state_dict"][name][0] = float("nan")
    torch.save(content, path)
    message = fails(["calibrate", str(run)], capsys)
    assert "the probabilities of task 'flavour' are no numbers for row 0\nof the sample 'val'" in message


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("flavor={ujets: 1}", "no classification 'flavor' (did you mean 'flavour'?)"),
        ("flavour={ujets: 0.2, cjets: 0.3, bjet: 0.5}", "no class 'bjet' (did you mean 'bjets'?)"),
        ("flavour={ujets: 0.2, cjets: 0.3}", "no fraction for bjets"),
        ("flavour={ujets: 0.2, cjets: 0.3, bjets: 0.6}", "the fractions sum to 1.1"),
        ("flavour={ujets: 0.5, cjets: 0.5, bjets: 0}", "the fraction of 'bjets' is 0"),
        ("flavour={ujets: 0.5, cjets: 0.5, bjets: much}", "the fraction of 'bjets' is much"),
        ("flavour", "write TASK={CLASS: FRACTION, …}"),
        ("flavour=0.5", "write TASK={CLASS: FRACTION, …}"),
        ("flavour={ujets: 0.5", "--prior flavour"),
    ],
)
@pytest.mark.parametrize("command", ["test", "predict"])
def test_class_fractions_that_are_none(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], prior: str, message: str, command: str
) -> None:
    data = [f"--data={tmp_path}/a.h5", f"--out={tmp_path}/o.h5"] if command == "predict" else []
    make_file(tmp_path / "a.h5", make_jets(10))
    assert message in fails([command, str(made), *data, f"--prior={prior}"], capsys)
    assert not (tmp_path / "o.h5").exists()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "--help"]) == 0
    assert "--calibration=none" in capsys.readouterr().out
