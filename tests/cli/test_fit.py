from __future__ import annotations

import csv
import json
import shlex
import shutil

import h5py
import numpy as np
import pytest
import torch
import yaml
from conftest import SMALL

from salt_like.cli import main as dispatcher

NUMBERS_ONLY = ("--figures=none", "--no-report")


def fails(arguments, capsys) -> str:
    assert dispatcher.main(["fit", *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert len(message.splitlines()) <= 5
    return message


def test_a_run_folder_holds_everything(trained):
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert config["model"]["dim"] == 8
    assert config["model"]["encoder"]["init_args"]["layers"] == 1
    assert config["data"]["train"].startswith("/")
    assert config["data"]["train"].endswith("salt_like/samples/train.h5")
    assert config["trainer"]["max_epochs"] == 1
    spec = json.loads((trained / "spec.json").read_text())
    assert [stream["name"] for stream in spec["streams"]] == ["jets", "tracks"]
    record = json.loads((trained / "run.json").read_text())
    assert record["state"] == "finished"
    assert record["command"].startswith("train fit --config=quickstart --model.dim=8")
    assert {path.name for path in (trained / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    with (trained / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["0"]
    assert float(rows[0]["val/jets_classification/loss"]) > 0


def test_the_last_line_names_the_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert dispatcher.main(["--debug", "fit", *SMALL, "--trainer.limit_train_batches=1", "--name=mine"]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    (folder,) = (tmp_path / "runs" / "mine").iterdir()
    assert last == f"run: {folder}"
    assert (folder / "checkpoints" / "last.ckpt").is_file()


def test_resume_needs_nothing_but_the_run_and_continues_it(trained, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    assert dispatcher.main(["--debug", "fit", "--resume", str(run), "--trainer.max_epochs=2"]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == f"run: {run}"
    with (run / "metrics.csv").open() as stream:
        assert [(row["epoch"], row["step"]) for row in csv.DictReader(stream)] == [("0", "3"), ("1", "6")]
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 6


def test_resume_is_the_same_as_training_on(trained, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    options = [*SMALL, "--trainer.max_epochs=2", "--model.schedule=Constant"]
    assert dispatcher.main(["--debug", "fit", *options, "--run", str(whole)]) == 0
    assert dispatcher.main(["--debug", "fit", *options, "--trainer.max_epochs=1", "--run", str(halves)]) == 0
    assert dispatcher.main(["--debug", "fit", "--resume", str(halves), "--trainer.max_epochs=2"]) == 0
    one, two = (torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (whole, halves))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=0, equal_nan=True)


def test_an_existing_run_is_refused_and_left_alone(trained, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    message = fails([*SMALL, "--run", str(trained)], capsys)
    assert "the folder exists and is not empty; nothing was changed" in message
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_ctrl_c_exits_130_and_keeps_the_run(tmp_path, monkeypatch, capsys):
    from salt_like.training.module import Model

    def interrupted(self, batch, batch_idx):
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "training_step", interrupted)
    assert dispatcher.main(["fit", *SMALL, "--run", str(tmp_path / "run")]) == 130
    *_, where, how = capsys.readouterr().err.strip().splitlines()
    assert where == f"interrupted; run: {tmp_path / 'run'}"
    assert how.startswith("to begin again (no checkpoint yet): train fit --resume ")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "interrupted"


def test_ctrl_c_says_how_to_go_on(trained, tmp_path, monkeypatch, capsys):
    from salt_like.training.module import Model

    def interrupted(self, batch, batch_idx):
        raise KeyboardInterrupt

    run = tmp_path / "my run"
    shutil.copytree(trained, run)
    monkeypatch.setattr(Model, "training_step", interrupted)
    assert dispatcher.main(["fit", "--resume", str(run), "--trainer.max_epochs=2"]) == 130
    *_, where, how = capsys.readouterr().err.strip().splitlines()
    assert where == f"interrupted; run: {run}"
    assert shlex.split(how.removeprefix("to go on: ")) == ["train", "fit", "--resume", str(run)]


def test_print_config_resolves_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert dispatcher.main(["fit", *SMALL, "--print_config", "--model.tasks.track_origin.weight=0.25"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["model"]["tasks"]["track_origin"]["init_args"]["weight"] == 0.25
    assert config["model"]["tasks"]["track_origin"]["class_path"] == "salt_like.tasks.Classification"
    assert config["model"]["encoder"]["init_args"]["layers"] == 1
    assert list(tmp_path.iterdir()) == []


def test_flat_keys_reach_the_usual_classes(capsys):
    arguments = ["--print_config", "--model.optimizer.lr=3e-4", "--model.schedule.warmup=0.1"]
    assert dispatcher.main(["fit", *SMALL, *arguments]) == 0
    model = yaml.safe_load(capsys.readouterr().out)["model"]
    assert (model["optimizer"]["class_path"], model["optimizer"]["init_args"]["lr"]) == ("torch.optim.AdamW", 3e-4)
    assert model["schedule"]["init_args"]["warmup"] == 0.1


def test_null_removes_a_task(capsys):
    arguments = ["--print_config", "--model.tasks.track_vertexing=null", "--model.tasks.track_origin=null"]
    assert dispatcher.main(["fit", *SMALL, *arguments]) == 0
    assert list(yaml.safe_load(capsys.readouterr().out)["model"]["tasks"]) == ["jets_classification"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--data.batchsize=3"], ["data.batchsize", "did you mean 'batch_size'"]),
        (["--model.encodr.layers=3"], ["model.encodr", "did you mean 'encoder'"]),
        (["--model.encoder.layer=3"], ["model.encoder.layer", "did you mean 'layers'"]),
        (["--model.encoder.class_path=Transfomer"], ["'Transfomer'", "did you mean 'Transformer'"]),
        (["--model.encoder.heads=many"], ["model.encoder.heads = 'many'", "an integer"]),
        (["--model.tasks.track_origin.wieght=1"], ["track_origin.init_args.wieght", "did you mean 'weight'"]),
        (["--model.tasks.track_origin.class_path=Clasification"], ["did you mean 'Classification'"]),
        (["--model.tasks.new.class_path=Classification"], ["missing key 'model.tasks.new.init_args.stream'"]),
        (["--model.tasks.track_orign=null"], ["did you mean 'track_origin'"]),
        (["--model.weighting=uncertain"], ["model.weighting = 'uncertain'", "did you mean 'uncertainty'"]),
        (["--model.optimizer.class_path=Adm"], ["no Optimizer is called 'Adm'", "did you mean 'Adam'"]),
        (["--trainer.max_epoch=3"], ["trainer.max_epoch", "did you mean 'max_epochs'"]),
        (["--trainer.accumulate_grad_batches=2"], ["set data.accumulate instead"]),
        (["--data.train=nowhere.h5"], ["data.train: no such file", "nowhere.h5"]),
        (["--data.inputs.tracks=[d0, z0SinTeta]"], ["z0SinTeta", "did you mean 'z0SinTheta'"]),
        (["--data.inputs.track=[d0]"], ["no dataset 'track'", "did you mean 'tracks'"]),
        (["--data.select.jets=pt >"], ["pt >"]),
        (["--data.requests=[]"], ["'data.requests' is set by 'model.tasks'"]),
        (["--model.encoder.heads=3"], ["heads"]),
        (["--config=quikstart"], ["did you mean 'quickstart'"]),
        (["--resume=here"], ["--resume takes configuration and folder from the run"]),
        (["--name=a/b"], ["name = 'a/b'"]),
        (["--model.optimizer.lr=-1"], ["model.optimizer: Invalid learning rate: -1.0"]),
        (
            ["--model.scheduler={class_path: StepLR, init_args: {step_size: 0}}"],
            ["model.scheduler: ZeroDivisionError: "],
        ),
        (["--model.optimizer.class_path=SparseAdam"], ["model.optimizer: RuntimeError: SparseAdam does not support"]),
        (["--keep_best=-1"], ["keep_best = -1"]),
        (["--run=/proc/nowhere/run"], ["/proc/nowhere"]),
        (["--seed=-1"], ["seed = -1: a seed is from 0"]),
        (["--data.num_workers=-1"], ["data.num_workers must be at least 0, not -1"]),
        (["--data.buckets=0"], ["data.buckets must be at least 1, not 0"]),
        (
            ["--model.tasks.jets_classification.stream=jet"],
            ["no dataset 'jet' (did you mean 'jets'?) (asked for in model.tasks.jets_classification)"],
        ),
        (["--trainer.max_epochs=-2"], ["trainer: `max_epochs` must be a non-negative integer or -1"]),
        (["--trainer.strategy=ddpp"], ["trainer: You selected an invalid strategy name: `strategy='ddpp'`"]),
        (["--data.train=."], ["a folder, not a file", "its files are"]),
        (["--data.select.jets=eventNumber < 0"], ["no jets left of the 5000"]),
        (["--data.inputs.jets={pt: sqrt}"], ["data.inputs.jets.pt: no transform 'sqrt'", "allowed: log, log1p, asinh"]),
        (["--data.inputs.jets={pt: {transform: lg}}"], ["no transform 'lg' (did you mean 'log'?)"]),
        (
            ["--data.augment=[{class_path: Smearing, init_args: {stream: trcks, widths: {d0: 0.1}}}]"],
            ["no inputs of a stream 'trcks' to smear (did you mean 'tracks'?)", "jets, tracks"],
        ),
        (
            ["--data.augment=[{class_path: Smearing, init_args: {stream: tracks, widths: {d0: -1}}}]"],
            ["error: data.augment: the width of the noise of 'd0' must not be negative, not -1"],
        ),
        (
            ["--data.augment=[{class_path: ConstituentDropout, init_args: {stream: tracks, probability: 2}}]"],
            ["error: data.augment: probability must be in [0, 1), not 2"],
        ),
        (
            ["--model.schedule.warmup=2"],
            ["error: model.schedule: warmup must be a share of the steps in [0, 1), not 2"],
        ),
        (["--model.schedule.final=0"], ["error: model.schedule: final must be a factor in (0, 1], not 0"]),
        (
            ["--model.tasks.jets_classification.label=flavour_lable"],
            ["did you mean 'flavour_label'", "(asked for in model.tasks.jets_classification)"],
        ),
        (["--data.weight=wieght"], ["no field 'wieght'", "(asked for in data.weight)"]),
        (
            ["--data.val=null", "--data.test=null", "--data.split={by: evntNumber, fractions: [0.8, 0.2, 0]}"],
            ["did you mean 'eventNumber'", "(asked for in data.split)"],
        ),
        (["--data.num_train=0"], ["data.num_train = 0: give at least 1 jet"]),
        (["--data.num_val=-3"], ["data.num_val = -3: give at least 1 jet"]),
        (["--data.num_test=0"], ["data.num_test = 0: give at least 1 jet"]),
        (["--data.fractions={trian: 1.0}"], ["names 'trian' (did you mean 'train'?)", "(data.train): train"]),
    ],
)
def test_mistakes_get_a_short_message(tmp_path, monkeypatch, capsys, arguments, parts):
    monkeypatch.chdir(tmp_path)
    message = fails([*SMALL, *arguments], capsys)
    for part in parts:
        assert part in message
    assert not (tmp_path / "runs").exists()


def test_a_scheduler_that_cannot_be_built_leaves_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert dispatcher.main(["fit", *SMALL, "--model.scheduler={class_path: OneCycleLR, init_args: {max_lr: 1}}"]) == 2
    message = capsys.readouterr().err
    assert "error: model.scheduler cannot be used with these arguments" in message
    assert "the training has 3 optimiser steps" in message
    assert not (tmp_path / "runs").exists()


def test_nothing_to_train(capsys):
    assert "give a configuration, such as --config gn2-small" in fails([], capsys)


def test_resume_of_something_else(tmp_path, capsys):
    assert "no run folder" in fails(["--resume", str(tmp_path / "none")], capsys)
    (tmp_path / "config.yaml").write_text("name: x")
    assert "the run has no checkpoint" in fails(["--resume", str(tmp_path)], capsys)


def test_own_progress_bar_callbacks_and_logger_are_used(tmp_path, capsys):
    arguments = [one for one in SMALL if "enable_progress_bar" not in one]
    callbacks = "[{class_path: TQDMProgressBar, init_args: {refresh_rate: 50}}, LearningRateMonitor]"
    logger = f"{{class_path: CSVLogger, init_args: {{save_dir: {tmp_path}}}}}"
    given = [f"--trainer.callbacks={callbacks}", f"--trainer.logger={logger}", "--trainer.log_every_n_steps=1"]
    assert dispatcher.main(["--debug", "fit", *arguments, *given, "--run", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
    (logged,) = tmp_path.rglob("lightning_logs/version_0/metrics.csv")
    assert "lr-" in logged.read_text().splitlines()[0]
    assert "Epoch 0: 100%" in capsys.readouterr().out


def test_keeps_as_many_best_checkpoints_as_asked_for(tmp_path):
    several = [one for one in SMALL if "max_epochs" not in one] + ["--trainer.max_epochs=3", "--keep_best=2"]
    assert dispatcher.main(["--debug", "fit", *several, "--run", str(tmp_path / "run")]) == 0
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["best-2.ckpt", "best.ckpt", "last.ckpt"]
    with (tmp_path / "run" / "metrics.csv").open(newline="") as stream:
        losses = [float(row["val/jets_classification/loss"]) for row in csv.DictReader(stream)]
    epochs = [torch.load(tmp_path / "run" / "checkpoints" / name, weights_only=True)["epoch"] for name in names[1::-1]]
    assert epochs == sorted(range(3), key=lambda epoch: losses[epoch])[:2]


def test_a_stop_on_a_metric_that_is_not_measured(tmp_path, capsys):
    stop = "[{class_path: EarlyStopping, init_args: {monitor: val/jets_classification/los}}]"
    given = [*SMALL, "--data.cache=false", f"--trainer.callbacks={stop}", "--run", str(tmp_path / "run")]
    message = fails(given, capsys)
    assert (
        "EarlyStopping watches 'val/jets_classification/los' (did you mean 'val/jets_classification/loss'?)" in message
    )
    assert "measured are: val/jets_classification/loss, val/jets_classification/accuracy" in message


def test_a_file_is_no_run_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert "this is a file; nothing was changed" in fails([*SMALL, "--run", str(tmp_path / "file")], capsys)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("options", [[], ["--data.cache=false"], ["--data.layout=padded"]])
def test_jets_need_no_variables_of_their_own(tmp_path, options):
    given = [*SMALL, "--data.inputs.jets=null", *options, "--run", str(tmp_path / "run")]
    assert dispatcher.main(["--debug", "fit", *given]) == 0
    assert dispatcher.main(["--debug", "test", str(tmp_path / "run"), "--data.num_test=100", *NUMBERS_ONLY]) == 0


def test_without_validation_there_is_a_last_checkpoint_and_no_warning(tmp_path, capfd, recwarn):
    run = tmp_path / "run"
    assert dispatcher.main(["--debug", "fit", *SMALL, "--data.val=null", "--run", str(run)]) == 0
    said = capfd.readouterr()
    assert "no validation files (data.val): no best checkpoint, `test` takes the last one" in said.err
    assert "Total length" not in said.err + said.out
    assert not [str(one.message) for one in recwarn if "Total length" in str(one.message)]
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]
    header, *rows = (run / "metrics.csv").read_text().splitlines()
    assert "train/loss" in header
    assert "val/" not in header
    assert len(rows) == 1
    assert dispatcher.main(["--debug", "test", str(run), "--data.num_test=100", *NUMBERS_ONLY]) == 0


def test_learned_weights_and_negative_jet_weights_do_not_go_together(sample, tmp_path, capsys):
    with h5py.File(sample, "a") as file:
        jets = file["jets"][:]
        wider = np.zeros(len(jets), [*jets.dtype.descr, ("w", "f4")])
        for name in jets.dtype.names:
            wider[name] = jets[name]
        wider["w"] = np.where(np.arange(len(jets)) == 5, -0.01, 1)
        attributes = dict(file["jets"].attrs)
        del file["jets"]
        file.create_dataset("jets", data=wider).attrs.update(attributes)
    given = [*SMALL, f"--data.train={sample}", "--data.val=null", "--data.weight=w", "--run", str(tmp_path / "run")]
    message = fails([*given, "--model.weighting=uncertainty"], capsys)
    assert "weighting: uncertainty cannot be used with jets of negative weight; the training sample has 1" in message
    assert "use model.weighting: fixed" in message
    assert not (tmp_path / "run").exists()
    assert dispatcher.main(["--debug", "fit", *given]) == 0


def test_a_new_folder_is_taken_away_again_when_the_data_are_wrong(sample, tmp_path, capsys):
    with h5py.File(sample, "a") as file:
        jets = file["jets"][:0], file["tracks"][:0]
        classes = file["jets"].attrs["flavour_label"]
        del file["jets"], file["tracks"]
        file["jets"], file["tracks"] = jets
        file["jets"].attrs["flavour_label"] = classes
    assert dispatcher.main(["fit", *SMALL, "--run", str(tmp_path / "mine"), f"--data.val={sample}"]) == 2
    assert f"error: no jets in data.val: {sample}" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


def test_a_folder_of_the_users_is_not_taken_away(sample, tmp_path):
    (tmp_path / "mine").mkdir()
    with h5py.File(sample, "a") as file:
        del file["tracks"]
    assert dispatcher.main(["fit", *SMALL, "--run", str(tmp_path / "mine"), f"--data.val={sample}"]) == 2
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("key", ["max_epochs", "max_steps", "limit_train_batches"])
def test_a_training_without_steps_is_refused(tmp_path, capsys, key):
    message = fails([*SMALL, "--run", str(tmp_path / "run"), f"--trainer.{key}=0"], capsys)
    assert f"trainer.{key} = 0: nothing would be trained" in message
    assert not (tmp_path / "run").exists()
