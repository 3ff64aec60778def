from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation.curves import CURVE, SCAN, curve, plain_curve, scan, scanned_class, with_fraction
from salt_like.evaluation.rejection import apply, discriminant
from salt_like.evaluation.working_points import fixed
from salt_like.spec import Discriminant

CLASSES = ("ujets", "cjets", "bjets")
DB = Discriminant("Db", "bjets", {"ujets": 0.88, "cjets": 0.1, "taujets": 0.02})


def made(number: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, number)
    logits = random.normal(size=(number, 4)) + 2 * np.eye(4)[labels]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return dict(zip((*CLASSES, "taujets"), shares.T, strict=True)), labels


def test_each_point_of_a_curve_is_a_working_point() -> None:
    probabilities, labels = made(3000)
    values = discriminant(probabilities, "bjets", DB.background)
    points = curve(values, labels, CLASSES, "bjets")
    assert [point.efficiency for point in points] == list(CURVE)
    assert (CURVE[0], CURVE[50], CURVE[-1]) == (0.2, 0.7, 1.0)
    (expected,) = apply(fixed(values[labels == 2], efficiencies=(0.7,)), values, labels, CLASSES, "bjets")
    assert points[50] == expected
    assert points[-1].signal_efficiency == 1
    for name in ("ujets", "cjets"):
        known = [point.rejections[name].value for point in points if not point.rejections[name].limit]
        assert len(known) > 25
        assert np.all(np.diff(known) <= 0)


def test_a_curve_as_arrays() -> None:
    probabilities, labels = made(500)
    points = curve(discriminant(probabilities, "bjets", DB.background), labels, CLASSES, "bjets")
    arrays = plain_curve(points)
    assert arrays["efficiency"] == list(CURVE)
    for name in ("ujets", "cjets"):
        columns = arrays["rejections"][name]
        assert {len(one) for one in columns.values()} == {len(CURVE)}
        assert columns["limit"][0] is True
        assert columns["high"][0] is None
        assert columns["value"][50] == points[50].rejections[name].value
        assert columns["low"][-5] <= columns["value"][-5] <= columns["high"][-5]
    assert plain_curve(())["efficiency"] == []


def test_other_fractions_keep_their_proportions() -> None:
    changed = with_fraction(DB.background, "cjets", 0.55)
    assert changed == pytest.approx({"ujets": 0.44, "cjets": 0.55, "taujets": 0.01})
    assert list(changed) == list(DB.background)
    assert with_fraction({"a": 1.0, "b": 0.0}, "b", 0.3) == pytest.approx({"a": 0.7, "b": 0.3})


def test_scan_trades_one_background_for_another() -> None:
    probabilities, labels = made(4000)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, len(labels))
    assert scanned_class(DB.background) == "cjets"
    found = scan(DB, probabilities, labels, CLASSES, weights)
    assert found is not None
    assert (found.scanned, found.fractions) == ("cjets", SCAN)
    by_hand = np.log(
        probabilities["bjets"]
        / (0.5 * probabilities["cjets"] + 0.5 * (0.88 * probabilities["ujets"] + 0.02 * probabilities["taujets"]) / 0.9)
    )
    chosen = labels == 2
    points = fixed(by_hand[chosen], weights[chosen], (0.7,))
    (expected,) = apply(points, by_hand, labels, CLASSES, "bjets", weights)
    half = found.points[SCAN.index(0.5)]
    assert half.cut == pytest.approx(expected.cut)
    assert half.rejections["cjets"].value == pytest.approx(expected.rejections["cjets"].value)
    charm, light = ([point.rejections[name].value for point in found.points] for name in ("cjets", "ujets"))
    assert charm[-1] > 1.5 * charm[0]
    assert light[-1] < light[0] / 1.5
    assert found.plain()["points"][0]["fraction"] == 0


def test_nothing_to_scan() -> None:
    probabilities, labels = made(100)
    one = Discriminant("D", "bjets", {"ujets": 1.0})
    assert scan(one, probabilities, labels, CLASSES) is None
    assert scan(DB, probabilities, np.zeros(100, int), CLASSES) is None
