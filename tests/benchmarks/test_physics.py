"""The pure parts of the comparison with Salt and weaver: numbers, intervals, files, and not training twice."""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from salt_like.evaluation.comparison import compare
from salt_like.evaluation.reader import PredictionFile
from salt_like.spec import DataSpec, Discriminant, Label, Stream

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CLASSES = ("ujets", "cjets", "bjets", "taujets")
PRIOR = (0.5, 0.2, 0.25, 0.05)
SPEC = DataSpec(
    (Stream("jets", is_global=True),),
    (Label("jets", "flavour_label", "flavour_label", "class", CLASSES, prior=PRIOR),),
    (Discriminant("Db", "bjets", {"cjets": 0.1, "taujets": 0.02, "ujets": 0.88}),),
    event=("eventNumber",),
)
JETS = 4000


@pytest.fixture(scope="module")
def physics():
    names = ("numbers", "predictions", "judge", "report", "runs", "samples")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield SimpleNamespace(**{name: importlib.import_module(f"physics_{name}") for name in names})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Jets of events of two, with their tracks."""
    random = np.random.default_rng(1)
    jets = np.zeros(JETS, [("pt", "f4"), ("eta", "f4"), ("flavour_label", "i4"), ("eventNumber", "i8")])
    jets["pt"] = random.uniform(30e3, 200e3, JETS)
    jets["flavour_label"] = random.choice(4, JETS, p=PRIOR)
    jets["eventNumber"] = np.arange(JETS) // 2
    tracks = np.zeros((JETS, 3), [("d0", "f4"), ("valid", "?")])
    tracks["d0"] = jets["pt"][:, None]
    path = tmp_path_factory.mktemp("source") / "ttbar.h5"
    with h5py.File(path, "w") as file:
        file["jets"], file["tracks"] = jets, tracks
        file["jets"].attrs["flavour_label"] = list(CLASSES)
    return path


def said(source, seed, strength=1.0):
    """Probabilities for the classes as frequent as in the file, right on average."""
    with h5py.File(source) as file:
        labels = file["jets"]["flavour_label"]
    logits = np.random.default_rng(seed).normal(size=(JETS, 4)) + strength * np.eye(4)[labels] + np.log(PRIOR)
    shares = np.exp(logits)
    return (shares / shares.sum(1, keepdims=True)).astype("f4")


@pytest.fixture(scope="module")
def files(physics, source, tmp_path_factory):
    """Two contenders with two seeds each; the second one is better."""
    folder = tmp_path_factory.mktemp("files")
    found = {}
    for name, strength in (("one", 1.0), ("two", 1.6)):
        scores = [said(source, seed, strength) for seed in (1, 2)]
        found[name] = [
            physics.predictions.write(folder / f"{name}{place}.h5", name, SPEC, source, one)
            for place, one in enumerate(scores)
        ]
    return found


def test_intervals_are_those_of_known_distributions(physics):
    half_width = physics.numbers.half_width
    assert half_width(0.5, [(0.0, 3), (0.0, 3)]) == pytest.approx((0.5 * 1.95996, 0.0), rel=1e-4)
    # two means of three seeds of equal spread: Student's t with four degrees of freedom
    error = 0.3 * math.sqrt(2 / 3)
    assert half_width(0.0, [(0.3, 3), (0.3, 3)]) == pytest.approx((2.77645 * error, error), rel=1e-4)
    # one seed, which is taken to scatter like the three others: two degrees of freedom
    error = 0.3 * math.sqrt(1 + 1 / 3)
    assert half_width(0.0, [(math.nan, 1), (0.3, 3)]) == pytest.approx((4.30265 * error, error), rel=1e-4)
    half, seeds = half_width(0.5, [(math.nan, 1), (math.nan, 1)])
    assert half == pytest.approx(0.5 * 1.95996, rel=1e-4)
    assert math.isnan(seeds)


def test_intervals_hold_the_truth_as_often_as_they_say(physics):
    random, held = np.random.default_rng(3), 0
    for _ in range(1000):
        shared = random.normal(0, 0.5)  # by the events
        one, other = random.normal(0, 1.0, 3), random.normal(0, 0.4, 3)
        half, _ = physics.numbers.half_width(0.5, [(one.std(ddof=1), 3), (other.std(ddof=1), 3)])
        held += abs(one.mean() - other.mean() + shared) < half
    assert 930 <= held <= 985


def test_cross_entropy_does_not_depend_on_the_prior_of_the_training(physics):
    random = np.random.default_rng(1)
    labels = random.choice(3, 5000, p=(0.6, 0.3, 0.1))
    likelihoods = np.exp(random.normal(size=(5000, 3)) + np.eye(3)[labels])
    real = np.bincount(labels) / len(labels)

    def mean(prior):
        shares = likelihoods * prior
        return physics.numbers.cross_entropies(shares / shares.sum(1, keepdims=True), labels, prior).mean()

    exact = likelihoods * real
    expected = -np.log((exact / exact.sum(1, keepdims=True))[np.arange(5000), labels]).mean()
    assert mean((0.6, 0.3, 0.1)) == pytest.approx(expected, abs=1e-6)
    assert mean((1 / 3, 1 / 3, 1 / 3)) == pytest.approx(expected, abs=1e-6)


def test_numbers_are_those_of_the_jets(physics, files, source):
    judged = physics.judge.judge("ttbar", files, 30)
    assert judged.events == JETS / 2
    with h5py.File(source) as file:
        labels = file["jets"]["flavour_label"]
    scores = said(source, 1)
    values = np.log(scores[:, 2] / (0.88 * scores[:, 0] + 0.1 * scores[:, 1] + 0.02 * scores[:, 3]))
    signal = np.sort(values[labels == 2])[::-1]
    cut = signal[math.ceil(0.77 * len(signal)) - 1]
    place = [kind.name for kind in judged.kinds].index("light rejection at 77 %")
    expected = -np.log((values[labels == 0] >= cut).mean())
    assert judged.measured["one"].values[0, place] == pytest.approx(expected, abs=1e-3)
    loss = [kind.name for kind in judged.kinds].index("cross-entropy")
    assert judged.measured["one"].values[0, loss] == pytest.approx(
        -np.log(scores[np.arange(JETS), labels]).mean(), abs=2e-3
    )


def test_a_contender_does_not_differ_from_itself(physics, files):
    judged = physics.judge.judge("ttbar", {"one": files["one"], "again": files["one"]}, 20)
    for change, kind in zip(
        physics.numbers.changes(judged.measured["again"], judged.measured["one"], judged.kinds),
        judged.kinds,
        strict=True,
    ):
        assert change.value == pytest.approx(1.0 if kind.is_ratio else 0.0, abs=1e-12)
        assert change.event_error == pytest.approx(0, abs=1e-12)


def test_events_alone_give_the_errors_of_train_compare(physics, files):
    """One seed against one seed: the same bootstrap as that of `train compare`."""
    judged = physics.judge.judge("ttbar", {name: some[:1] for name, some in files.items()}, 400)
    found = physics.numbers.changes(judged.measured["two"], judged.measured["one"], judged.kinds)
    kinds = [kind.name for kind in judged.kinds]
    ours = found[kinds.index("light rejection at 77 %")]
    theirs = compare(PredictionFile(files["one"][0]), PredictionFile(files["two"][0]), 400, 0)
    rows = {row.name: row.change for row in theirs.ratios}
    same = rows["Db 77 %, ujets rejection"]
    assert ours.value == pytest.approx(same.value, rel=1e-6)
    assert ours.low == pytest.approx(same.low95, rel=0.05)
    assert ours.high == pytest.approx(same.high95, rel=0.05)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.01, 1.2, "better"),
        (0.96, 1.2, "not worse"),
        (0.94, 1.2, "not shown"),
        (0.8, 0.94, "worse"),
        (math.nan, math.nan, "inconclusive"),
    ],
)
def test_verdicts_of_ratios(physics, low, high, expected):
    change = physics.numbers.Change(1.0, low, high, 0.1, 0.1)
    assert physics.numbers.verdict(physics.numbers.Quantity("rejection", True), change) == expected


def test_verdicts_say_when_seeds_are_not_in_them(physics):
    change = physics.numbers.Change(1.1, 1.01, 1.2, 0.1, math.nan)
    verdict = physics.numbers.verdict(physics.numbers.Quantity("rejection", True), change)
    assert verdict == "better, by the events alone"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.2, -0.01, "better"),
        (-0.1, 0.0019, "not worse"),
        (-0.1, 0.0021, "not shown"),
        (0.0021, 0.1, "worse"),
    ],
)
def test_verdicts_of_the_cross_entropy(physics, low, high, expected):
    change = physics.numbers.Change(0.0, low, high, 0.1, 0.1)
    assert physics.numbers.verdict(physics.numbers.Quantity("cross-entropy"), change) == expected


def test_the_report_has_table_numbers_and_figure(physics, files, tmp_path):
    contender, fit = physics.runs.Contender, physics.runs.Fit
    chosen = [contender("one", "One", "", "", 3), contender("two", "Two", "", "", 3, baseline="one")]
    fits = {(name, seed): fit(3, 60.0 * seed, 99.0, 2) for name in ("one", "two") for seed in (1, 2)}
    judged = [physics.judge.judge("ttbar", files, 30)]
    physics.report.write_report(tmp_path / "out", {"jets": 1}, chosen, fits, judged)
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["trainings"][0]["cpu_seconds"] == [60, 120]
    (sample,) = found["samples"]
    rows = {row["name"]: row for row in sample["comparisons"]["two against one"]}
    assert rows["light rejection at 77 %"]["verdict"] == "better"
    assert rows["light rejection at 77 %"]["low95"] > 1
    assert len(sample["numbers"]["one"][0]["seeds"]) == 2
    assert "| cross-entropy |" in (tmp_path / "out.md").read_text()
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


WORKER = """
import json, sys
from pathlib import Path
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
out = Path(given["--out"])
counted = Path(given["--statistics"])
counted.write_text(counted.read_text() + "x")
if "fail" in counted.read_text():
    sys.exit("broken")
(out / "fit.json").write_text(json.dumps({"best_epoch": int(given["--epochs"]) - 1}))
"""


def test_what_is_trained_is_not_trained_again(physics, tmp_path):
    worker, counted = tmp_path / "worker.py", tmp_path / "counted"
    worker.write_text(WORKER)
    counted.write_text("")
    samples = physics.runs.Samples(tmp_path / "t", tmp_path / "v", counted, {}, {}, tmp_path / "work")
    contender = physics.runs.Contender("ours", "Ours", str(worker), sys.executable, 4)
    runs = physics.runs.Runs(samples, (1,))
    first = runs.fit(contender, 1)
    assert (first.epochs, first.best_epoch) == (4, 3)
    assert first.cpu_seconds > 0
    assert physics.runs.Runs(samples, (1,)).fit(contender, 1) == first
    assert counted.read_text() == "x"
    assert physics.runs.Runs(samples, (1, 2), present=True).seeds_of(contender) == (1,)
    counted.write_text("fail")
    with pytest.raises(SystemExit, match="broken"):
        runs.fit(contender, 2)
    counted.write_text("")
    assert runs.fit(contender, 2).epochs == 4  # what was left of the failure is gone


def test_as_many_epochs_as_fit_into_the_time(physics):
    assert physics.runs.epochs_within(1300, 63) == 20
    assert physics.runs.epochs_within(10, 63) == 1


def test_the_shuffled_file_has_every_jet_once_with_its_tracks(physics, source, tmp_path):
    copy = physics.samples.shuffled(source, tmp_path / "train.h5")
    with h5py.File(source) as file, h5py.File(copy) as other:
        before, after = file["jets"][()], other["jets"][()]
        assert list(other["jets"].attrs["flavour_label"]) == list(CLASSES)
        np.testing.assert_array_equal(other["tracks"]["d0"][:, 0], after["pt"])
    assert not np.array_equal(before["pt"], after["pt"])
    np.testing.assert_array_equal(np.sort(before["pt"]), np.sort(after["pt"]))
