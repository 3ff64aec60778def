from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prediction_files import FLAVOURS, ORIGINS, RANGES, N, arrays, contents, file

from salt_like.evaluation import bins, profiles, working_points
from salt_like.evaluation.bins import bins_of
from salt_like.evaluation.evaluate import evaluate
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.rejection import discriminant
from salt_like.evaluation.working_points import Cuts
from salt_like.spec import Stream, Variable


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bins, "JETS_PER_BIN", 80)
    monkeypatch.setattr(working_points, "SIGNAL_PER_BIN", 30)


def test_bins_hold_equally_many_and_every_finite_value_once() -> None:
    values = np.random.default_rng(0).exponential(size=1000)
    values[:3] = np.nan, np.inf, -np.inf
    found = bins_of(values, "momentum", "pt", "GeV")
    assert found is not None
    assert len(found) == 10
    assert set(np.bincount(found.of[3:])) <= {99, 100, 101}
    assert (found.of[:3] == -1).all()
    edges = np.array(found.edges)
    inside = (values[3:] >= edges[found.of[3:]]) & (values[3:] <= edges[found.of[3:] + 1])
    assert inside.all()


def test_whole_numbers_stand_in_the_middle_of_their_bin() -> None:
    found = bins_of(np.repeat([2, 3, 7], [100, 200, 100]), "number", "tracks")
    assert found is not None
    assert found.edges == (1.5, 2.5, 6.5, 7.5)
    assert found.plain()["jets"] == [100, 200, 100]


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0], [np.nan, 3.0]])
def test_few_values_are_one_bin(values: list[float]) -> None:
    found = bins_of(np.array(values), "momentum", "pt")
    assert found is not None
    assert len(found) == 1


def test_no_bins_without_values() -> None:
    assert bins_of(np.array([np.nan, np.inf]), "momentum", "pt") is None
    assert bins_of(np.zeros(0), "momentum", "pt") is None


def test_points_in_bins_are_counted(tmp_path: Path) -> None:
    content = arrays()
    jets, tracks = content["jets"], content["tracks"]
    path = file(tmp_path / "a.h5", content)
    (result,) = evaluate(path, ranges=RANGES).discriminants
    assert [(one.bins.kind, one.bins.field, one.bins.unit) for one in result.profiles] == [
        ("momentum", "pt", "GeV"),
        ("number", "tracks", ""),
    ]
    flavour = np.searchsorted([0, 4, 5], jets["flavour"])
    values = discriminant({name: jets[f"m_p{name}"] for name in FLAVOURS}, "bjets", {"cjets": 0.2, "ujets": 0.8})
    cut = next(one.cut for one in result.points if one.efficiency == 0.77)
    for profile, at in zip(result.profiles, (jets["pt"], tracks["valid"].sum(1)), strict=True):
        edges = profile.bins.edges
        assert len(edges) == len(profile.fixed) + 1 > 3
        for place, point in enumerate(profile.fixed):
            inside = (at >= edges[place]) & (at < edges[place + 1])
            inside |= (place == len(edges) - 2) & (at == edges[-1])
            passed = values[inside & (flavour == 2)] >= cut
            assert point.signal_efficiency == pytest.approx(passed.mean())
            expected = np.sqrt(passed.mean() * (1 - passed.mean()) / len(passed))
            assert point.signal_error == pytest.approx(expected)
            light = values[inside & (flavour == 0)] >= cut
            assert point.rejections["ujets"].passing == pytest.approx(light.sum())
            assert point.rejections["ujets"].total == pytest.approx(len(light))
    in_pt = result.profiles[0]
    made = in_pt.flat[0].made
    passed = values >= np.array(made.cuts)[made.bins(jets["pt"], N)]
    for place, point in enumerate(in_pt.flat):
        assert point.signal_efficiency == pytest.approx(passed[(in_pt.bins.of == place) & (flavour == 2)].mean())
    assert len(in_pt.flat) == len(in_pt.fixed)
    written = json.loads(json.dumps(in_pt.plain(), allow_nan=False))
    assert written["efficiency"] == 0.77
    assert written["fixed"]["signal_efficiency"] == [point.signal_efficiency for point in in_pt.fixed]
    assert written["jets"] == np.bincount(in_pt.bins.of).tolist()


def test_without_a_flat_working_point_or_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path / "a.h5")
    (result,) = evaluate(path).discriminants  # no ranges: no flat working points
    assert result.profiles
    assert not result.profiles[0].flat
    assert result.profiles[0].plain()["flat"] is None
    monkeypatch.setattr(working_points, "SIGNAL_PER_BIN", 200)
    (result,) = evaluate(path, ranges=RANGES).discriminants
    assert len(result.flat[0].made.cuts) == 1
    assert not result.profiles[0].flat
    (result,) = evaluate(path, Cuts("other", {})).discriminants
    assert result.profiles == ()


def test_regressions_and_vertices_in_bins_are_those_of_a_range(tmp_path: Path) -> None:
    content = arrays()
    found = evaluate(file(tmp_path / "a.h5", content), ranges=RANGES)
    profiles = {one.task: one.profile for one in found.tasks}
    assert profiles["flavour"] is None
    edges = profiles["mass"].bins.edges
    low, high = edges[1], edges[2]
    part = evaluate(tmp_path / "a.h5", ranges=[Range("pt", low, high)]).parts[0]
    for name in ("mass", "vertices"):
        (whole,) = (one for one in part.tasks if one.task == name)
        assert repr(profiles[name].metrics[1]) == repr(whole.metrics)  # as text: NaN differs from itself
        assert repr(profiles[name].by_class[1]) == repr(whole.by_class)
    plain = json.loads(json.dumps(profiles["vertices"].plain(), allow_nan=False))
    values = [metrics[4].value for metrics in profiles["vertices"].metrics]
    assert profiles["vertices"].metrics[0][4].baseline_name in plain["metrics"]["pair purity"]["trivial"]
    name = profiles["vertices"].metrics[0][4].name
    assert plain["metrics"][name]["value"] == pytest.approx(values, nan_ok=True)


def test_pseudorapidity_goes_with_the_momentum(tmp_path: Path) -> None:
    content = arrays()
    jets = content["jets"]
    names = ["pt_btagJes", "eta", "eta_btagJes"]
    extended = np.zeros(N, [*jets.dtype.descr, *((name, "f4") for name in names)])
    for name in jets.dtype.names:
        extended[name] = jets[name]
    extended["eta_btagJes"], extended["eta"] = np.linspace(-2, 2, N), 9
    spec = contents().spec
    streams = (Stream("jets", (Variable("pt_btagJes", unit="MeV"),), is_global=True), *spec.streams[1:])
    path = file(tmp_path / "a.h5", {**content, "jets": extended}, spec=replace(spec, streams=streams))
    found = {one.kind: one for one in profiles.variables(PredictionFile(path))}
    assert (found["momentum"].field, found["momentum"].unit) == ("pt_btagJes", "MeV")
    assert found["pseudorapidity"].field == "eta_btagJes"
    assert found["pseudorapidity"].edges[0] >= 0
    assert found["pseudorapidity"].edges[-1] == pytest.approx(2)


def test_classes_of_constituents_in_bins_are_those_of_a_loop(tmp_path: Path) -> None:
    content = arrays()
    found = evaluate(file(tmp_path / "a.h5", content), ranges=RANGES)
    (profile,) = (one.profile for one in found.tasks if one.task == "origin")
    assert len(profile.metrics) == len(profile.bins) > 2
    jets, tracks = content["jets"], content["tracks"]
    low, high = profile.bins.edges[1:3]
    inside = (jets["pt"] >= low) & (jets["pt"] < high)
    some = tracks[inside][tracks["valid"][inside]]
    some = some[(some["origin"] >= 0) & (some["origin"] != ORIGINS.index("fromC"))]  # ignored by the label
    said = np.stack([some[f"m_p{name}"] for name in ORIGINS], 1).argmax(1)
    of = {metric.name: metric.value for metric in profile.metrics[1]}
    for index, name in enumerate(ORIGINS[:3]):
        is_true, is_said = some["origin"] == index, said == index
        assert of[f"efficiency of {name}"] == pytest.approx((is_true & is_said).sum() / is_true.sum())
        assert of[f"purity of {name}"] == pytest.approx((is_true & is_said).sum() / is_said.sum())
        assert of[f"fake rate of {name}"] == pytest.approx((~is_true & is_said).sum() / (~is_true).sum())
    assert "efficiency of fromC" not in of  # none of them is labelled


def test_pile_up_is_a_variable_where_the_file_says_it(tmp_path: Path) -> None:
    content = arrays()
    jets = content["jets"]
    extended = np.zeros(N, [*jets.dtype.descr, ("n_pileup", "i4")])
    for name in jets.dtype.names:
        extended[name] = jets[name]
    extended["n_pileup"] = np.arange(N) % 7
    path = file(tmp_path / "a.h5", {**content, "jets": extended})
    found = evaluate(path, ranges=RANGES).discriminants[0].profiles[-1]
    assert (found.bins.kind, found.bins.field) == ("pile-up", "n_pileup")
    assert found.bins.edges[0] == -0.5  # whole numbers stand in the middle of their bin
    assert found.bins.edges[-1] == 6.5
    assert sum(found.bins.plain()["jets"]) == N
