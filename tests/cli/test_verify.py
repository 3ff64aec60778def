"""`train verify`: exit codes, messages, and comparisons with a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tampered
from bundles import copied, shared_bundle
from made_runs import make_run

from salt_like.cli import verify as command
from salt_like.cli.main import main
from salt_like.export import verify


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return shared_bundle(base, "batched", "--embedding", "--combine", "plight=1.0*pu+0.5*pc")


@pytest.fixture(scope="module")
def athena(tmp_path_factory) -> Path:
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return shared_bundle(base, "athena", "--name", "GN2v1", "--track_selection", "r22loose")


@pytest.fixture
def copy(bundle, tmp_path) -> Path:
    return copied(bundle, tmp_path / "bundle")


def fails(arguments: list[str], capsys) -> str:
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert 1 <= len(message.splitlines()) <= 5
    return message


def result_of(arguments: list[str], capsys, code: int) -> dict:
    assert main(["--debug", "verify", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def perturbed(model) -> None:
    def change(name: str, values: np.ndarray) -> np.ndarray:
        if name.endswith("feedforward.first.0.bias"):
            values[0] *= 1.01
        return values

    assert tampered.change_weights(model, change) == 1


def test_a_bundle_that_is_right(bundle, capsys):
    assert main(["verify", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert said.rstrip().splitlines()[-1].startswith("passed")
    assert said == verify.text(verify.verify(bundle)) + "\n"


def test_a_bundle_that_is_not(copy, capsys):
    (copy / "model.onnx").write_bytes(b"something else")
    assert main(["verify", str(copy)]) == 1
    assert "FAILED (files): model.onnx: was changed" in capsys.readouterr().out


def test_nothing_of_the_bundle_is_executed(copy, capsys):
    (copy / "verify.py").write_text("raise SystemExit('executed')\n")
    from salt_like.export.bundle import write_sums

    write_sums(copy)
    assert main(["verify", str(copy)]) == 0
    assert "executed" not in capsys.readouterr().out


def test_no_torch_is_needed(bundle):
    code = (
        "import sys; from salt_like.cli.main import main; code = main(sys.argv[1:])\n"
        "sys.exit(code or bool({'torch', 'onnx', 'lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, "verify", str(bundle)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_messages(bundle, tmp_path, capsys):
    assert "no such folder" in fails(["verify", str(tmp_path / "none")], capsys)
    assert "not a bundle" in fails(["verify", str(tmp_path)], capsys)
    assert "--agains" in fails(["verify", str(bundle), "--agains", "x"], capsys)
    assert "are for --against" in fails(["verify", str(bundle), "--data", "x.h5"], capsys)
    assert "none" in fails(["verify", str(bundle), "--against", str(tmp_path / "none")], capsys)


def test_against_its_run(bundle, capsys):
    run, jets = bundle.parent / "run", bundle.parent / "jets.h5"
    found = result_of([str(bundle), "--against", str(run), "--data", str(jets)], capsys, 0)["against"]
    assert found["passed"]
    assert found["notes"] == []
    assert {name: one["jets"] for name, one in found["compared"].items()}["test data"] == 120
    for one in found["compared"].values():
        assert set(one["outputs"]) >= {"GN2_pb", "GN2_Db", "GN2_plight", "GN2_embedding", "tracks_VertexIndex"}
        assert 0 < one["outputs"]["GN2_plight"]["largest"] < 1e-5
        assert one["outputs"]["tracks_VertexIndex"]["differ_though_decided"] == 0
    assert main(["verify", str(bundle), "--against", str(run)]) == 0
    said = capsys.readouterr().out
    assert "passed: the run says the same" in said
    assert "note: not compared on test data: the run's configuration names no test file; give some with --data" in said


def test_against_its_run_as_atlas_has_it(athena, capsys):
    run, jets = athena.parent / "run", athena.parent / "jets.h5"
    found = result_of([str(athena), "--against", str(run), "--data", str(jets), "--jets=50"], capsys, 0)["against"]
    assert found["compared"]["test data"]["jets"] == 50
    assert found["compared"]["test data"]["outputs"]["GN2v1_Origin"]["kind"] == "index"


def test_against_another_run(bundle, tmp_path, capsys):
    other = make_run(tmp_path / "run", seed=7)
    found = result_of([str(bundle), "--against", str(other)], capsys, 1)
    assert found["passed"]
    assert not found["against"]["passed"]
    assert not found["against"]["compared"]["golden jets"]["outputs"]["GN2_pb"]["passed"]
    assert main(["verify", str(bundle), "--against", str(other)]) == 1
    assert "FAILED: the run says something else" in capsys.readouterr().out


def test_against_a_run_of_another_kind(bundle, tmp_path, capsys):
    tasks = {"flavour": {"class_path": "Classification", "init_args": {"stream": "jets", "label": "flavour_label"}}}
    other = make_run(tmp_path / "tasks", tasks=tasks)
    assert "no task 'origin'" in fails(["verify", str(bundle), "--against", str(other)], capsys)
    other = make_run(tmp_path / "inputs", inputs={"jets": ["pt", "eta"], "tracks": ["pt", "d0", "hits"]})
    message = fails(["verify", str(bundle), "--against", str(other)], capsys)
    assert "bundle: d0, pt, hits" in message
    assert "run: pt, d0, hits" in message


def test_other_class_fractions_are_said(bundle, capsys):
    prior = "flavour={ujets: 0.1, cjets: 0.2, bjets: 0.3, taujets: 0.4}"
    run = str(bundle.parent / "run")
    found = result_of([str(bundle), "--against", run, "--prior", prior], capsys, 1)["against"]
    assert [note for note in found["notes"] if note.startswith("class fractions of flavour")]
    wrong = {name for name, one in found["compared"]["golden jets"]["outputs"].items() if not one["passed"]}
    assert {"GN2_pu", "GN2_pb"} <= wrong
    assert "tracks_GN2_ppileup" not in wrong


def test_no_comparison_with_what_is_damaged(copy, capsys):
    (copy / "model.onnx").write_bytes(b"something else")
    found = result_of([str(copy), "--against", str(copy.parent / "no run"), "--bisect"], capsys, 1)
    assert "not done" in found["against"]["skipped"]
    assert "not done" in found["bisect"]["skipped"]
    assert main(["verify", str(copy), "--bisect"]) == 1
    assert "bisection: not done" in capsys.readouterr().out


def test_the_node_with_another_weight_is_named(bundle, copy, monkeypatch, capsys):
    model = (bundle / "model.onnx").read_bytes()
    monkeypatch.setattr("salt_like.export.against.exported_again", lambda *_: model)
    tampered.change_graph(copy, perturbed)
    found = result_of([str(copy), "--bisect", "--against", str(bundle.parent / "run")], capsys, 1)
    assert not found["against"]["passed"]
    assert found["bisect"]["reference"] == "a fresh export of the run"
    assert found["bisect"]["structure"] == ""
    assert list(found["bisect"]["first"]["weights"]) == ["tagger.encoder.layers.0.feedforward.first.0.bias"]
    assert "runtime" not in found["bisect"]
    words = command._bisected(found["bisect"])
    assert "its weight 'tagger.encoder.layers.0.feedforward.first.0.bias' differs by" in words


@pytest.mark.slow
@pytest.mark.parametrize("against", [True, False])
def test_graphs_exported_again(bundle, copy, against, capsys):
    tampered.change_graph(copy, perturbed)
    more = ["--against", str(bundle.parent / "run")] if against else []
    found = result_of([str(copy), "--bisect", *more], capsys, 1)["bisect"]
    assert found["reference"] == ("a fresh export of the run" if against else "a fresh export of the bundle's weights")
    assert found["structure"] == ""
    assert list(found["first"]["weights"]) == ["tagger.encoder.layers.0.feedforward.first.0.bias"]


def test_graphs_that_are_the_same(bundle, monkeypatch, capsys):
    """And the runtime is not to blame where the golden jets are of another tagger."""
    model = (bundle / "model.onnx").read_bytes()
    monkeypatch.setattr("salt_like.export.against.exported_again", lambda *_: model)
    found = result_of([str(bundle), "--bisect"], capsys, 0)["bisect"]
    assert (found["structure"], found["first"], found["compared"]) == ("", None, found["nodes"])
    assert "no value differs" in command._bisected(found)


def test_golden_jets_of_another_tagger(copy, monkeypatch, capsys):
    model = (copy / "model.onnx").read_bytes()
    monkeypatch.setattr("salt_like.export.against.exported_again", lambda *_: model)

    def change(file) -> None:
        for precision in ("float32", "float64"):
            file[precision]["GN2_pb"][:] = file[precision]["GN2_pb"][:] * 0.9

    tampered.change_golden(copy, change)
    found = result_of([str(copy), "--bisect"], capsys, 1)["bisect"]
    assert found["runtime"]["beyond"] is None
    assert found["runtime"]["changed"] == {}
    assert "golden jets or manifest belong to another tagger" in command._bisected(found)
