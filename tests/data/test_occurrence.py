from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from field_files import make_arrays, write

from salt_like.data.config import LabelConfig
from salt_like.data.module import Data
from salt_like.data.watch import watched
from salt_like.errors import UserError

INPUTS = {"jets": ["pt", "eta"], "tracks": ["d0", "pt"]}
FLAVOUR = {"stream": "jets", "name": "flavour_label", "kind": "class"}
ORIGIN = {"stream": "tracks", "name": "ftagTruthOriginLabel", "kind": "class"}
HADRON = {"stream": "jets", "name": "HadronPt", "kind": "real"}


def data(folder: Path, val: dict[str, np.ndarray], **changes: object) -> Data:
    """Good training files beside this validation file."""
    for arrays, offset, name in ((make_arrays(200, 0), 0, "train"), (val, 1000, "val")):
        arrays["jets"]["eventNumber"] += offset
        write(folder / f"{name}.h5", arrays)
    given = {
        "inputs": INPUTS,
        "train": str(folder / "train.h5"),
        "val": str(folder / "val.h5"),
        "cache": False,
        "cache_dir": str(folder / "cache"),
        "requests": [FLAVOUR, ORIGIN, HADRON],
    }
    return Data(**{**given, **changes})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_validation_file_like_the_training_file_needs_no_word(tmp_path, caplog):
    data(tmp_path, make_arrays(40, 1)).setup("fit")
    assert warnings(caplog) == []


def test_a_validation_file_without_constituents_is_refused(tmp_path):
    val = make_arrays(40, 1)
    val["tracks"]["valid"] = False
    made = data(tmp_path, val)
    for _ in range(2):  # the count is kept, the refusal follows from it
        with pytest.raises(UserError, match=r"data\.val: none of the 40 jets has a constituent in 'tracks'") as error:
            made.setup("fit")
        assert f"in {tmp_path / 'val.h5'}" in str(error.value)


def test_a_selection_that_leaves_no_constituents_is_named(tmp_path):
    val = make_arrays(40, 1)
    val["tracks"]["hits"] = 9
    with pytest.raises(UserError, match=r"has a constituent in 'tracks' that fulfils 'hits < 5'"):
        data(tmp_path, val, select={"tracks": "hits < 5"}).setup("fit")


def test_an_absent_class_is_said_and_may_be_accepted(tmp_path, caplog):
    val = make_arrays(40, 1)
    val["jets"]["flavour_label"] %= 3
    data(tmp_path, val).setup("validate")
    (said,) = warnings(caplog)
    assert said == (
        "data.val: no entry of class taujets of the label 'flavour_label' (ujets 20, cjets 10, bjets 10, taujets 0), "
        f"so that validation says nothing about it; in {tmp_path / 'val.h5'}"
    )
    caplog.clear()
    data(tmp_path, val, labels={"flavour_label": LabelConfig(allow_absent=True)}).setup("validate")
    assert warnings(caplog) == []


def test_constituents_need_not_be_of_every_kind_that_there_can_be(tmp_path, caplog):
    val = make_arrays(40, 1)
    val["tracks"]["ftagTruthOriginLabel"] %= 4
    data(tmp_path, val).setup("validate")
    assert warnings(caplog) == []


def test_nothing_to_judge_the_main_task_by_is_refused_and_another_task_is_said(tmp_path, caplog):
    val = make_arrays(40, 1)
    val["jets"]["HadronPt"] = np.nan
    data(tmp_path, val).setup("validate")
    (said,) = warnings(caplog)
    assert said.startswith("data.val: no row of 'jets' has a target 'HadronPt' in ")
    with pytest.raises(UserError, match=r"has a target 'HadronPt'\nin .*\nits loss chooses the best checkpoint"):
        data(tmp_path, val, requests=[HADRON, FLAVOUR]).setup("validate")


def test_the_count_is_made_once_and_shows_how_far_it_got(tmp_path):
    seen: list[tuple[str, int, int]] = []

    @contextmanager
    def watcher(what):
        yield lambda *step: seen.append((what, *step))

    made = data(tmp_path, make_arrays(40, 1))
    for _ in range(2):
        made.teardown()
        made._steps.clear()
        with watched(watcher):
            made.setup("fit")
    counted = [step for step in seen if step[0] == "reading the validation files once"]
    assert counted == [("reading the validation files once", 40, 40)]
    compared = [step[1:] for step in seen if step[0] == "comparing the events of the samples"]
    assert compared == [(200, 240), (240, 240)]
