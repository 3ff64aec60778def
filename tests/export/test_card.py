"""The model card, from the numbers of a tested run."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from bundles import require_export
from made_runs import make_file, make_run

from salt_like.cli import main as dispatcher
from salt_like.evaluation.table import with_error

PRIOR = "--prior=flavour={bjets: 0.1, cjets: 0.2, ujets: 0.6, taujets: 0.1}"


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    """Bundle, card and metrics of a tested run, for other class fractions than those of its training."""
    require_export()
    folder = tmp_path_factory.mktemp("card")
    run, file = make_run(folder / "run"), make_file(folder / "jets.h5", 400, seed=5)
    assert dispatcher.main(["--debug", "test", str(run), f"--data.test={file}", "--figures=none", PRIOR]) == 0
    assert dispatcher.main(["--debug", "export", str(run), "--data", str(file), PRIOR]) == 0
    (metrics,) = (json.loads(path.read_text()) for path in (run / "predictions").glob("*_metrics.json"))
    return run / "bundle", (run / "bundle" / "README.md").read_text(), metrics


def rows(card):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.startswith("|")]


def test_metrics_stand_there_once(tested):
    _, card, metrics = tested
    found = [row for row in rows(card) if row[0] in metrics["tasks"]]
    assert len(found) == len({tuple(row[:2]) for row in found}) > 10
    (accuracy,) = (row[2] for row in found if row[:2] == ["flavour", "accuracy"])
    (expected,) = (one for one in metrics["tasks"]["flavour"]["metrics"] if one["name"] == "accuracy")
    assert accuracy == with_error(expected["value"], expected["error"])


def test_rejections_and_limits(tested):
    _, card, metrics = tested
    points = metrics["discriminants"]["Db"]["points"]
    table = card[card.index("Rejections of Db") :]
    for point, row in zip(points, rows(table)[2:], strict=False):
        assert row[0] == f"{point['efficiency']:.0%}"
        for cell, one in zip(row[2:], point["rejections"].values(), strict=True):
            assert cell.startswith(f"> {one['low']:.3g}" if one["limit"] else f"{one['value']:.3g} (")
    assert "cuts made on" in card


def test_cuts_and_class_fractions_are_in_the_manifest_and_in_what_is_kept_to_export_again(tested):
    bundle, card, _ = tested
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["tasks"]["flavour"]["class_fractions"]["ujets"] == 0.6
    kept = yaml.safe_load((bundle / "config.yaml").read_text())["model"]["tasks"]["flavour"]["init_args"]
    assert kept["prior"] == {"bjets": 0.1, "cjets": 0.2, "ujets": 0.6, "taujets": 0.1}
    (stored,) = manifest["working_points"]
    for point in stored["discriminants"]["Db"]["fixed"]:
        assert f"| Db | {point['efficiency']:.0%} | {point['cuts'][0]:.4g} |" in card


def test_what_was_measured_for_other_class_fractions_is_left_out(tested, capsys):
    run = tested[0].parent
    file = run.parent / "jets.h5"
    assert dispatcher.main(["--debug", "export", str(run), "--data", str(file), "--out", str(run / "other")]) == 0
    assert "left out: run `train test` again" in capsys.readouterr().err
    assert json.loads((run / "other" / "manifest.json").read_text())["working_points"] == []
    assert "Not tested" in (run / "other" / "README.md").read_text()


def test_what_was_measured_with_other_weights_is_left_out(tested, tmp_path, capsys):
    run = tmp_path / "moved"
    shutil.copytree(tested[0].parent, run, ignore=shutil.ignore_patterns("bundle", "other"))
    export = ["--debug", "export", str(run), "--data", str(tested[0].parent.parent / "jets.h5"), PRIOR]
    assert dispatcher.main([*export, "--out", str(tmp_path / "same")]) == 0
    assert "left out" not in capsys.readouterr().err
    assert (tmp_path / "same" / "README.md").read_text().count("Rejections of Db") == 1
    path = run / "checkpoints" / "best.ckpt"
    state = torch.load(path, weights_only=True)
    name = next(name for name in state["state_dict"] if name.endswith("head.layers.0.weight") or "head" in name)
    state["state_dict"][name] += 0.1
    torch.save(state, path)
    assert dispatcher.main([*export, "--out", str(tmp_path / "changed")]) == 0
    assert "are for other weights, and left out" in capsys.readouterr().err
    assert "Not tested" in (tmp_path / "changed" / "README.md").read_text()
