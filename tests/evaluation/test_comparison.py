from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from salt_like.errors import UserError
from salt_like.evaluation.classification import classify
from salt_like.evaluation.comparison import Comparison, compare
from salt_like.evaluation.contents import Contents, TaskRecord
from salt_like.evaluation.evaluate import evaluate
from salt_like.evaluation.paired import Compared
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.resampling import Interval
from salt_like.reweighting import Reweighting
from salt_like.spec import DataSpec, Discriminant, Label, Output, Stream, Variable

CLASSES = ("ujets", "cjets", "bjets")
N = 1500
DB = Discriminant("Db", "bjets", {"cjets": 0.2, "ujets": 0.8})


def contents(model: str, **changes: object) -> Contents:
    spec = DataSpec(
        streams=(Stream("jets", (Variable("pt", unit="GeV"),), is_global=True),),
        labels=(Label("jets", "flavour", "flavour", "class", CLASSES, prior=(0.4, 0.3, 0.3)),),
        discriminants=(DB,),
        event=("eventNumber",),
    )
    outputs = tuple(Output("jets", f"p{name}", "probability", of_class=name) for name in CLASSES)
    tasks = (TaskRecord("flavour", "jets", ("flavour",), outputs),)
    return replace(Contents(model, "ttbar", ("a.h5",), "best.ckpt", spec, tasks), **changes)


def jets(model: str, power: float, seed: int, **columns: np.ndarray) -> np.ndarray:
    """The same jets for every seed, and a tagger of some power."""
    same, random = np.random.default_rng(0), np.random.default_rng(seed)
    names = [f"{model}_p{name}" for name in CLASSES]
    rows = np.zeros(N, [("row", "i8"), ("eventNumber", "i8"), ("flavour", "i4"), *((n, "f4") for n in ("pt", *names))])
    rows["row"], rows["eventNumber"] = np.arange(N), np.arange(N) // 3
    rows["flavour"], rows["pt"] = same.integers(-1, 3, N), same.uniform(20, 300, N)
    common = same.normal(size=(N, 3))
    logits = (
        common + 0.3 * random.normal(size=(N, 3)) + power * np.eye(3)[rows["flavour"]] * (rows["flavour"] >= 0)[:, None]
    )
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for name, share in zip(names, shares.T, strict=True):
        rows[name] = share
    for name, column in columns.items():
        rows[name] = column
    return rows


def file(path: Path, model: str = "m", power: float = 1.5, seed: int = 1, rows: np.ndarray | None = None, **changes):
    with h5py.File(path, "w") as out:
        out.attrs.update(contents(model, **changes).attributes())
        out["jets"] = jets(model, power, seed) if rows is None else rows
    return PredictionFile(path)


def named(found: Comparison) -> dict[str, Compared]:
    return {one.name: one for one in (*found.ratios, *found.differences)}


def weighted(**changes: object) -> DataSpec:
    weights = Reweighting("flavour", CLASSES, ("pt",), ((20, 50, 250),), weights=(1.0,) * 6)
    return replace(contents("m").spec, reweighting=replace(weights, **changes))


@pytest.mark.parametrize(
    ("spec", "notes"),
    [
        (contents("m").spec, []),
        (weighted(), ["(none for A, weights in pt, target mean for B): part of any difference of cross-entropies"]),
        (
            replace(contents("m").spec, labels=(replace(contents("m").spec.labels[0], prior=(0.2, 0.5, 0.3)),)),
            ["class fractions of each training (ujets: 0.400 for A, 0.200 for B): `train test --prior` makes them"],
        ),
        (
            replace(contents("m").spec, labels=(replace(contents("m").spec.labels[0], prior=(0.404, 0.3, 0.296)),)),
            [],
        ),
    ],
)
def test_trainings_in_which_jets_counted_otherwise(tmp_path: Path, spec: DataSpec, notes: list[str]) -> None:
    found = compare(file(tmp_path / "a.h5"), file(tmp_path / "b.h5", spec=spec), resamples=20)
    assert len(found.notes) == len(notes)
    for note, expected in zip(found.notes, notes, strict=True):
        assert expected in note
    assert "cross-entropy" in named(found)


def test_trainings_with_weights_in_other_bins(tmp_path: Path) -> None:
    one = file(tmp_path / "a.h5", spec=weighted())
    assert compare(one, file(tmp_path / "b.h5", spec=weighted()), resamples=20).notes == ()
    other = file(tmp_path / "c.h5", spec=weighted(edges=((20, 100, 250),)))
    (note,) = compare(one, other, resamples=20).notes
    assert "(weights in pt, target mean, in other bins)" in note


def test_against_itself_everything_is_exactly_equal(tmp_path: Path) -> None:
    one = file(tmp_path / "a.h5")
    found = compare(one, PredictionFile(tmp_path / "a.h5"), resamples=50)
    assert len(found.ratios) == 12
    assert len(found.differences) == 4
    for each in found.ratios:
        assert each.change == Interval(1, 1, 1, 1, 1), each.name
    for each in found.differences:
        assert each.change == Interval(0, 0, 0, 0, 0), each.name
    assert {each.verdict for each in named(found).values() if each.conclusive} == {"no difference shown"}
    assert (found.jets, found.events, found.by_event) == (N, N // 3, True)


def test_numbers_are_those_of_an_evaluation_of_each(tmp_path: Path) -> None:
    one, other = file(tmp_path / "a.h5"), file(tmp_path / "b.h5", "n", 2.0, 2)
    found = named(compare(one, other, resamples=20))
    for side, path in (("first", tmp_path / "a.h5"), ("second", tmp_path / "b.h5")):
        evaluation = evaluate(path)
        (result,) = evaluation.discriminants
        for point in result.points:
            for name in ("ujets", "cjets"):
                row = found[f"Db {100 * point.efficiency:.0f} %, {name} rejection"]
                if not point.rejections[name].limit:
                    assert getattr(row, side) == pytest.approx(point.rejections[name].value)
        for metric in evaluation.tasks[0].metrics:
            if metric.name != "accuracy":
                assert getattr(found[metric.name], side) == pytest.approx(metric.value), metric.name
    for row in found.values():
        expected = row.second / row.first if row.neutral else row.second - row.first
        if row.conclusive:
            assert row.change.value == pytest.approx(expected), row.name


def test_the_better_one_is_named_and_few_jets_are_inconclusive(tmp_path: Path) -> None:
    weak, strong = file(tmp_path / "a.h5", power=1.5), file(tmp_path / "b.h5", "n", 2.5, 2)
    found, back = named(compare(weak, strong, 200)), named(compare(strong, weak, 200))
    for name in ("Db 90 %, ujets rejection", "cross-entropy", "AUC bjets against rest"):
        assert found[name].verdict == "B is better", name
        assert back[name].verdict == "A is better", name
    assert found["cross-entropy"].change.high95 < 0
    ratio, inverse = (one["Db 90 %, ujets rejection"].change for one in (found, back))
    assert inverse.value == pytest.approx(1 / ratio.value)
    assert inverse.low95 == pytest.approx(1 / ratio.high95, rel=0.05)
    few = found["Db 60 %, ujets rejection"]
    assert few.passing < 10
    assert few.verdict == f"inconclusive: only {few.passing:.0f} jets pass"


@pytest.mark.parametrize("kind", [2, -2])
def test_few_events_with_signal_are_inconclusive(tmp_path: Path, kind: int) -> None:
    """Eight events hold all b-jets, or all jets that are none."""
    sides = []
    for model, seed in (("m", 1), ("n", 2)):
        rows = jets(model, 1.5, seed)
        inside = rows["eventNumber"] < 8
        rows["flavour"] = np.where(inside, 2, 0) if kind > 0 else np.where(inside, 0, 2)
        sides.append(file(tmp_path / f"{model}.h5", model, rows=rows))
    found = named(compare(*sides, 20))
    assert found["AUC bjets against rest"].verdict == "inconclusive: only 8 events"
    assert found["cross-entropy"].conclusive
    assert found["Db 90 %, cjets rejection"].verdict == "inconclusive: only 0 jets pass"
    if kind > 0:
        assert found["Db 90 %, ujets rejection"].verdict == "inconclusive: only 8 events"


def test_weights_and_jets_without_a_label(tmp_path: Path) -> None:
    weights = np.random.default_rng(3).uniform(0, 2, N)
    rows = []
    for model, power, seed in (("m", 1.5, 1), ("n", 2.0, 2)):
        plain = jets(model, power, seed)
        more = np.zeros(N, [*plain.dtype.descr, ("weight", "f4")])
        for name in plain.dtype.names:
            more[name] = plain[name]
        more["weight"] = weights
        rows.append(more)
    one, other = (
        file(tmp_path / f"{model}.h5", model, rows=row, weight="weight")
        for model, row in zip(("m", "n"), rows, strict=True)
    )
    found = named(compare(one, other, 20))["cross-entropy"]
    shares = np.stack([rows[0][f"m_p{name}"] for name in CLASSES], 1)
    assert (rows[0]["flavour"] < 0).any()
    expected = classify(shares, rows[0]["flavour"], CLASSES, (), rows[0]["weight"])[0]
    assert found.first == pytest.approx(expected.value)
    unweighted = file(tmp_path / "c.h5", "n", rows=rows[1])
    with pytest.raises(UserError, match="not the same weight of jet 0"):
        compare(one, unweighted, 10)


def test_other_jets_are_refused(tmp_path: Path) -> None:
    one, rows = file(tmp_path / "a.h5"), jets("n", 2.0, 2)
    with pytest.raises(UserError, match=f"not the same jets: {N} in A and {N - 1} in B\nA: .*a.h5\nB: .*b.h5"):
        compare(one, file(tmp_path / "b.h5", "n", rows=rows[:-1]))
    for name in ("row", "eventNumber", "flavour", "pt"):
        changed = rows.copy()
        changed[name][17] += 1
        with pytest.raises(UserError, match=rf"not the same jets: {name} of jet 17 is .* \(1 of {N} jets differ\)"):
            compare(one, file(tmp_path / "b.h5", "n", rows=changed))
    rows["pt"][3] = np.nan  # not measured, in both
    same = jets("m", 1.5, 1)
    same["pt"][3] = np.nan
    assert compare(file(tmp_path / "c.h5", rows=same), file(tmp_path / "d.h5", "n", rows=rows), 5).jets == N


def test_other_classes_and_no_classes_are_refused(tmp_path: Path) -> None:
    one = file(tmp_path / "a.h5")
    spec = one.contents.spec
    swapped = replace(spec, labels=(replace(spec.labels[0], classes=("ujets", "bjets", "cjets")),))
    with pytest.raises(UserError, match="not the same classes: ujets, cjets, bjets in A and ujets, bjets, cjets in B"):
        compare(one, file(tmp_path / "b.h5", spec=swapped))
    with pytest.raises(UserError, match="nothing to compare\nflavour: only in A\nA: "):
        compare(one, file(tmp_path / "c.h5", tasks=()))
    mapped = replace(spec, labels=(replace(spec.labels[0], values=((0, 0), (1, 1), (2, 1))),))
    with pytest.raises(UserError, match="not the same class of jet"):
        compare(one, file(tmp_path / "d.h5", spec=mapped))
    bare = jets("m", 1.5, 1)[["row", "eventNumber", "pt", *(f"m_p{name}" for name in CLASSES)]]
    with pytest.raises(UserError, match="no label 'flavour' of the jets"):
        compare(one, file(tmp_path / "e.h5", rows=np.array(bare.tolist(), bare.dtype)))


def test_what_must_not_be_compared_is_left_out_and_said(tmp_path: Path) -> None:
    one = file(tmp_path / "a.h5")
    changed = replace(DB, background={"cjets": 0.1, "ujets": 0.9})
    spec = replace(one.contents.spec, discriminants=(changed,), event=())
    (task,) = one.contents.tasks
    other = file(tmp_path / "b.h5", "n", 2.0, 2, spec=spec, tasks=(replace(task, prior=(0.2, 0.4, 0.4)),))
    found = compare(one, other, 10)
    assert "cross-entropy" not in named(found)
    assert found.notes[0].startswith("probabilities for different class fractions")
    assert found.notes[1].startswith("Db: not the same fractions")
    assert found.by_event
    again = compare(other, PredictionFile(tmp_path / "b.h5"), 10)
    assert not again.by_event
    assert again.events == N
    assert again.notes[0].startswith("the files do not identify events")
    without = replace(one.contents.spec, discriminants=())
    assert compare(one, file(tmp_path / "c.h5", spec=without), 5).notes == ("Db: not in B",)


def test_a_range_of_the_jets(tmp_path: Path) -> None:
    within = Range("pt", 20, 100)
    one, other = (file(tmp_path / f"{name}.h5", name, seed=seed).within(within) for name, seed in (("m", 1), ("n", 2)))
    found = compare(one, other, 10)
    assert found.jets == within.contains(jets("m", 1.5, 1)["pt"]).sum()


def test_for_json(tmp_path: Path) -> None:
    one, other = file(tmp_path / "a.h5"), file(tmp_path / "b.h5", "n", 2.0, 2)
    calls = []
    found = compare(one, other, 30, seed=4, report=lambda done, total: calls.append((done, total)))
    content = found.plain()
    assert calls[-1] == (30, 30)
    assert (content["seed"], content["resamples"], content["models"]) == (4, 30, ["m", "n"])
    assert content["ratios"][-1]["verdict"] == found.ratios[-1].verdict
    assert content["ratios"][-1]["change"]["low95"] == found.ratios[-1].change.low95
