from __future__ import annotations

from bisect import bisect_right

import numpy as np
import pytest
from field_files import make_arrays

from salt_like.data.cells import CellFinder, resolve_reweighting
from salt_like.data.config import ReweightConfig
from salt_like.data.source import Arrays
from salt_like.errors import UserError
from salt_like.reweighting import Reweighting
from salt_like.spec import Label

PT, ETA = [20e3, 50e3, 90e3, 150e3], [0.0, 1.0, 2.5]
LABELS = (
    Label("jets", "flavour_label", "flavour_label", "class", ("ujets", "cjets", "bjets", "taujets")),
    Label("jets", "HadronPt", "HadronPt", "real"),
    Label("tracks", "ftagTruthOriginLabel", "ftagTruthOriginLabel", "class", tuple("abcdefgh")),
)


def resolve(arrays=None, **changes) -> Reweighting:
    given = {"label": "flavour_label", "bins": {"pt": PT, "abs_eta": ETA}, **changes}
    found = resolve_reweighting(
        ReweightConfig(**given), LABELS, "jets", Arrays(make_arrays(4) if arrays is None else arrays, "a.h5")
    )
    assert found is not None
    return found


def test_cells_are_those_of_a_loop():
    jets = make_arrays(400)["jets"]
    jets["pt"][:4] = [-5, 20e3, 50e3, 1e9]  # below, on edges, above
    jets["pt"][5], jets["pt"][6] = np.nan, np.inf
    jets["eta"][7] = -2.5
    labels = jets["flavour_label"].astype(np.int64)
    labels[10:14] = -1
    expected = []
    for jet, label in zip(jets, labels, strict=True):
        pt = min(max(bisect_right(PT, float(jet["pt"])) - 1, 0), 2)
        eta = min(max(bisect_right(ETA, abs(float(jet["eta"]))) - 1, 0), 1)
        expected.append(-1 if label < 0 or np.isnan(jet["pt"]) else (int(label) * 3 + pt) * 2 + eta)
    found = CellFinder(resolve())(jets, {"flavour_label": labels})
    assert found.dtype == np.int64
    assert found.tolist() == expected
    assert set(range(24)) <= set(expected)


def test_variables_are_fields_or_expressions():
    found = resolve()
    assert found.variables == ("pt", "abs(eta)")
    assert resolve(bins={"abs(eta)": ETA}).variables == ("abs(eta)",)
    assert CellFinder(resolve(bins={"pt * mass": PT})).fields == ("pt", "mass")


def test_a_field_of_that_name_comes_first():
    arrays = make_arrays(4)
    jets = np.zeros(4, [*arrays["jets"].dtype.descr, ("abs_eta", "f4")])
    assert resolve({**arrays, "jets": jets}).variables == ("pt", "abs_eta")


def test_nothing_is_asked_for():
    assert resolve_reweighting(None, LABELS, "jets", Arrays(make_arrays(4), "a.h5")) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "flavour_lable"}, "'flavour_lable' .*did you mean 'flavour_label'.*no task learns"),
        ({"label": "ftagTruthOriginLabel"}, "a label of 'tracks' and not of the jets\nclasses .*: flavour_label"),
        ({"label": "HadronPt"}, "'HadronPt', which has no classes"),
        ({"target": "bjet"}, "target is 'bjet' .*did you mean 'bjets'.*\nwhich is neither mean nor flat nor a class"),
        ({"mode": "weight"}, "mode is 'weight' .*did you mean 'weights'"),
        ({"max_weight": 1.0}, "max_weight is 1: it must be larger than 1"),
        ({"max_weight": float("nan")}, "max_weight is nan"),
        ({"bins": {}}, "names no variable"),
        ({"bins": {"ptt": PT}}, "no field 'ptt' .*did you mean 'pt'.* in dataset 'jets' of a.h5"),
        ({"bins": {"abs_etta": ETA}}, "no field 'abs_etta'"),
        ({"bins": {"pt >": PT}}, r"data\.reweight\.bins\.pt >"),
        ({"bins": {"pt": [1, 3, 2]}}, r"bins\.pt must be two or more edges .*increasing order\nfound: \[1, 3, 2\]"),
        ({"bins": {"pt": [1, 1]}}, "increasing"),
        ({"bins": {"pt": [5]}}, "two or more"),
        ({"bins": {"pt": [1, float("nan")]}}, "increasing"),
        ({"bins": {"pt": list(range(1000)), "mass": list(range(1000))}}, "999 x 999 bins for each of 4 classes"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(UserError, match=message) as error:
        resolve(**changes)
    assert len(str(error.value).splitlines()) <= 5
