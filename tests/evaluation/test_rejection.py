from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from salt_like.evaluation.rejection import FEWEST, Rejection, apply, discriminant
from salt_like.evaluation.statistics import clopper_pearson, upper_limit
from salt_like.evaluation.working_points import fixed

CLASSES = ("ujets", "cjets", "bjets")


def jets(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, number)
    return random.normal(labels.astype(float), 1.0), labels


def test_discriminant_by_hand() -> None:
    probabilities = {name: np.array([p]) for name, p in zip(CLASSES, (0.2, 0.3, 0.5), strict=True)}
    value = discriminant(probabilities, "bjets", {"cjets": 0.1, "ujets": 0.9})
    assert value[0] == pytest.approx(np.log(0.5 / (0.1 * 0.3 + 0.9 * 0.2)))


def test_discriminant_keeps_the_order_where_the_signal_rounds_to_one() -> None:
    probabilities = {
        "bjets": np.ones(3, np.float32),
        "cjets": np.array([1e-12, 1e-30, 0.0], np.float32),
        "ujets": np.array([1e-20, 1e-38, 0.0], np.float32),
    }
    value = discriminant(probabilities, "bjets", {"cjets": 0.2, "ujets": 0.8})
    assert 25 < value[0] < value[1] < np.inf
    assert np.isposinf(value[2])


def test_discriminant_without_signal_or_background() -> None:
    zero = {"bjets": np.zeros(2), "cjets": np.array([1.0, 0.0]), "ujets": np.array([0.0, 1.0])}
    np.testing.assert_array_equal(discriminant(zero, "bjets", {"cjets": 1.0, "ujets": 0.0}), [-np.inf, -np.inf])


@pytest.mark.parametrize("levels", [None, 7])
def test_cut_is_the_highest_that_keeps_enough_signal(levels: int | None) -> None:
    values, labels = jets(2000)
    if levels:
        values = np.round(values * levels / 5)
    signal = values[labels == 2]
    for point in fixed(signal):
        assert (signal >= point.cuts[0]).mean() >= point.efficiency
        assert (signal > point.cuts[0]).mean() < point.efficiency
        assert point.shifted[0][0] >= point.cuts[0] >= point.shifted[0][1]


def test_every_jet_passes_at_full_efficiency_and_none_has_no_points() -> None:
    signal = np.random.default_rng(0).normal(size=37)
    assert fixed(signal, efficiencies=[1.0])[0].cuts == (signal.min(),)
    assert fixed(np.zeros(0)) == []


def test_rejection_against_a_loop() -> None:
    values, labels = jets(3000)
    points = fixed(values[labels == 2])
    for point, made in zip(apply(points, values, labels, CLASSES, "bjets"), points, strict=True):
        assert point.signal_efficiency == pytest.approx(made.efficiency, abs=1e-3)
        for index, name in enumerate(CLASSES[:2]):
            passing = sum(1 for v, k in zip(values, labels, strict=True) if k == index and v >= made.cuts[0])
            total = int((labels == index).sum())
            found = point.rejections[name]
            assert not found.limit
            assert found.value == pytest.approx(total / passing)
            low, high = clopper_pearson(passing, total)
            assert found.low < 1 / high  # the cut's own uncertainty comes on top
            assert found.high > 1 / low


def test_few_passing_jets_give_a_limit() -> None:
    values = np.concatenate([np.full(100, 5.0), np.zeros(400), np.full(FEWEST - 1, 9.0)])
    labels = np.concatenate([np.full(100, 2), np.zeros(400 + FEWEST - 1)]).astype(int)
    points = fixed(values[labels == 2], efficiencies=[0.7])
    (point,) = apply(points, values, labels, CLASSES, "bjets")
    rejection = point.rejections["ujets"]
    assert rejection.limit
    assert rejection.value == pytest.approx(1 / upper_limit(FEWEST - 1, 400 + FEWEST - 1))
    assert rejection.value < (400 + FEWEST - 1) / (FEWEST - 1)
    assert str(rejection).startswith("> ")
    assert str(point.rejections["cjets"]) == "no jets"


def test_weights_are_like_repetitions() -> None:
    values, labels = jets(900)
    repeat = np.random.default_rng(1).integers(1, 4, 900)
    weights = repeat.astype(float)
    many, classes = np.repeat(values, repeat), np.repeat(labels, repeat)
    weighted = apply(fixed(values[labels == 2], weights[labels == 2]), values, labels, CLASSES, "bjets", weights)
    repeated = apply(fixed(many[classes == 2]), many, classes, CLASSES, "bjets")
    for one, other in zip(weighted, repeated, strict=True):
        assert one.cut == other.cut
        assert one.signal_efficiency == pytest.approx(other.signal_efficiency)
        assert one.signal_error > other.signal_error  # fewer effective entries
        assert one.rejections["cjets"].value == pytest.approx(other.rejections["cjets"].value)
        assert one.rejections["cjets"].total < other.rejections["cjets"].total


def test_a_cut_from_elsewhere_is_applied_unchanged() -> None:
    values, labels = jets(2000)
    points = fixed(values[labels == 2])
    for point in apply(points, values - 0.5, labels, CLASSES, "bjets"):
        assert point.signal_efficiency < point.efficiency - 0.05


def test_interval_covers_the_truth() -> None:
    truth = 1 / stats.norm.sf(stats.norm.isf(0.7, 2))
    inside = 0
    for seed in range(300):
        values, labels = jets(1500, seed)
        (point,) = apply(fixed(values[labels == 2], efficiencies=[0.7]), values, labels, CLASSES, "bjets")
        rejection = point.rejections["ujets"]
        inside += rejection.low <= truth <= rejection.high
    assert inside / 300 == pytest.approx(0.70, abs=0.07)


def test_as_text_and_json() -> None:
    assert str(Rejection(12.345, 11.9, 13.1, False, 100, 1000)) == "12.35 +0.75 -0.45"
    assert str(Rejection(1234.5, 1200.0, 1300.0, False, 100, 1000)) == "1234 +66 -34"
    assert str(Rejection(5.0, 4.2, float("inf"), False, 11, 55)) == "5.00 +inf -0.80"
    values, labels = jets(300)
    (point,) = apply(fixed(values[labels == 2], efficiencies=[0.7]), values, labels, CLASSES, "bjets")
    assert set(point.plain()["rejections"]) == {"ujets", "cjets"}
