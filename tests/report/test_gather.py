"""What is found in run folders, whole and damaged."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prediction_files import N, arrays, contents, file

from salt_like.errors import UserError
from salt_like.evaluation.evaluate import evaluate
from salt_like.evaluation.reader import PredictionFile
from salt_like.report import gather as gathering
from salt_like.report.gather import gather, ranges_of

from .conftest import CONFIG, HISTORY, informed


def metrics_of(run: Path) -> dict[str, object]:
    return json.loads((run / "predictions/ttbar_metrics.json").read_text())


def test_numbers_are_those_of_the_test(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "evaluate", None)  # nothing is measured again
    (found,) = gather([run])
    assert found.samples["ttbar"].metrics == metrics_of(run)
    assert {name: values.tolist() for name, values in found.history.items()} == HISTORY
    assert (found.name, found.model, found.config, found.notes) == ("m", "m", CONFIG, ())
    assert found.record["state"] == "finished"


def test_predictions_without_metrics_or_with_older_ones_are_measured(run: Path) -> None:
    predictions = run / "predictions"
    expected = evaluate(predictions / "ttbar.h5", ranges=ranges_of(PredictionFile(predictions / "ttbar.h5"))).plain()
    (predictions / "ttbar_metrics.json").unlink()
    assert gather([run])[0].samples["ttbar"].metrics == expected
    (predictions / "ttbar_metrics.json").write_text(json.dumps({**expected, "jets": 7}))
    assert gather([run])[0].samples["ttbar"].metrics["jets"] == 7
    os.utime(predictions / "ttbar_metrics.json", (1, 1))
    assert gather([run])[0].samples["ttbar"].metrics["jets"] == N
    (found,) = gather([predictions / "ttbar.h5"])  # the file alone
    assert found.samples["ttbar"].metrics == expected
    assert (found.run, found.config, found.history) == (None, "", {})


def test_a_run_without_predictions_says_how_to_make_them(run: Path) -> None:
    shutil.rmtree(run / "predictions")
    with pytest.raises(UserError, match=r"no predictions to report: .*run\nmake them with: train test .*run"):
        gather([run])


def test_a_half_deleted_run_says_what_is_missing(run: Path) -> None:
    for name in ("run.json", "metrics.csv", "predictions/ttbar.h5"):
        (run / name).unlink()
    (run / "config.yaml").write_text("name: [")
    (found,) = gather([run])
    assert found.notes == (
        "metrics.csv is gone",
        "run.json is gone",
        "config.yaml is damaged",
        "ttbar: the prediction file is gone; numbers are those that `train test` wrote",
    )
    assert found.samples["ttbar"].metrics == metrics_of(run)
    assert found.samples["ttbar"].spec == contents().spec  # that of the run
    (run / "metrics.csv").write_text("epoch,loss\n0,abc\n")
    (run / "run.json").write_text("[")
    assert gather([run])[0].notes[:2] == ("metrics.csv is damaged or empty", "run.json is damaged")
    (run / "predictions/ttbar_metrics.json").write_text('{"tasks"')
    with pytest.raises(UserError, match=r"ttbar_metrics.json is damaged, and its prediction file is gone\nmake both"):
        gather([run])


def test_damaged_metrics_are_measured_again(run: Path) -> None:
    (run / "predictions/ttbar_metrics.json").write_text('{"tasks"')
    assert gather([run])[0].samples["ttbar"].metrics["jets"] == N


def test_cuts_of_something_else_are_not_taken(run: Path) -> None:
    path = run / "predictions/ttbar_working_points.json"
    path.write_text("{}")
    (run / "predictions/ttbar_metrics.json").unlink()
    assert gather([run])[0].samples["ttbar"].metrics["discriminants"]["Db"]["cuts_from"] == "ttbar"


def test_samples_are_chosen_by_name(run: Path) -> None:
    with pytest.raises(UserError, match=r"no predictions of sample 'ttbr' in .* \(did you mean 'ttbar'\?\)"):
        gather([run], ["ttbr"])
    file(run / "predictions/zprime.h5", sample="zprime")
    assert list(gather([run])[0].samples) == ["ttbar", "zprime"]
    assert list(gather([run], ["zprime"])[0].samples) == ["zprime"]


def test_runs_of_different_jets_are_refused(run: Path, runs: list[Path]) -> None:
    given = informed()
    given["jets"]["pt"][3] += 1
    file(run / "predictions/ttbar.h5", given)
    with pytest.raises(UserError, match="not the same jets: pt of jet 3"):
        gather([runs[0], run])
    (run / "predictions/ttbar.h5").unlink()
    found = {**metrics_of(run), "jets": 7}
    (run / "predictions/ttbar_metrics.json").write_text(json.dumps(found))
    with pytest.raises(UserError, match=r"not the same jets of sample 'ttbar': 400 of \['a.h5'\] and 7"):
        gather([runs[0], run])


def test_runs_without_a_sample_in_common_are_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no sample that all have\n.*ttbar\n.*zprime\n.*--data NAME=FILE"):
        gather([runs[0], file(tmp_path / "a.h5", sample="zprime")])


def test_predictions_without_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="predictions without labels"):
        gather([file(tmp_path / "a.h5", labelled=False)])


def test_every_run_has_a_name_of_its_own(runs: list[Path], run: Path, tmp_path: Path) -> None:
    assert [one.name for one in gather(runs)] == ["m one", "m other"]
    assert [one.name for one in gather([run, run])] == ["1: m run", "2: m run"]


def test_no_ranges_where_the_unit_is_not_known(tmp_path: Path) -> None:
    path = file(tmp_path / "a.h5")
    assert [str(one) for one in ranges_of(PredictionFile(path))]
    spec = contents().spec
    jets = replace(spec.streams[0], variables=(replace(spec.streams[0].variables[0], unit=""),))
    other = file(tmp_path / "b.h5", arrays(), spec=replace(spec, streams=(jets, *spec.streams[1:])))
    assert ranges_of(PredictionFile(other)) == ()
    assert np.isfinite(gather([other])[0].samples["ttbar"].metrics["jets"])
