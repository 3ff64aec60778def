from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from salt_like.errors import UserError
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.rejection import apply
from salt_like.evaluation.working_points import MOST_BINS, SIGNAL_PER_BIN, Cuts, WorkingPoint, fixed, flat, read
from salt_like.spec import Discriminant

CLASSES = ("ujets", "bjets")


def jets(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A discriminant that falls with the momentum."""
    random = np.random.default_rng(seed)
    labels, at = random.integers(0, 2, number), random.uniform(0, 1, number)
    return random.normal(2.0 * labels - 3 * at, 1.0), labels, at


def test_flat_keeps_the_same_signal_in_every_bin_and_fixed_does_not() -> None:
    values, labels, at = jets(20_000)
    signal = labels == 1
    points = flat(values[signal], at[signal], "pt", efficiencies=(0.7, 0.85))
    for point in points:
        assert (point.kind, point.field) == ("flat", "pt")
        assert len(point.cuts) == MOST_BINS
        of = point.bins(at, len(at))
        for one, cut in enumerate(point.cuts):
            inside = signal & (of == one)
            assert (values[inside] >= cut).mean() == pytest.approx(point.efficiency, abs=1 / inside.sum())
        assert np.all(np.diff(point.cuts) < 0)
    (one,) = fixed(values[signal], efficiencies=(0.7,))
    shares = [(values[signal & (points[0].bins(at, len(at)) == k)] >= one.cuts[0]).mean() for k in (0, MOST_BINS - 1)]
    assert shares[0] > 0.9
    assert shares[1] < 0.5


def test_flat_against_a_loop_over_the_jets() -> None:
    values, labels, at = jets(8000, 1)
    weights = np.random.default_rng(2).uniform(0.5, 1.5, len(values))
    signal = labels == 1
    points = flat(values[signal], at[signal], "pt", weights[signal])
    for found, made in zip(apply(points, values, labels, CLASSES, "bjets", weights, at), points, strict=True):
        passed = [0.0, 0.0]
        for value, label, where, weight in zip(values, labels, at, weights, strict=True):
            cut = made.cuts[sum(where >= edge for edge in made.edges)]
            passed[label] += weight * (value >= cut)
        total = [weights[labels == label].sum() for label in (0, 1)]
        assert found.signal_efficiency == pytest.approx(passed[1] / total[1])
        assert found.rejections["ujets"].value == pytest.approx(total[0] / passed[0])


def test_flat_of_one_bin_is_fixed() -> None:
    values, labels, at = jets(300)
    signal = labels == 1
    assert signal.sum() < 2 * SIGNAL_PER_BIN
    flats = apply(flat(values[signal], at[signal], "pt"), values, labels, CLASSES, "bjets", at=at)
    points = apply(fixed(values[signal]), values, labels, CLASSES, "bjets")
    assert [one.rejections for one in flats] == [one.rejections for one in points]
    assert flat(values[:0], at[:0], "pt") == []
    assert fixed(values[signal], np.zeros(signal.sum())) == []


def test_equal_momenta_leave_fewer_bins() -> None:
    values, labels, at = jets(20_000)
    signal = labels == 1
    assert flat(values[signal], np.ones(signal.sum()), "pt")[0].edges == ()
    (point, *_) = flat(values[signal], np.round(at[signal], 0), "pt")
    assert point.edges == (1.0,)
    assert len(point.cuts) == 2
    assert flat(values[signal], at[signal], "pt", np.where(at[signal] > 0.5, 1.0, -1.0)) == []


def test_interval_of_a_flat_working_point_covers_the_truth() -> None:
    truth = 1 / stats.norm.sf(stats.norm.isf(0.7, 2))  # the same for every momentum
    inside = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        labels, at = random.integers(0, 2, 4000), random.uniform(0, 1, 4000)
        values, signal = random.normal(2.0 * labels, 1.0), labels == 1
        points = flat(values[signal], at[signal], "pt", efficiencies=(0.7,))
        (point,) = apply(points, values, labels, CLASSES, "bjets", at=at)
        rejection = point.rejections["ujets"]
        inside += rejection.low <= truth <= rejection.high
    assert inside / 200 == pytest.approx(0.70, abs=0.09)


def test_a_flat_one_needs_the_variable() -> None:
    point = WorkingPoint(0.7, (1.0, 2.0), ((1.0, 1.0), (2.0, 2.0)), "flat", "pt", (50.0,))
    with pytest.raises(ValueError, match="needs the values of 'pt'"):
        point.bins(None, 3)
    np.testing.assert_array_equal(point.bins(np.array([10.0, 50.0, 60.0]), 3), [0, 1, 1])
    assert str(point) == "1 … 2"


def test_stored_and_read_again(tmp_path: Path) -> None:
    values, labels, at = jets(5000)
    signal = labels == 1
    values[signal & (values < -1)] = -np.inf  # a cut that is no number in JSON
    cuts = Cuts(
        "ttbar",
        {"Db": tuple(fixed(values[signal], efficiencies=(0.7, 0.99)))},
        Range("pt", 20.0, np.inf, "GeV"),
        {"Db": tuple(flat(values[signal], at[signal], "pt"))},
        {"Db": Discriminant("Db", "bjets", {"ujets": 0.9, "cjets": 0.1})},
        "GN2",
        "best.ckpt",
        ("a.h5", "b.h5"),
    )
    assert cuts.points["Db"][1].cuts == (-np.inf,)
    path = tmp_path / "points.json"
    cuts.write(path)
    assert read(path) == cuts
    assert "Infinity" not in path.read_text()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x", "discriminants": {}}', '{"discriminants": 3}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "points.json").write_text(text)
    with pytest.raises(UserError, match="not a file of working points"):
        read(tmp_path / "points.json")
    with pytest.raises(UserError, match="cannot read the working points"):
        read(tmp_path / "absent.json")
