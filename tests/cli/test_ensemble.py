"""`train ensemble`: a run like any other that holds its members."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest
import torch
import yaml
from bundles import require_export
from made_runs import TASKS, make_file, make_run

import salt_like
from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder

FLAVOURS = ("u", "c", "b", "tau")


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(run_folder.HANDED_OVER, "")
        patch.chdir(folder)
        for seed in (0, 1):
            make_run(folder / f"run{seed}", seed=seed)
        make_file(folder / "jets.h5", 120, seed=5)
        yield folder


@pytest.fixture(scope="module")
def made(place):
    assert ensemble("run0", "run1", "--run", "made") == 0
    for name in ("run0", "run1", "made"):
        assert predict(name) == 0
    return place / "made"


def ensemble(*arguments: str) -> int:
    return dispatcher.main(["ensemble", *arguments])


def predict(name: str) -> int:
    return dispatcher.main(["predict", name, "--data", "jets.h5", "--out", f"{name}.h5"])


def predicted(name: str, field: str, stream: str = "jets") -> np.ndarray:
    with h5py.File(f"{name}.h5") as file:
        found = file[stream][:]
        model = file.attrs["model"]
    kept = found["valid"] if stream != "jets" else slice(None)
    return found[kept][f"{model}_{field}"].astype(float)


def test_prediction_files_hold_the_means_and_the_spreads(made):
    for stream, fields in {
        "jets": [*(f"p{one}" for one in FLAVOURS), "HadronPt"],
        "tracks": ["pfromB", "pprimary"],
    }.items():
        for field in fields:
            both = np.stack([predicted(f"run{seed}", field, stream) for seed in (0, 1)])
            np.testing.assert_allclose(predicted("made", field, stream), both.mean(0), rtol=1e-5)
            if stream == "jets":
                allowed = 1e-5 * np.abs(both).max()
                np.testing.assert_allclose(predicted("made", f"{field}_spread"), both.std(0), atol=allowed)
                assert both.std(0).max() > 100 * allowed
    values, widths = (np.stack([predicted(f"run{n}", f"HadronPt{end}") for n in (0, 1)]) for end in ("", "_stddev"))
    expected = np.sqrt((widths**2).mean(0) + values.var(0))
    np.testing.assert_allclose(predicted("made", "HadronPt_stddev"), expected, rtol=1e-4)


def test_it_holds_its_members_and_is_a_run(made, place, capsys):
    record = json.loads((made / "run.json").read_text())
    assert record["state"] == "finished"
    assert [one["run"] for one in record["ensemble"]] == [str(place / f"run{seed}") for seed in (0, 1)]
    config = yaml.safe_load((made / "config.yaml").read_text())
    assert config["name"] == "GN2Ensemble"
    assert [one["name"] for one in config["model"]["ensemble"]["members"]] == ["GN2", "GN2"]
    assert dispatcher.main(["inspect", "made"]) == 0
    assert "flavour (Classification)" in (said := capsys.readouterr().out)
    assert str(place / "run1") in said
    shutil.copytree(made, place / "alone" / "made")
    with h5py.File("jets.h5") as file:
        arrays = {name: file[name][:] for name in ("jets", "tracks")}
    found = salt_like.load(place / "alone" / "made").predict(arrays)["jets"]
    np.testing.assert_array_equal(found["GN2Ensemble_pb"], predicted("made", "pb").astype(np.float32))


def test_it_is_tested_compared_and_calibrated(made, capsys):
    assert dispatcher.main(["test", "made", "--data.test=jets.h5", "--figures=none", "--no-report"]) == 0
    assert dispatcher.main(["test", "run0", "--data.test=jets.h5", "--figures=none", "--no-report"]) == 0
    assert dispatcher.main(["compare", "run0", "made"]) == 0
    assert dispatcher.main(["calibrate", "made", "--data.val=jets.h5"]) == 0
    capsys.readouterr()
    found = json.loads((made / "calibration.json").read_text())["tasks"]
    assert found.keys() == {"flavour", "origin"}
    temperature = found["flavour"]["temperature"]
    with h5py.File("jets.h5") as file:
        arrays = {name: file[name][:] for name in ("jets", "tracks")}
    plain, softer = (salt_like.load(made, calibrated=one).predict(arrays)["jets"] for one in (False, True))
    (made / "calibration.json").unlink()
    before, after = (np.stack([one[f"GN2Ensemble_p{n}"] for n in FLAVOURS]) for one in (plain, softer))
    # for the class fractions of the training, which are what probabilities are divided by before and multiplied after
    classes = salt_like.load(made).tagger.task("flavour").trained_prior
    prior = np.array(classes)[:, None]
    expected = prior * (before / prior) ** (1 / temperature)
    np.testing.assert_allclose(after, expected / expected.sum(0), rtol=1e-4)
    # so have those of the members that the spread is of
    ratio = softer["GN2Ensemble_pb_spread"].mean() / plain["GN2Ensemble_pb_spread"].mean()
    assert ratio < 1 if temperature > 1 else ratio > 1


def test_one_alone_says_the_same_and_needs_no_spread(made):
    assert ensemble("run0", "--run", "one", "--no-spread", "--name=GN2") == 0
    assert predict("one") == 0
    with h5py.File("one.h5") as one, h5py.File("run0.h5") as other:
        for stream in ("jets", "tracks"):
            assert one[stream].dtype == other[stream].dtype
            for field in one[stream].dtype.names:
                np.testing.assert_allclose(one[stream][field], other[stream][field], rtol=2e-6, atol=1e-6)


def test_it_is_exported_as_one_graph(made):
    require_export()
    given = ["--out", "bundle", "--data", "jets.h5", "--tasks", "flavour"]  # others: tests/export
    assert dispatcher.main(["--debug", "export", "made", *given]) == 0
    manifest = json.loads((made.parent / "bundle/manifest.json").read_text())
    meanings = {one["name"]: one["meaning"] for one in manifest["outputs"]}
    assert meanings["GN2Ensemble_pb_spread"] == "standard deviation of pb among the members of the ensemble"
    assert dispatcher.main(["verify", "bundle"]) == 0
    assert dispatcher.main(["verify", "bundle", "--against", "made"]) == 0
    assert dispatcher.main(["predict", "bundle", "--data", "jets.h5", "--out", "deployed.h5"]) == 0
    with h5py.File("deployed.h5") as file:
        np.testing.assert_allclose(file["jets"]["GN2Ensemble_pb"], predicted("made", "pb"), atol=1e-5)
        found = file["jets"]["GN2Ensemble_pb_spread"]
    np.testing.assert_allclose(found, predicted("made", "pb_spread"), atol=1e-5)


def test_what_should_be_known_is_said(place, capsys):
    shutil.copytree(place / "run0", place / "copy")
    path = place / "copy/checkpoints/best.ckpt"
    content = torch.load(path, weights_only=True)
    content["data"]["test"] = "other.h5"
    torch.save(content, path)
    (place / "copy/calibration.json").write_text("{}")
    assert ensemble("run0", "copy", "--run", "twice") == 0
    said = capsys.readouterr().err
    assert f"the same weights twice: {place / 'run0'} and {place / 'copy'}" in said
    assert "the calibration of a member is not used" in said
    assert "data.test of the first member are used" in said


def test_what_is_wrong_is_said(made, place, capsys):
    flavour = {**TASKS["flavour"]["init_args"], "label_map": {0: "light", 1: "light", 2: "bjets", 3: "taujets"}}
    make_run(place / "classes", tasks={**TASKS, "flavour": {**TASKS["flavour"], "init_args": flavour}})
    make_run(place / "inputs", inputs={"jets": ["pt", "eta"], "tracks": ["d0", "pt"]})
    shutil.copytree(place / "run0", place / "empty")
    (place / "empty/checkpoints/best.ckpt").unlink()
    (place / "bundled").mkdir()
    (place / "bundled/manifest.json").write_text('{"format": "salt-like bundle"}')
    for arguments, message in {
        (): "the following arguments are required: RUN",
        ("run0", "nowhere"): "no run folder at",
        ("run0", "run0/checkpoints/best.ckpt"): "a file, not the folder of a run",
        ("run0", "bundled"): "a bundle, not the folder of a run",
        ("run0", "empty"): "the run has no checkpoint",
        ("run0", "run1", "--which=last"): "the run has no checkpoint 'last'",
        ("run0", "run1", "--which=a.ckpt"): "the name of a checkpoint that each member has",
        ("run0", "made"): "an ensemble is no member of another one",
        ("run0", "classes"): "task 'flavour' has different outputs: ujets, cjets; and light",
        ("run0", "inputs"): "they read different variables of 'tracks': only one reads hits",
        ("run0", "run1", "--run", "run0"): "the folder exists and is not empty",
        ("run0", "run1", "--name=a/b"): "it names a folder",
    }.items():
        assert ensemble(*arguments) == 2
        assert message in capsys.readouterr().err
    assert not (place / "runs").exists()


def test_it_is_neither_continued_nor_begun_with(made, place, capsys):
    shutil.copytree(made, place / "resumed")
    shutil.copy(made / "checkpoints/best.ckpt", place / "resumed/checkpoints/last.ckpt")
    assert dispatcher.main(["fit", "--resume", "resumed"]) == 2
    assert "an ensemble is not trained" in capsys.readouterr().err
    from salt_like.errors import UserError
    from salt_like.training.origin import open_origin

    with pytest.raises(UserError, match="no weights of one network"):
        open_origin(made)
