"""Parameterised networks in the data: the signal keeps its own value, others are given one that tells nothing."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from field_files import make_arrays, write
from made_runs import INPUTS, TASKS
from scipy.stats import ks_2samp

from salt_like.cli.build import requests
from salt_like.data.augment import Smearing
from salt_like.data.config import ParameterConfig, ReweightConfig
from salt_like.data.hypothesis import assigned, conditioned
from salt_like.data.module import Data
from salt_like.data.sample import Sample
from salt_like.errors import UserError

FLAVOUR = {"flavour": TASKS["flavour"]}
B, FIELD = 2, "HadronPt"
PARAMETER = ParameterConfig(FIELD, "flavour_label", ["bjets"], {"pt": [20e3, 60e3, 120e3, 200e3]})
WITH = {**INPUTS, "jets": {"pt": None, "eta": None, FIELD: "log"}}


def arrays(number: int = 4000, seed: int = 0) -> dict[str, np.ndarray]:
    """Jets of which b-jets have a hadron with about their own pt, and c-jets one that nobody shall see."""
    made = make_arrays(number, seed)
    jets = made["jets"]
    random = np.random.default_rng(seed)
    jets["pt"] = 20e3 + 180e3 * random.random(number) ** np.where(jets["flavour_label"] == B, 1.0, 2.0)
    jets["HadronPt"] = np.where(jets["flavour_label"] == B, jets["pt"] * random.uniform(0.4, 0.9, number), np.nan)
    jets["HadronPt"][jets["flavour_label"] == 1] = 1e9
    jets["HadronPt"][np.flatnonzero(jets["flavour_label"] == B)[::50]] = np.nan
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parameter")
    return {name: str(write(folder / f"{name}.h5", arrays(4000, seed))) for seed, name in enumerate(("train", "val"))}


def data(files, parameter=PARAMETER, **options) -> Data:
    given = {"inputs": WITH, "cache": False, "allow_overlap": True, "batch_size": 500, **files, **options}
    return Data(**given, parameter=parameter, requests=requests(FLAVOUR))


def seen(loader) -> dict[int, tuple[float, float, int, float]]:
    """Row → value of the parameter, pt, class and weight of each jet of an epoch."""
    found = {}
    for batch in loader:
        weights = np.ones(batch.size) if batch.weights is None else batch.weights.numpy()
        inputs, labels = batch.inputs["jets"].numpy(), batch.labels["jets"]["flavour_label"].numpy()
        for row, one, label, weight in zip(batch.rows.tolist(), inputs, labels, weights, strict=True):
            found[row] = (float(one[2]), float(one[0]), int(label), float(weight))
    return found


def test_signal_keeps_its_value_and_the_rest_is_given_one_of_its_distribution(files):
    reweight = ReweightConfig("flavour_label", {"pt": list(np.linspace(20e3, 200e3, 10))})
    made = data(files, reweight=reweight)
    truth = arrays(4000, 0)["jets"]["HadronPt"]
    found = seen(made.train_dataloader())
    rows = np.array(list(found))
    theta, pt, label, weight = np.array(list(found.values())).T
    own = (label == B) & np.isfinite(truth[rows])
    assert sorted(rows) == list(range(4000))
    assert own.sum() > 900
    np.testing.assert_array_equal(theta[own], truth[rows][own])
    assert np.isfinite(theta).all()
    assert theta.max() < 2e5
    # within each bin of pt, and for jets weighted to the same pt altogether, nothing tells signal from background
    for low, high in ((20e3, 60e3), (60e3, 120e3), (120e3, 200e3)):
        inside = (pt >= low) & (pt < high)
        assert ks_2samp(theta[own & inside], theta[~own & inside]).pvalue > 1e-3
    drawn = np.random.default_rng(0).choice(len(theta), 4000, p=weight / weight.sum())
    assert ks_2samp(theta[drawn][own[drawn]], theta[drawn][~own[drawn]]).pvalue > 1e-3
    assert ks_2samp(theta[own], theta[~own]).pvalue < 1e-6  # so that the test sees something
    variable = made.spec.global_stream.variables[2]
    logs = np.log(theta)
    assert variable.mean == pytest.approx(np.average(logs, weights=weight), abs=0.02)
    assert variable.std == pytest.approx(np.sqrt(np.cov(logs, aweights=weight)), rel=0.03)
    assert (variable.low, variable.high) == (np.nanmin(truth[label_of() == B]), np.nanmax(truth[label_of() == B]))


def label_of() -> np.ndarray:
    return arrays(4000, 0)["jets"]["flavour_label"]


def test_background_is_given_other_values_in_each_epoch_and_validation_the_same(files):
    made = data(files)
    loader = made.train_dataloader()
    first, second = seen(loader), seen(loader)
    background = [row for row, one in first.items() if one[2] != B]
    changed = [first[row][0] != second[row][0] for row in background]
    assert np.mean(changed) > 0.99
    assert all(first[row][0] == second[row][0] for row in set(first) - set(background) if row % 200 != 2)
    assert seen(made.val_dataloader()) == seen(made.val_dataloader())
    # a run that is resumed sees the same
    again = data(files).train_dataloader()
    again.load_state_dict({"epoch": 1, "done": 0, "of": len(again)})
    assert seen(again) == second
    assert seen(data(files, seed=1).train_dataloader()) != first


@pytest.mark.parametrize(
    "options", [{"batch_size": 77}, {"num_workers": 2}, {"augment": [Smearing("tracks", {"d0": 0.1})]}]
)
def test_values_depend_on_nothing_but_seed_epoch_and_row(files, options, tmp_path):
    cached = {"cache": True, "cache_dir": str(tmp_path)} if "num_workers" in options else {}
    made, other = data(files), data(files, **options, **cached)
    expected, found = seen(made.train_dataloader()), seen(other.train_dataloader())
    other.teardown()
    assert {row: one[0] for row, one in found.items()} == {row: one[0] for row, one in expected.items()}


def test_a_test_sees_nothing_of_the_truth(files):
    made = data(files)
    paths = [Path(files["train"])]
    (columns,) = Sample("test", paths, made.spec).chunks()
    theta = columns.inputs["jets"][:, 2]
    truth = arrays(4000, 0)["jets"]["HadronPt"]
    assert not (theta == truth).any()
    signal = label_of() == B
    inside = (columns.inputs["jets"][:, 0] >= 60e3) & (columns.inputs["jets"][:, 0] < 120e3)
    assert ks_2samp(theta[signal & inside], theta[~signal & inside]).pvalue > 1e-3
    (fixed,) = Sample("test", paths, made.spec, parameter=5e4).chunks()
    assert (fixed.inputs["jets"][:, 2] == 5e4).all()
    # and needs no field of that name
    bare = make_arrays(50, 1)
    keep = [name for name in bare["jets"].dtype.names if name != FIELD]
    bare["jets"] = np.ascontiguousarray(bare["jets"][keep])
    (columns,) = Sample("bare", bare, made.spec, labels=False).chunks()
    assert np.isfinite(columns.inputs["jets"][:, 2]).all()
    with pytest.raises(UserError, match=f"'{FIELD}'"):
        Sample("bare", bare, made.spec, labels=False, parameter="own")
    kinds = ("drawn", "own", 5e4, 6e4)
    prints = {Sample("test", paths, made.spec, parameter=kind).fingerprint() for kind in kinds}
    assert len(prints) == 4


def test_what_was_read_is_left_alone(files):
    made = data(files)
    (columns,) = made.splits.samples("val", made.spec, parameter="own")["val"].chunks()
    before = columns.inputs["jets"].copy()
    for changed in (conditioned(columns, made.spec, 3), assigned(columns, made.spec, 1.0)):
        assert (changed.inputs["jets"][:, 2] != before[:, 2]).any()
        np.testing.assert_array_equal(changed.inputs["jets"][:, :2], before[:, :2])
    np.testing.assert_array_equal(columns.inputs["jets"], before)
    without = replace(made.spec, parameter=None)
    assert conditioned(columns, without) is columns is assigned(columns, without, "drawn")


def test_bins_with_few_jets_take_the_distribution_of_all(files):
    few = ParameterConfig(FIELD, "flavour_label", ["bjets"], {"pt": [0, 1, 20e3, 200e3]})
    found = data(files, few).spec.parameter
    whole = data(files, ParameterConfig(FIELD, "flavour_label", ["bjets"])).spec.parameter
    assert found.quantiles[0] == found.quantiles[1] == whole.quantiles[0]
    assert len(found.quantiles[2]) == 201
    truth = arrays(4000, 0)["jets"]["HadronPt"][label_of() == B]
    np.testing.assert_allclose(whole.quantiles[0][100], np.nanmedian(truth), rtol=1e-3)


def test_a_value_that_means_not_there_is_declared(files, tmp_path):
    made = arrays(400, 5)
    truth = made["jets"]["HadronPt"]
    truth[:] = np.where(np.isnan(truth), -1, truth)
    path = str(write(tmp_path / "minus.h5", made))
    found = data({"train": path}, defaults={FIELD: -1}, batch_size=400)
    assert found.spec.global_stream.variables[2].default == -1
    theta = np.array([one[0] for one in seen(found.train_dataloader()).values()])
    assert theta.min() > 5e3
    with pytest.raises(UserError, match="'HadronPt' is -1, of which there is no log"), warnings.catch_warnings():
        data({"train": path})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"field": "HadronPts"}, "no input of 'jets'|HadronPt"),
        ({"bins": {"mass": [0, 1]}}, "data.parameter.bins names 'mass', which is no input of 'jets'"),
        ({"bins": {FIELD: [0, 1]}}, "the parameter itself"),
        ({"bins": {"pt": [5, 5]}}, "data.parameter.bins.pt must be two or more edges of bins in increasing order"),
        ({"bins": {"pt": list(range(1100))}}, "data.parameter.bins makes 1099 bins; at most 1000"),
        ({"label": "flavor_label"}, "data.parameter.label is 'flavor_label' .did you mean 'flavour_label'"),
        ({"signal": ["bjet"]}, "data.parameter.signal names 'bjet' .did you mean 'bjets'"),
        ({"signal": []}, "leave at least one to the background\nfound: none of"),
        ({"signal": ["bjets", "cjets", "ujets", "taujets"]}, "leave at least one to the background"),
        ({"signal": ["taujets"]}, "only 0 jets of the signal have a value of the parameter 'HadronPt'"),
        ({"signal": ["cjets"]}, "the parameter 'HadronPt' is 1e.09 for all jets of the signal"),
    ],
)
def test_what_is_wrong_is_said(files, change, message):
    with pytest.raises(UserError, match=message):
        data(files, replace(PARAMETER, **change))


def test_truth_is_an_input_as_a_parameter_only(files):
    with pytest.raises(UserError, match=r"the input 'HadronPt' of 'jets' is truth|'HadronPt' is nan"):
        data(files, None)
