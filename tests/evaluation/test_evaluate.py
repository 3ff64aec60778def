from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from prediction_files import FLAVOURS, ORIGINS, RANGES, L, N, arrays, contents, file

from salt_like.errors import UserError
from salt_like.evaluation import reader
from salt_like.evaluation.contents import TaskRecord
from salt_like.evaluation.evaluate import evaluate, make_cuts
from salt_like.evaluation.metric import Metric
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.reader import PredictionFile, decode
from salt_like.evaluation.regression import regress
from salt_like.evaluation.results import Evaluation
from salt_like.evaluation.table import headline, listings, summary, with_error
from salt_like.evaluation.working_points import Cuts, WorkingPoint
from salt_like.spec import Discriminant, Label, Output


def named(evaluation: Evaluation, task: str) -> dict[str, Metric]:
    (result,) = (one for one in evaluation.tasks if one.task == task)
    return {metric.name: metric for metric in result.metrics}


def test_contents_survive(tmp_path: Path) -> None:
    made = file(tmp_path / "a.h5", weight="weight", generator="Pythia")
    assert PredictionFile(made).contents == contents(weight="weight", generator="Pythia")
    assert evaluate(made).plain()["generator"] == "Pythia"


def test_metrics_belong_to_their_columns_and_labels(tmp_path: Path) -> None:
    content = arrays()
    jets, tracks = content["jets"], content["tracks"]
    found = evaluate(file(tmp_path / "a.h5"))
    assert (found.sample, found.model, found.jets) == ("ttbar", "m", N)
    assert found.ranges == {"pt": (jets["pt"].min(), jets["pt"].max(), "GeV")}
    flavour = np.searchsorted([0, 4, 5], jets["flavour"])
    said = np.stack([jets[f"m_p{name}"] for name in FLAVOURS], 1)
    assert named(found, "flavour")["cross-entropy"].value == pytest.approx(-np.log(said[np.arange(N), flavour]).mean())
    assert named(found, "flavour")["accuracy"].value == pytest.approx((said.argmax(1) == flavour).mean())
    mass = regress(jets["m_mass"], np.where(jets["pt"] > 50, jets["mass"], np.nan), jets["m_mass_stddev"], 10.0, "GeV")
    assert list(named(found, "mass").values()) == [replace(one, name=f"mass: {one.name}") for one in mass]
    seen = tracks[tracks["valid"]]
    origin = np.where(seen["origin"] == 3, -1, seen["origin"])
    said = np.stack([seen[f"m_p{name}"] for name in ORIGINS], 1)
    right = (said.argmax(1) == origin)[origin >= 0]
    assert named(found, "origin")["accuracy"].value == pytest.approx(right.mean())
    assert [one.entries for one in found.tasks] == [N, (jets["pt"] > 50).sum(), (origin >= 0).sum(), len(seen)]


def test_vertices_use_the_origin_said_and_the_true_one(tmp_path: Path) -> None:
    content = arrays()
    perfect = {**content, "tracks": content["tracks"].copy()}
    tracks = perfect["tracks"]
    heavy = tracks["origin"] >= 2
    tracks["VertexIndex"] = tracks["vertex"] = np.where(heavy, 1, np.where(tracks["origin"] == 1, 0, -1))
    for index, name in enumerate(ORIGINS):
        tracks[f"m_p{name}"] = np.where(tracks["origin"] == index, 0.9, 0.03)
    spec = contents().spec
    spec = replace(spec, labels=tuple(replace(one, ignore=()) for one in spec.labels))
    metrics = named(evaluate(file(tmp_path / "a.h5", perfect, spec=spec)), "vertices")
    for name in ("pair efficiency", "pair purity", "vertex efficiency", "vertex purity"):
        assert metrics[name].value == 1, name
    assert metrics["fake rate (jets without true vertex)"].value == 0


def test_without_an_origin_all_vertices_count(tmp_path: Path) -> None:
    spec = contents().spec
    labels = tuple(one for one in spec.labels if one.key != "origin")
    tasks = tuple(task for task in contents().tasks if task.name != "origin")
    tasks = tuple(replace(one, labels=one.labels[:1]) for one in tasks)
    metrics = named(evaluate(file(tmp_path / "a.h5", spec=replace(spec, labels=labels), tasks=tasks)), "vertices")
    assert metrics["heavy-flavour pair efficiency"].value == metrics["pair efficiency"].value


def test_regression_of_constituents_looks_at_those_that_the_model_saw(tmp_path: Path) -> None:
    content = arrays()
    random = np.random.default_rng(1)
    tracks = np.zeros((N, L), [*content["tracks"].dtype.descr, ("d0", "f4"), ("m_d0", "f4")])
    for name in content["tracks"].dtype.names:
        tracks[name] = content["tracks"][name]
    tracks["d0"], tracks["m_d0"] = random.normal(size=(2, N, L))
    spec = replace(contents().spec, labels=(Label("tracks", "d0", "d0", "real", mean=0.5, unit="mm"),))
    task = TaskRecord("d0", "tracks", ("d0",), (Output("tracks", "d0", "value"),))
    found = evaluate(file(tmp_path / "a.h5", {**content, "tracks": tracks}, spec=spec, tasks=(task,)))
    seen = tracks[tracks["valid"]]
    assert found.tasks[0].entries == len(seen)
    assert named(found, "d0")["d0: bias"].value == pytest.approx((seen["m_d0"] - seen["d0"]).mean(dtype="f8"))
    assert named(found, "d0")["d0: bias"].baseline == pytest.approx((0.5 - seen["d0"]).mean(dtype="f8"))


def test_discriminants_of_missing_classes_are_left_out(tmp_path: Path) -> None:
    found = evaluate(file(tmp_path / "a.h5"))
    assert [one.discriminant.name for one in found.discriminants] == ["Db"]
    assert found.discriminants[0].cuts.sample == "ttbar"


def test_cuts_from_elsewhere(tmp_path: Path) -> None:
    cuts = Cuts("other", {"Db": (WorkingPoint(0.7, (-1e9,), ((-1e9, -1e9),)),)})
    (result,) = evaluate(file(tmp_path / "a.h5"), cuts).discriminants
    assert result.cuts.sample == "other"
    assert result.points[0].signal_efficiency == 1
    assert result.points[0].rejections["ujets"].value == 1


def test_weights_enter_the_metrics_of_jets(tmp_path: Path) -> None:
    content = arrays()
    content["jets"]["weight"] = content["jets"]["flavour"] == 5
    found = named(evaluate(file(tmp_path / "a.h5", content, weight="weight")), "flavour")
    assert found["accuracy"].baseline == 1
    assert np.isnan(found["AUC bjets against rest"].value)


def with_track_regression(content: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The same with a regression of constituents."""
    random = np.random.default_rng(1)
    tracks = np.zeros((N, L), [*content["tracks"].dtype.descr, ("d0", "f4"), ("m_d0", "f4")])
    for name in content["tracks"].dtype.names:
        tracks[name] = content["tracks"][name]
    tracks["d0"], tracks["m_d0"] = random.normal(size=(2, N, L))
    spec = contents().spec
    spec = replace(spec, labels=(*spec.labels, Label("tracks", "d0", "d0", "real", mean=0.5, unit="mm")))
    task = TaskRecord("d0", "tracks", ("d0",), (Output("tracks", "d0", "value"),))
    return {**content, "tracks": tracks}, {"spec": spec, "tasks": (*contents().tasks, task)}


def test_jets_without_weight_count_nowhere(tmp_path: Path) -> None:
    content, changes = with_track_regression(arrays())
    content["jets"]["weight"] = 3 * (np.arange(N) % 2)
    weighted = evaluate(file(tmp_path / "a.h5", content, weight="weight", **changes))
    half = {name: array[1::2] for name, array in content.items()}
    expected = evaluate(file(tmp_path / "b.h5", half, **changes))
    assert (weighted.weight, weighted.effective, weighted.jets) == ("weight", N // 2, N)
    for one, other in zip(weighted.tasks, expected.tasks, strict=True):
        assert len(one.metrics) >= 3, one.task
        for metric, reference in zip(one.metrics, other.metrics, strict=True):
            assert metric.name == reference.name
            for found, wanted in (
                (metric.value, reference.value),
                (metric.error, reference.error),
                (metric.baseline, reference.baseline),
            ):
                assert found == pytest.approx(wanted, nan_ok=True), (one.task, metric.name)


def test_a_jet_of_negative_weight_takes_its_double_away(tmp_path: Path) -> None:
    content, changes = with_track_regression(arrays())
    content["jets"]["weight"] = 1
    double = {name: array[:40].copy() for name, array in content.items()}
    plus, minus = ({name: array.copy() for name, array in double.items()} for _ in range(2))
    minus["jets"]["weight"] = -1
    more = {name: np.concatenate([content[name], plus[name], minus[name]]) for name in content}
    expected = evaluate(file(tmp_path / "a.h5", content, weight="weight", **changes))
    found = evaluate(file(tmp_path / "b.h5", more, weight="weight", **changes))
    assert found.effective == pytest.approx(N**2 / (N + 80))
    for one, other in zip(found.tasks, expected.tasks, strict=True):
        for metric, reference in zip(one.metrics, other.metrics, strict=True):
            assert metric.value == pytest.approx(reference.value, rel=0.01, abs=0.01, nan_ok=True), metric.name
            # a class's AUC and means become less certain: fewer effective entries
            if metric.name in ("cross-entropy", "mass: bias") and one.stream == "jets":
                assert metric.error > reference.error


def test_weights_that_sum_to_nothing_are_refused(tmp_path: Path) -> None:
    content = arrays()
    content["jets"]["weight"] = np.where(np.arange(N) % 2, 1, -1)
    with pytest.raises(UserError, match=r"the weights 'weight' of the 400 jets of sample 'ttbar' sum to 0"):
        evaluate(file(tmp_path / "a.h5", content, weight="weight"))


def test_tables_say_that_weights_and_which_prior_are_used(tmp_path: Path) -> None:
    content = arrays()
    content["jets"]["weight"] = 1 + np.arange(N) % 2
    flavour, *others = contents().tasks
    tasks = (replace(flavour, prior=(0.25, 0.25, 0.5)), *others)
    found = evaluate(file(tmp_path / "a.h5", content, weight="weight", tasks=tasks))
    assert (
        headline(found).splitlines()[0] == "sample ttbar: 400 jets, weighted by weight (effective number 360), model m"
    )
    tables = listings(found)
    assert all("weighted by weight" in table.title for table in tables)
    said = "class-weighted: probabilities for 25 % ujets, 25 % cjets, 50 % bjets"
    assert [table.title.split(" on ")[0] for table in tables if table.title.splitlines()[-1:] == [said]] == [
        "flavour",
        "Db",
        "Db",
    ]
    assert found.plain()["weight"] == "weight"
    assert found.plain()["tasks"]["flavour"]["assumed_prior"] == {"ujets": 0.25, "cjets": 0.25, "bjets": 0.5}


def test_tables_name_absent_classes(tmp_path: Path) -> None:
    content = arrays()
    content["jets"]["flavour"] = np.where(content["jets"]["flavour"] == 5, 4, content["jets"]["flavour"])
    content["tracks"]["origin"] = np.where(content["tracks"]["origin"] == 2, 0, content["tracks"]["origin"])
    titles = [table.title for table in listings(evaluate(file(tmp_path / "a.h5", content)))]
    assert titles[0] == "flavour on ttbar, 400 labelled jets; none of class bjets"
    (title,) = (one for one in titles if "constituents in tracks; none" in one)
    assert title.endswith("constituents in tracks; none of class fromB, fromC")  # fromC is ignored


def test_jets_without_weight_do_not_move_the_cuts(tmp_path: Path) -> None:
    content = arrays()
    content["jets"]["weight"] = np.arange(N) % 2
    (weighted,) = evaluate(file(tmp_path / "a.h5", content, weight="weight")).discriminants
    half = {name: array[1::2] for name, array in content.items()}
    (expected,) = evaluate(file(tmp_path / "b.h5", half)).discriminants
    assert [point.cut for point in weighted.points] == [point.cut for point in expected.points]
    for one, other in zip(weighted.points, expected.points, strict=True):
        assert one.rejections["ujets"] == other.rejections["ujets"]
        assert one.signal_error == pytest.approx(other.signal_error)


@pytest.mark.parametrize("size", [7, 50, 10_000])
def test_size_of_the_pieces_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    content, changes = with_track_regression(arrays())
    path = file(tmp_path / "a.h5", content, **changes)
    expected = evaluate(path, ranges=RANGES).plain()
    monkeypatch.setattr(reader, "JETS_PER_CHUNK", size)
    found = evaluate(path, ranges=RANGES).plain()
    for part, whole in zip((found, *found["by_range"]), (expected, *expected["by_range"]), strict=True):
        assert json.dumps(part["discriminants"]) == json.dumps(whole["discriminants"])
        for name, task in part["tasks"].items():
            other = whole["tasks"][name]
            assert len(task["by_class"]) == (0 if name in ("flavour", "origin") else 3)
            pairs = [(task["metrics"], other["metrics"])]
            pairs += [(task["by_class"][key], other["by_class"][key]) for key in other["by_class"]]
            for metrics, references in pairs:
                for metric, reference in zip(metrics, references, strict=True):
                    assert metric["value"] == pytest.approx(reference["value"]), (name, metric["name"])


def test_jets_of_an_event_are_left_out_together(tmp_path: Path) -> None:
    groups = PredictionFile(file(tmp_path / "a.h5")).groups()
    np.testing.assert_array_equal(groups[::2], groups[1::2])
    assert len(np.unique(groups)) == reader.GROUPS
    nameless = replace(contents().spec, event=())
    groups = PredictionFile(file(tmp_path / "b.h5", spec=nameless)).groups()
    assert np.bincount(groups).tolist() == [N // reader.GROUPS] * reader.GROUPS


def test_decode_maps_ignores_and_refuses() -> None:
    label = Label("jets", "id", "id", "class", ("a", "b"), values=((0, 0), (5, 1), (15, 1)), ignore=(4,))
    np.testing.assert_array_equal(decode(label, np.array([0, 5, 15, 4, 7, -3])), [0, 1, 1, -1, -1, -1])
    plain = Label("jets", "id", "id", "class", ("a", "b"), ignore=(0,))
    np.testing.assert_array_equal(decode(plain, np.array([0, 1, 2, -1])), [-1, 1, -1, -1])
    derived = Label("jets", "id[pt > 1]", "id", "class", ("a", "b"), values=((5, 0), (4, 1)))
    np.testing.assert_array_equal(decode(derived, np.array([0, 1, -1])), [0, 1, -1])


def test_other_files_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as out:
        out["jets"] = np.zeros(3)
    with pytest.raises(UserError, match=r"not a prediction file of this project: .*other\.h5"):
        evaluate(tmp_path / "other.h5")
    with pytest.raises(UserError, match="not a prediction file"):
        evaluate(tmp_path / "absent.h5")


def test_tables_state_what_one_must_know(tmp_path: Path) -> None:
    found = evaluate(file(tmp_path / "a.h5"))
    assert headline(found).splitlines()[0] == "sample ttbar: 400 jets, model m"
    assert headline(found).endswith("GeV")
    tables = listings(found)
    assert [len({len(row) for row in table.rows} | {len(table.headings)}) for table in tables] == [1] * 11
    shown = [table for table in tables if "observed against predicted" not in table.title]
    flavour, mass, mass_by_class, origin, vertices, vertices_by_class, points, scan = shown
    assert flavour.title == "flavour on ttbar, 400 labelled jets"
    assert flavour.rows[0][0] == "cross-entropy"
    assert flavour.rows[0][3] == "training prior"
    assert [row[0] for row in flavour.rows[-2:]] == ["ECE at the training's fractions", "ECE at the sample's fractions"]
    assert origin.rows[-1][0] == "ECE at the training's fractions"
    titles = [table.title.splitlines()[0] for table in tables if table not in shown]
    assert titles[0].endswith("for the class fractions of the training (50 % ujets, 30 % cjets, 20 % bjets)")
    assert "for the class fractions of this sample (" in titles[1]
    assert mass.rows[0][0] == "mass: bias [GeV]"
    assert mass_by_class.title == "mass on ttbar by class of the jets"
    assert [row[0] for row in mass_by_class.rows] == [name for name in FLAVOURS for _ in mass.rows]
    assert origin.title.startswith("origin on ttbar")
    assert vertices.headings == ("metric", "value", "all in one vertex", "no vertex", "the truth")
    assert [row[0] for row in vertices.rows[:2]] == ["pair efficiency", "pair purity"]
    assert vertices.rows[0][2:] == ("1", "0", "1")
    assert [row[:2] for row in vertices_by_class.rows[:2]] == [
        ("ujets", "vertex efficiency"),
        ("ujets", "vertex purity"),
    ]
    assert points.title == "Db on ttbar = ln p(bjets) / (0.2 p(cjets) + 0.8 p(ujets))\ncuts made on this sample"
    assert [row[0] for row in points.rows] == ["60 %", "65 %", "70 %", "77 %", "85 %", "90 %"]
    assert scan.title == ("Db on ttbar against the fraction of cjets (used: 0.2), 70 % bjets efficiency on these jets")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.12345, 0.0123, "0.123 ± 0.012"),
        (1234.5, 67.8, "1234 ± 68"),
        (0.5, float("nan"), "0.5"),
        (1.0, 0.0, "1"),
        (float("nan"), 1.0, "-"),
    ],
)
def test_digits(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


def test_evaluation_imports_no_torch() -> None:
    code = "import sys, salt_like.evaluation.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_range_is_like_a_file_of_its_jets(tmp_path: Path) -> None:
    content, changes = with_track_regression(arrays())
    content["jets"]["weight"] = 1 + np.arange(N) % 3
    found = evaluate(file(tmp_path / "a.h5", content, weight="weight", **changes), ranges=RANGES)
    assert [part.within for part in found.parts] == list(RANGES)
    for part in found.parts:
        inside = part.within.contains(content["jets"]["pt"])
        assert part.jets == inside.sum() > 100
        path = tmp_path / "part.h5"
        some = {name: array[inside] for name, array in content.items()}
        alone = evaluate(file(path, some, weight="weight", **changes), found.discriminants[0].cuts)
        expected, result = alone.plain(), found.plain()["by_range"][found.parts.index(part)]
        assert result["ranges"] == expected["ranges"]
        assert result["effective_jets"] == pytest.approx(expected["effective_jets"])
        for key in ("points", "flat", "curve"):
            assert result["discriminants"]["Db"][key] == expected["discriminants"]["Db"][key], key
        for name, task in result["tasks"].items():
            for metric, other in zip(task["metrics"], expected["tasks"][name]["metrics"], strict=True):
                assert metric["value"] == pytest.approx(other["value"]), (name, metric["name"])


def test_cuts_are_made_in_the_first_range_that_has_jets(tmp_path: Path) -> None:
    content = arrays()
    path = file(tmp_path / "a.h5", content)
    (result,) = evaluate(path, ranges=RANGES).discriminants
    assert (result.cuts.sample, result.cuts.within, result.cuts.sources) == ("ttbar", RANGES[0], ("a.h5", "b.h5"))
    jets = content["jets"]
    is_b = (jets["flavour"] == 5) & RANGES[0].contains(jets["pt"])
    values = np.log(jets["m_pbjets"] / (0.2 * jets["m_pcjets"] + 0.8 * jets["m_pujets"]))
    for point in result.points:
        assert (values[is_b] >= point.cut - 1e-6).mean() == pytest.approx(point.efficiency, abs=1 / is_b.sum())
    assert [point.made.field for point in result.flat] == ["pt"] * 6
    empty = (Range("pt", 1e6, 2e6), *RANGES)
    assert evaluate(path, ranges=empty).discriminants[0].cuts.within == RANGES[0]
    whole = make_cuts(path, RANGES, within=None)
    assert whole.within is None
    assert whole.points == make_cuts(path).points
    assert whole.flat["Db"]
    assert not make_cuts(path).flat


def test_scan_only_where_the_cuts_are_made(tmp_path: Path) -> None:
    found = evaluate(file(tmp_path / "a.h5"), ranges=RANGES)
    assert [part.discriminants[0].scan is not None for part in (found, *found.parts)] == [False, True, False]
    other = evaluate(file(tmp_path / "b.h5", sample="zprime"), found.discriminants[0].cuts, RANGES)
    assert not any(part.discriminants[0].scan for part in (other, *other.parts))
    assert other.parts[0].discriminants[0].points == found.parts[0].discriminants[0].points


def test_ranges_of_no_field_and_of_no_jet(tmp_path: Path) -> None:
    path = file(tmp_path / "a.h5")
    with pytest.raises(UserError, match=r"no field 'weigt' of the jets to make ranges of \(did you mean 'weight'"):
        evaluate(path, ranges=(Range("weigt", 0, 1),))
    found = evaluate(path, ranges=(*RANGES, Range("pt", 1e6, 2e6)))
    assert found.parts[2].jets == 0
    assert all(not task.metrics for task in found.parts[2].tasks)
    assert listings(found, flat=True)


def test_working_points_of_something_else_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path / "a.h5")
    cuts = make_cuts(path)
    with pytest.raises(UserError, match="are of model 'n', the predictions of 'm'"):
        evaluate(path, replace(cuts, model="n"))
    changed = {"Db": Discriminant("Db", "bjets", {"cjets": 0.1, "ujets": 0.9})}
    with pytest.raises(UserError, match="the working points of Db are of another discriminant"):
        evaluate(path, replace(cuts, definitions=changed))


def test_by_class_is_like_a_file_of_that_class(tmp_path: Path) -> None:
    content, changes = with_track_regression(arrays())
    content["jets"]["weight"] = 1 + np.arange(N) % 3
    found = evaluate(file(tmp_path / "a.h5", content, weight="weight", **changes))
    for raw, name in zip((0, 4, 5), FLAVOURS, strict=True):
        some = {key: array[content["jets"]["flavour"] == raw] for key, array in content.items()}
        alone = evaluate(file(tmp_path / f"{name}.h5", some, weight="weight", **changes))
        for task in ("mass", "vertices", "d0"):
            (result,) = (one for one in found.tasks if one.task == task)
            expected = named(alone, task)
            assert len(result.by_class[name]) >= 3
            for metric in result.by_class[name]:
                assert metric.value == pytest.approx(expected[metric.name].value, nan_ok=True), (task, metric.name)
                assert metric.error == pytest.approx(expected[metric.name].error, nan_ok=True), (task, metric.name)


def test_tables_by_range(tmp_path: Path) -> None:
    found = evaluate(file(tmp_path / "a.h5"), ranges=RANGES)
    tables = {table.title.partition(" = ")[0].partition(";")[0]: table for table in listings(found, flat=True)}
    flavour = tables["flavour on ttbar by range"]
    first, second = found.parts
    assert flavour.headings[1:] == (
        "all 400 jets",
        f"20 ≤ pt < 60 GeV, {first.jets} jets",
        f"pt ≥ 60 GeV, {second.jets} jets",
    )
    assert flavour.rows[1][2].startswith(f"{named(first, 'flavour')['accuracy'].value:.3f} ± ")
    assert flavour.rows[1][2].endswith(f"({named(first, 'flavour')['accuracy'].baseline:.4g})")
    points, flats = (table for table in listings(found, flat=True) if table.title.startswith("Db on ttbar = "))
    assert points.title.endswith("cuts made on this sample, 20 ≤ pt < 60 GeV")
    assert [row[0] for row in points.rows] == ["all"] * 6 + ["20 ≤ pt < 60 GeV"] * 6 + ["pt ≥ 60 GeV"] * 6
    assert len({row[3] for row in points.rows if row[1] == "70 %"}) == 1
    assert flats.title.endswith("cuts made on this sample for the same efficiency in 1 bins of pt")
    assert any(title.startswith("Db on ttbar, 20 ≤ pt < 60 GeV against the fraction of cjets") for title in tables)


def test_the_summary_is_of_all_jets_and_fits_on_a_screen(tmp_path: Path) -> None:
    found = evaluate(file(tmp_path / "a.h5"), ranges=RANGES)
    tables, every = summary(found, flat=True), listings(found, flat=True)
    titles = ["flavour on ttbar", "mass on ttbar", "origin on ttbar", "vertices on ttbar", "Db on ttbar", "Db on ttbar"]
    assert [table.title.partition(",")[0].partition(" =")[0] for table in tables] == titles
    assert [table for table in tables if table in every] == tables[:4]
    points, flats = tables[4:]
    for one, other in zip(
        (points, flats), (table for table in every if table.title.startswith("Db on ttbar =")), strict=True
    ):
        assert one.title == other.title
        assert [("all", *row) for row in one.rows] == [row for row in other.rows if row[0] == "all"]
    assert len(points.rows) == len(flats.rows) == 6
    assert [len(table.rows) for table in summary(found)] == [len(table.rows) for table in tables[:-1]]


def test_confusion_residuals_and_distributions_are_those_of_the_metrics(tmp_path: Path) -> None:
    content = arrays()
    jets = content["jets"]
    weights = jets["weight"].astype(float)
    found = evaluate(file(tmp_path / "a.h5", weight="weight"), ranges=RANGES)
    for part in (found, *found.parts):
        for name in ("flavour", "origin"):
            (task,) = (one for one in part.tasks if one.task == name)
            sums = np.array(task.confusion)
            assert task.classes == (FLAVOURS if name == "flavour" else ORIGINS)
            assert np.trace(sums) / sums.sum() == pytest.approx(named(part, name)["accuracy"].value)
    flavour = np.searchsorted([0, 4, 5], jets["flavour"])
    said = np.stack([jets[f"m_p{name}"] for name in FLAVOURS], 1).argmax(1)
    (task,) = (one for one in found.tasks if one.task == "flavour")
    for true, guess in ((0, 1), (1, 0), (2, 2)):
        expected = weights[(flavour == true) & (said == guess)].sum()
        assert task.confusion[true][guess] == pytest.approx(expected)
    (task,) = (one for one in found.tasks if one.task == "mass")
    has = jets["pt"] > 50
    difference = jets["m_mass"][has].astype(float) - jets["mass"][has]
    drawn = task.residuals["mass"]
    expected, _ = np.histogram(difference, drawn.edges, weights=weights[has])
    assert drawn.shares == pytest.approx(expected / weights[has].sum())
    pulls = task.pulls["mass"]
    expected, _ = np.histogram(difference / jets["m_mass_stddev"][has], pulls.edges, weights=weights[has])
    assert pulls.edges == pytest.approx(np.linspace(-5, 5, 51))
    assert pulls.shares == pytest.approx(expected / weights[has].sum())
    (result,) = found.discriminants
    p = {name: jets[f"m_p{name}"].astype(float) for name in FLAVOURS}
    values = np.log(p["bjets"] / (0.2 * p["cjets"] + 0.8 * p["ujets"]))
    assert set(result.distribution) == set(FLAVOURS)
    for index, name in enumerate(FLAVOURS):
        drawn, chosen = result.distribution[name], flavour == index
        expected, _ = np.histogram(values[chosen], drawn.edges, weights=weights[chosen])
        assert drawn.shares == pytest.approx(expected / weights[chosen].sum())
    written = json.loads(json.dumps(found.plain(), allow_nan=False))
    assert written["tasks"]["origin"]["confusion"]["classes"] == list(ORIGINS)
    assert written["tasks"]["mass"]["confusion"] is None
