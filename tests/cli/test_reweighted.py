from __future__ import annotations

import dataclasses
import json

import h5py
import numpy as np
import pytest
import torch
from conftest import SMALL

from salt_like.cli import main as dispatcher
from salt_like.cli.reweighted import summary
from salt_like.reweighting import ClassWeights, Reweighting

FOUND = Reweighting(
    "flavour_label",
    ("u", "b"),
    ("pt", "abs(eta)"),
    ((1.0, 2.0, 3.0), (0.0, 1.0)),
    target="b",
    max_weight=7,
    summary=(ClassWeights("u", 900, 899.6, 512.2, 0.0123, 0.5, 7.0), ClassWeights("b", 5, 5, 5, 0, 0, 1)),
)


def test_the_table():
    text = summary(FOUND).plain().splitlines()
    same = "training jets weighted to the same pt (2 bins) and abs(eta) (1 bins)"
    assert text[0] == f"{same} in all classes of flavour_label (target: b)"
    assert text[1].split() == ["class", "jets", "effective", "reweighted", "largest", "weight", "at", "7", "at", "0"]
    assert text[2].split() == ["u", "900", "900", "512", "7", "1.2", "%", "50", "%"]


def test_edges_in_another_unit_are_asked_about():
    title = summary(dataclasses.replace(FOUND, undivided=("pt",))).title
    assert title.endswith("\nall jets are in one bin of pt: are the edges in the unit of the file?")
    assert "one bin" not in summary(FOUND).title


@pytest.mark.parametrize(("mode", "word"), [("sampling", "drawn"), ("weights", "weighted")])
def test_fit_says_it_and_keeps_it(tmp_path, capsys, mode, word):
    options = [*SMALL, f"--data.reweight.mode={mode}", "--data.reweight.max_weight=1.5"]
    assert dispatcher.main(["--debug", "fit", *options, "--run", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert f"training jets {word} to the same pt_btagJes (14 bins) and abs(eta_btagJes) (5 bins)" in said
    kept = json.loads((tmp_path / "run" / "spec.json").read_text())["reweighting"]
    assert max(kept["weights"]) == 1.5
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line.startswith("  ")}
    for one in kept["summary"]:
        assert rows[one["name"]][1] == str(one["jets"])
        assert rows[one["name"]][3] == f"{one['effective']:.0f}"
    assert any(one["capped"] > 0 for one in kept["summary"])
    # the run goes on with its own table, and with no other
    assert dispatcher.main(["--debug", "fit", "--resume", str(tmp_path / "run"), "--trainer.max_epochs=2"]) == 0
    assert json.loads((tmp_path / "run" / "spec.json").read_text())["reweighting"] == kept
    capsys.readouterr()
    changed = ["--resume", str(tmp_path / "run"), "--trainer.max_epochs=3", "--data.reweight.max_weight=3"]
    assert dispatcher.main(["fit", *changed]) == 2
    assert "data.reweight.max_weight = 3" in capsys.readouterr().err


def test_it_can_be_switched_off(tmp_path, capsys):
    run = str(tmp_path / "run")
    assert dispatcher.main(["--debug", "fit", *SMALL, "--data.reweight=null", "--run", run]) == 0
    assert "to the same" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--data.reweight.label=flavor_label", "'flavor_label' (did you mean 'flavour_label'?)"),
        ("--data.reweight.mode=draw", "data.reweight.mode"),
        ("--data.reweight.max_weight=1", "data.reweight.max_weight is 1"),
        ("--data.reweight.target=bjet", "did you mean 'bjets'"),
        ("--data.reweight.bins={pt_btagJet: [1, 2]}", "did you mean 'pt_btagJes'"),
        ("--data.reweight.maximum=3", "unknown key 'data.reweight.maximum'"),
    ],
)
def test_mistakes(tmp_path, capsys, option, message):
    assert dispatcher.main(["fit", *SMALL, option, "--run", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) <= 5
    assert not (tmp_path / "run").exists()


def test_predictions_are_those_of_a_model_without_the_entry(tmp_path, capsys):
    """The same weights with and without the table: metrics and predictions do not know of it."""
    run = tmp_path / "run"
    assert dispatcher.main(["--debug", "fit", *SMALL, "--run", str(run)]) == 0
    kept = {}
    for name in ("with", "without"):
        path = run / "checkpoints" / "best.ckpt"
        if name == "without":
            state = torch.load(path, weights_only=True)
            assert state["spec"].pop("reweighting")["weights"]
            torch.save(state, path)
        assert dispatcher.main(["--debug", "test", str(run), "--data.num_test=300", "--force"]) == 0
        folder = run / "predictions"
        with h5py.File(folder / "ttbar.h5") as file:
            attributes = dict(file.attrs)
            spec = json.loads(attributes.pop("spec"))
            weights = spec.pop("reweighting")
            assert (weights is not None) == (name == "with")
            assert not (weights and (weights["weights"] or weights["summary"]))  # the file says what, not how much
            kept[name] = (
                {stream: file[stream][:].tobytes() for stream in file},
                {**{key: np.asarray(value).tolist() for key, value in attributes.items()}, "spec": repr(spec)},
                (folder / "ttbar_metrics.json").read_text(),
            )
    assert kept["with"] == kept["without"]
