from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from salt_like.errors import UserError
from salt_like.evaluation import reader
from salt_like.evaluation.comparison import Comparison, compare
from salt_like.evaluation.contents import Contents, TaskRecord
from salt_like.evaluation.evaluate import evaluate
from salt_like.evaluation.matching import matched, questions
from salt_like.evaluation.paired import Compared
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.resampling import Interval
from salt_like.spec import DataSpec, Discriminant, Label, Output, Stream, Variable

FLAVOURS = ("ujets", "cjets", "bjets")
ORIGINS = ("pileup", "primary", "fromB", "fromC")
N, L = 600, 6
Arrays = dict[str, np.ndarray]


def contents(model: str, **changes: object) -> Contents:
    spec = DataSpec(
        streams=(Stream("jets", (Variable("pt", unit="GeV"),), is_global=True), Stream("tracks", capacity=L)),
        labels=(
            Label("jets", "flavour", "flavour", "class", FLAVOURS, prior=(0.5, 0.3, 0.2)),
            Label("jets", "mass", "mass", "real", mean=10.0, unit="GeV"),
            Label("tracks", "origin", "origin", "class", ORIGINS, prior=(0.25,) * 4),
            Label("tracks", "vertex", "vertex", "index"),
            Label("tracks", "d0", "d0", "real", unit="mm"),
        ),
        discriminants=(Discriminant("Db", "bjets", {"cjets": 0.2, "ujets": 0.8}),),
        event=("eventNumber",),
    )
    origins = tuple(Output("tracks", f"p{name}", "probability", of_class=name) for name in ORIGINS)
    mass = (Output("jets", "mass", "value", "GeV"), Output("jets", "mass_stddev", "sigma", "GeV"))
    flavours = tuple(Output("jets", f"p{name}", "probability", of_class=name) for name in FLAVOURS)
    tasks = (
        TaskRecord("flavour", "jets", ("flavour",), flavours),
        TaskRecord("mass", "jets", ("mass",), mass),
        TaskRecord("origin", "tracks", ("origin",), origins),
        TaskRecord("vertices", "tracks", ("vertex", "origin"), (Output("tracks", "VertexIndex", "index"),)),
        TaskRecord("impact", "tracks", ("d0",), (Output("tracks", "d0", "value", "mm"),)),
    )
    return replace(Contents(model, "ttbar", ("a.h5",), "best.ckpt", spec, tasks, weight="weight"), **changes)


def arrays(model: str, seed: int) -> Arrays:
    """The same jets and constituents for every seed, and predictions of which a part is right."""
    same, random = np.random.default_rng(0), np.random.default_rng(seed)
    said = [f"{model}_{name}" for name in ("mass", "mass_stddev", *(f"p{one}" for one in FLAVOURS))]
    jets = np.zeros(
        N, [("eventNumber", "i8"), ("flavour", "i4"), *((n, "f4") for n in ("pt", "weight", "mass", *said))]
    )
    jets["eventNumber"], jets["flavour"] = np.arange(N) // 3, same.integers(-1, 3, N)
    jets["pt"], jets["weight"], jets["mass"] = (
        same.uniform(20, 300, N),
        same.uniform(0.5, 1.5, N),
        same.uniform(50, 99, N),
    )
    jets["mass"][::7] = np.nan
    jets[f"{model}_mass"] = same.uniform(50, 99, N) * random.normal(1, 0.1, N)
    jets[f"{model}_mass_stddev"] = random.uniform(5, 9, N)
    for name, share in zip(FLAVOURS, random.dirichlet(np.ones(3), N).T, strict=True):
        jets[f"{model}_p{name}"] = share
    kinds = [
        ("origin", "i1"),
        ("vertex", "i1"),
        ("VertexIndex", "i4"),
        ("valid", "?"),
        ("d0", "f4"),
        (f"{model}_d0", "f4"),
    ]
    tracks = np.zeros((N, L), kinds + [(f"{model}_p{name}", "f4") for name in ORIGINS])
    tracks["origin"], tracks["vertex"] = same.integers(-1, 4, (N, L)), same.integers(-2, 3, (N, L))
    tracks["origin"][tracks["vertex"] == 1] = 2
    tracks["valid"], tracks["d0"] = same.random((N, L)) < 0.8, same.normal(size=(N, L))
    tracks["VertexIndex"] = np.where(random.random((N, L)) < 0.7, tracks["vertex"], random.integers(0, 3, (N, L)))
    tracks[f"{model}_d0"] = np.where(tracks["valid"], tracks["d0"] + random.normal(size=(N, L)), np.nan)
    for name in ORIGINS:
        tracks[f"{model}_p{name}"] = np.where(tracks["valid"], random.uniform(0.1, 1, (N, L)), np.nan)
    return {"jets": jets, "tracks": tracks}


def file(path: Path, model: str = "m", seed: int = 1, given: Arrays | None = None, **changes: object) -> PredictionFile:
    with h5py.File(path, "w") as out:
        out.attrs.update(contents(model, **changes).attributes())
        for name, array in (given or arrays(model, seed)).items():
            out[name] = array
    return PredictionFile(path)


def without(array: np.ndarray, *names: str) -> np.ndarray:
    kept = [name for name in array.dtype.names if name not in names]
    found = np.zeros(array.shape, [(name, array.dtype[name]) for name in kept])
    for name in kept:
        found[name] = array[name]
    return found


def tasks(found: Comparison) -> dict[str, dict[str, Compared]]:
    return {one.task: {row.name: row for row in one.rows} for one in found.tasks}


@pytest.mark.parametrize("jets_per_chunk", [10_000, 170])
def test_numbers_are_those_of_an_evaluation_of_each(
    tmp_path: Path, jets_per_chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "JETS_PER_CHUNK", jets_per_chunk)
    sides = file(tmp_path / "a.h5"), file(tmp_path / "b.h5", "n", 2)
    found = compare(*sides, 20)
    assert found.notes == ()
    rows = tasks(found)
    assert list(rows) == ["mass", "origin", "vertices", "impact"]
    assert {one.task: one.stream for one in found.tasks}["mass"] == "jets"
    checked = 0
    for side, path in (("first", tmp_path / "a.h5"), ("second", tmp_path / "b.h5")):
        for result in evaluate(path).tasks:
            for metric in result.metrics:
                if result.task in rows and metric.name != "accuracy":
                    row = rows[result.task][metric.name]
                    assert getattr(row, side) == pytest.approx(metric.value, rel=1e-9), metric.name
                    assert row.unit == metric.unit
                    checked += 1
            for kind, metrics in result.by_class.items() if result.task == "vertices" else ():
                for metric in metrics:
                    if "pair" not in metric.name:
                        row = rows["vertices"][f"{metric.name.partition(' (')[0]}, {kind}"]
                        assert getattr(row, side) == pytest.approx(metric.value, rel=1e-9, nan_ok=True)
                        checked += 1
    # of mass 8, origin 6, vertices 7 beside three trivial ones and 3 per class beside three, impact 3
    assert checked == 2 * (8 + 6 + 7 * 3 + 9 * 3 + 3)
    for row in [one for each in rows.values() for one in each.values()]:
        assert row.conclusive, row.name
        ratio = row.name.endswith(("RMS", "half central 68 %", "68 % of value/target"))
        assert row.neutral == ratio
        assert row.change.value == pytest.approx(row.second / row.first if ratio else row.second - row.first), row.name


def test_against_itself_everything_is_exactly_equal(tmp_path: Path) -> None:
    found = compare(file(tmp_path / "a.h5"), file(tmp_path / "b.h5"), 30)
    rows = [row for one in found.tasks for row in one.rows]
    assert len(rows) == 8 + 6 + 16 + 3
    for row in rows:
        assert row.change == Interval(*[row.neutral] * 5), row.name
        assert row.verdict == "no difference shown", row.name
    content = found.plain()["tasks"]["origin"]
    assert content["stream"] == "tracks"
    assert content["metrics"][0]["name"] == "cross-entropy"
    assert content["metrics"][0]["verdict"] == "no difference shown"
    assert content["metrics"][-1]["detail"]


def test_pieces_of_the_file_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = file(tmp_path / "a.h5"), file(tmp_path / "b.h5", "n", 2)
    whole = tasks(compare(*sides, 20))
    monkeypatch.setattr(reader, "JETS_PER_CHUNK", 170)
    pieces = tasks(compare(PredictionFile(tmp_path / "a.h5"), PredictionFile(tmp_path / "b.h5"), 20))
    for name, rows in whole.items():
        for one, row in rows.items():
            assert astuple(pieces[name][one].change) == pytest.approx(astuple(row.change), rel=1e-9), one
            assert row.change.low95 < row.change.high95


def test_a_range_and_no_weights(tmp_path: Path) -> None:
    within = Range("pt", 20, 100)
    sides = (file(tmp_path / f"{one}.h5", one, seed, weight=None) for seed, one in enumerate("mn"))
    found = compare(*(one.within(within) for one in sides), 5)
    expected = evaluate(tmp_path / "m.h5", ranges=[within]).parts[0].tasks[2].metrics
    assert tasks(found)["origin"]["macro-F1"].first == pytest.approx(expected[2].value)


def test_better_is_nearer_to_the_ideal(tmp_path: Path) -> None:
    given = {model: arrays(model, 1) for model in "mn"}
    noise = np.random.default_rng(0).normal(size=N)
    for model, shift, width in (("m", 3.0, 1.0), ("n", -1.0, 2.0)):
        jets = given[model]["jets"]
        jets[f"{model}_mass"] = jets["mass"] + shift + noise
        jets[f"{model}_mass_stddev"] = width
    rows = tasks(
        compare(file(tmp_path / "a.h5", "m", given=given["m"]), file(tmp_path / "b.h5", "n", given=given["n"]), 100)
    )
    assert rows["mass"]["mass: bias"].verdict == "B is better"
    assert rows["mass"]["mass: bias"].change.value == pytest.approx(-4, abs=1e-4)
    assert rows["mass"]["mass: bias"].distance.value == pytest.approx(-2, abs=0.2)
    assert rows["mass"]["mass: pull width (half central 68 %)"].verdict == "A is better"
    assert rows["mass"]["mass: RMS"].verdict == "B is better"
    assert rows["mass"]["mass: half central 68 %"].verdict == "no difference shown"
    given["n"]["jets"]["n_mass"] = given["n"]["jets"]["mass"] - 3.05 + noise
    again = tasks(
        compare(file(tmp_path / "c.h5", "m", given=given["m"]), file(tmp_path / "d.h5", "n", given=given["n"]), 100)
    )
    assert again["mass"]["mass: bias"].verdict == "different, neither shown to be better"


def test_fewer_fakes_and_more_vertices_are_better(tmp_path: Path) -> None:
    given = {model: arrays(model, 1) for model in "mn"}
    given["n"]["tracks"]["VertexIndex"] = -1
    sides = (file(tmp_path / f"{model}.h5", model, given=one) for model, one in given.items())
    rows = tasks(compare(*sides, 50))["vertices"]
    assert rows["vertex efficiency"].verdict == rows["pair efficiency"].verdict == "A is better"
    assert rows["fake rate (jets without true vertex)"].verdict == "B is better"
    assert rows["vertex purity"].verdict == "inconclusive: nothing to measure"  # nothing found


def test_tasks_of_only_one_are_named(tmp_path: Path) -> None:
    one = file(tmp_path / "a.h5")
    flavour, mass, origin, vertices, _ = one.contents.tasks
    renamed = replace(origin, name="from_where")
    other = file(tmp_path / "b.h5", "n", 2, tasks=(vertices, renamed))
    found = compare(one, other, 5)
    assert list(tasks(found)) == ["origin", "vertices"]
    assert found.ratios == found.differences == ()
    assert found.notes == ("flavour: only in A", "mass: only in A", "impact: only in A")
    assert compare(other, one, 5).notes[0] == "flavour: only in B"
    with pytest.raises(UserError, match="nothing to compare\nmass: only in A\nflavour: only in B\nA: .*\nB: "):
        compare(file(tmp_path / "c.h5", tasks=(mass,)), file(tmp_path / "d.h5", tasks=(flavour,)), 5)


def test_labels_of_other_names_are_the_same_question_where_there_is_only_one(tmp_path: Path) -> None:
    one = file(tmp_path / "a.h5")
    (origin, *_) = (task for task in one.contents.tasks if task.name == "origin")
    spec = one.contents.spec
    added = Label("tracks", "origin{1: primary}", "origin", "class", ORIGINS)
    two = (origin, replace(origin, name="again", labels=(added.key,)))
    spec = replace(spec, labels=(*spec.labels, added, Label("tracks", "from", "from", "class", ORIGINS)))
    first = questions(file(tmp_path / "b.h5", spec=spec, tasks=two))
    other = questions(file(tmp_path / "c.h5", spec=spec, tasks=(replace(origin, name="other", labels=("from",)),)))
    assert [(a.task.name, b.task.name) for a, b in matched(first[:1], other)[0]] == [("origin", "other")]
    assert matched(first, other) == ([], ["origin: only in A", "again: only in A", "other: only in B"])
    assert [b.task.name for _, b in matched(first[:1], first)[0]] == ["origin"]
    several = replace(
        origin,
        name="values",
        labels=("d0", "mass"),
        outputs=(*one.contents.tasks[4].outputs, *one.contents.tasks[1].outputs),
    )
    assert [str(each) for each in first] == ["origin", "again"]
    assert str(replace(questions(one)[1], task=several)) == "values, mass"


JET = 405
LEFT_OUT: dict[str, tuple[Callable[[np.ndarray, np.ndarray], None], str]] = {
    "classes": (
        lambda _, tracks: tracks["origin"].__setitem__((JET, 1), 9),
        "origin: left out, not the same true class",
    ),
    "vertices": (
        lambda _, tracks: tracks["vertex"].__setitem__((JET, 1), 9),
        f"vertices: left out, not the same true vertex of a constituent, in jet {JET}: .* in A and 9 in B",
    ),
    "targets": (
        lambda _, tracks: tracks["d0"].__setitem__((JET, 1), 9),
        f"impact: left out, not the same target d0, in jet {JET}",
    ),
    "origin NaN": (
        lambda _, tracks: tracks["n_pfromB"].__setitem__((JET, 1), np.nan),
        f"origin: left out, n_pfromB of B is no number in jet {JET}",
    ),
    "value NaN": (
        lambda _, tracks: tracks["n_d0"].__setitem__((JET, 1), np.inf),
        f"impact: left out, n_d0 of B is no number in jet {JET}",
    ),
    "sigma": (
        lambda jets, _: jets["n_mass_stddev"].__setitem__(JET, 0),
        f"mass: left out, n_mass_stddev of B is not positive in jet {JET}",
    ),
    "sigma NaN": (
        lambda jets, _: jets["n_mass_stddev"].__setitem__(JET, np.nan),
        f"mass: left out, n_mass_stddev of B is no number in jet {JET}",
    ),
    "heavy": (
        lambda _, tracks: tracks["origin"].__setitem__((JET, 1), 2),
        f"(.*\n)?vertices: left out, not the same true origin of a constituent, in jet {JET}: False in A and True in B",
    ),
    "fewer": (
        lambda _, tracks: tracks["valid"].__setitem__((JET, slice(None)), False),
        f"origin: left out, not the same constituents: [1-6] in jet {JET} of A and 0 in that of B",
    ),
    "other slots": (
        lambda _, tracks: tracks["valid"].__setitem__(JET, ~tracks["valid"][JET]),
        "origin: left out, not the same constituents: as many in each jet, in other slots",
    ),
}


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_what_cannot_be_compared_is_left_out_and_said(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "JETS_PER_CHUNK", 400)  # that jet is not in the first piece
    change, said = LEFT_OUT[kind]
    first, second = arrays("m", 1), arrays("n", 2)
    for one in (first, second):
        one["tracks"]["valid"][JET] = [True, True, True, False, False, False]  # a jet with three constituents
        one["tracks"]["origin"][JET] = 1
        for name in one["tracks"].dtype.names[5:]:
            one["tracks"][name][JET] = 0.5
    change(second["jets"], second["tracks"])
    sides = file(tmp_path / "a.h5", given=first), file(tmp_path / "b.h5", "n", given=second)
    found = compare(*sides, 5)
    assert found.ratios
    notes = "\n".join(found.notes)
    assert len(found.notes) == {"fewer": 3, "other slots": 3, "heavy": 2}.get(kind, 1)
    assert re.match(said, notes), notes
    named = [note.partition(":")[0] for note in found.notes]
    assert not set(named) & set(tasks(found))
    assert len(tasks(found)) + len(named) == 4


def test_files_without_labels(tmp_path: Path) -> None:
    first, second = arrays("m", 1), arrays("n", 2)
    second["tracks"] = without(second["tracks"], "origin", "vertex")
    second["jets"] = without(second["jets"], "mass")
    found = compare(file(tmp_path / "a.h5", given=first), file(tmp_path / "b.h5", "n", given=second), 5)
    assert list(tasks(found)) == ["impact"]
    assert found.notes == tuple(
        f"{task}: left out, no label '{name}' of {stream} in B; `train test` copies labels"
        for task, name, stream in (
            ("mass", "mass", "jets"),
            ("origin", "origin", "tracks"),
            ("vertices", "vertex", "tracks"),
        )
    )
    second["jets"] = without(second["jets"], "flavour")
    with pytest.raises(UserError, match="no label 'flavour' of the jets"):
        compare(file(tmp_path / "c.h5", given=first), file(tmp_path / "d.h5", "n", given=second), 5)
    second = arrays("n", 2)
    second["jets"]["n_pbjets"][np.flatnonzero(second["jets"]["flavour"] >= 0)[3]] = np.nan
    with pytest.raises(UserError, match=f"n_pbjets is no number in 1 of {N} jets, the first of which is "):
        compare(file(tmp_path / "e.h5", given=first), file(tmp_path / "f.h5", "n", given=second), 5)


def test_origins_of_one_file_say_for_both_what_is_heavy(tmp_path: Path) -> None:
    first, second = arrays("m", 1), arrays("n", 1)
    bare = {**second, "tracks": without(second["tracks"], "origin")}
    expected = tasks(compare(file(tmp_path / "a.h5", given=first), file(tmp_path / "b.h5", "n", given=second), 5))
    (no_origin,) = ([task for task in contents("n").tasks if task.name != "origin"],)
    other = file(tmp_path / "c.h5", "n", given=bare, tasks=tuple(no_origin))
    for sides, side in (
        ((file(tmp_path / "a2.h5", given=first), other), "second"),
        ((other, file(tmp_path / "a3.h5", given=first)), "first"),
    ):
        found = compare(*sides, 5)
        assert "vertices: only " + ("A" if side == "second" else "B") + " has the origins" in "\n".join(found.notes)
        row = tasks(found)["vertices"]["heavy-flavour pair efficiency"]
        assert getattr(row, side) == pytest.approx(expected["vertices"]["heavy-flavour pair efficiency"].second)


def test_other_priors_classes_and_widths(tmp_path: Path) -> None:
    one = file(tmp_path / "a.h5")
    flavour, mass, origin, *rest = one.contents.tasks
    changed = (flavour, replace(mass, outputs=mass.outputs[:1]), replace(origin, prior=(0.1, 0.2, 0.3, 0.4)), *rest)
    given = arrays("n", 2)
    given["jets"] = without(given["jets"], "n_mass_stddev")
    found = compare(one, file(tmp_path / "b.h5", "n", given=given, tasks=changed), 5)
    assert "cross-entropy" not in tasks(found)["origin"]
    expected = evaluate(tmp_path / "b.h5").tasks[2].metrics
    assert tasks(found)["origin"]["macro-F1"].second == pytest.approx(expected[2].value)
    assert set(found.notes) == {
        "origin: probabilities for different class fractions, cross-entropies are not compared",
        "mass: only one of the two says a standard deviation",
    }
    assert [name.partition(": ")[2] for name in tasks(found)["mass"]][-1] == "half central 68 % of value/target"
    spec = one.contents.spec
    labels = tuple(replace(label, classes=ORIGINS[::-1]) if label.key == "origin" else label for label in spec.labels)
    notes = compare(one, file(tmp_path / "c.h5", spec=replace(spec, labels=labels)), 5).notes
    assert notes[0] == (
        f"origin: left out, not the same classes: {', '.join(ORIGINS)} in A and {', '.join(ORIGINS[::-1])} in B"
    )


def test_two_values_of_one_task_stand_together(tmp_path: Path) -> None:
    spec = contents("m").spec
    spec = replace(spec, labels=(*spec.labels, Label("jets", "weight", "weight", "real")))
    mass = contents("m").tasks[1]
    both = replace(mass, labels=("mass", "weight"), outputs=(mass.outputs[0], Output("jets", "weight", "value")))
    sides = []
    for seed, model in enumerate("mn"):
        given = arrays(model, seed)
        more = np.zeros(N, [*given["jets"].dtype.descr, (f"{model}_weight", "f4")])
        for name in given["jets"].dtype.names:
            more[name] = given["jets"][name]
        sides.append(file(tmp_path / f"{model}.h5", model, given={**given, "jets": more}, spec=spec, tasks=(both,)))
    (found,) = compare(*sides, 5).tasks
    assert [row.name for row in found.rows if "RMS" in row.name] == ["mass: RMS", "weight: RMS"]
    first, second = questions(sides[0])
    assert (str(first), str(second)) == ("mass, mass", "mass, weight")
    assert matched([first], [second]) == ([], ["mass, mass: only in A", "mass, weight: only in B"])


def test_a_second_classification_of_jets(tmp_path: Path) -> None:
    given = [arrays(model, seed) for seed, model in enumerate("mn")]
    flavour, *_ = contents("m").tasks
    again = replace(flavour, name="again")
    sides = [
        file(tmp_path / f"{model}.h5", model, given=one, tasks=(flavour, again))
        for model, one in zip("mn", given, strict=True)
    ]
    found = compare(*sides, 10)
    rows = tasks(found)["again"]
    assert [*found.ratios, *found.differences] == list(rows.values())
    assert {row.neutral for row in rows.values()} == {0, 1}


def test_few_events_and_no_constituents(tmp_path: Path) -> None:
    for number, said in ((1, "inconclusive: only 1 event"), (27, "inconclusive: only 9 events")):
        sides = []
        for seed, model in enumerate("mn"):
            given = {name: one[1 : number + 1] for name, one in arrays(model, seed).items()}
            given["jets"]["eventNumber"] = np.arange(number) // 3
            given["tracks"]["valid"] = True
            given["tracks"]["vertex"] = given["tracks"]["origin"] = 2
            for name in given["tracks"].dtype.names[4:]:
                given["tracks"][name] = np.nan_to_num(given["tracks"][name], nan=0.5)
            sides.append(file(tmp_path / f"{model}{number}.h5", model, given=given))
        rows = tasks(compare(*sides, 20))
        assert rows["mass"]["mass: bias"].verdict == said
        assert rows["origin"]["cross-entropy"].verdict == said
        assert rows["origin"]["AUC pileup against rest"].verdict == "inconclusive: nothing to measure"
        assert rows["vertices"]["pair efficiency"].verdict == said
    sides = []
    for seed, model in enumerate("mn"):
        given = arrays(model, seed)
        given["tracks"]["valid"] = False
        given["jets"]["mass"] = np.nan
        sides.append(file(tmp_path / f"{model}.h5", model, given=given))
    assert compare(*sides, 5).notes == (
        "mass: left out, no row has a target",
        "origin: left out, no labelled constituent in tracks",
        "vertices: left out, no constituent in tracks",
        "impact: left out, no row has a target",
    )
