from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation.metric import Metric
from salt_like.evaluation.regression import regress


def named(metrics: list[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def test_bias_and_resolution_of_a_known_smearing() -> None:
    random = np.random.default_rng(0)
    targets = random.uniform(50, 150, 40_000)
    values = targets + random.normal(2, 5, 40_000)
    found = named(regress(values, targets, np.full(40_000, 10.0), constant=100.0, unit="GeV"))
    assert found["bias"].value == pytest.approx(2, abs=0.1)
    assert found["bias"].error == pytest.approx(5 / 200, rel=0.02)
    assert found["RMS"].value == pytest.approx(np.sqrt(29), rel=0.02)
    assert found["RMS"].baseline == pytest.approx(100 / np.sqrt(12), rel=0.02)
    assert found["half central 68 %"].value == pytest.approx(5, rel=0.02)
    assert found["half central 68 %"].unit == "GeV"
    assert found["pull mean"].value == pytest.approx(0.2, abs=0.02)
    assert found["pull width (half central 68 %)"].value == pytest.approx(0.5, rel=0.02)
    assert found["median of value/target"].value == pytest.approx(1.02, abs=0.01)


def test_missing_targets_are_left_out() -> None:
    targets = np.array([1.0, np.nan, 3.0, np.nan])
    found = named(regress(np.array([2.0, 1e9, 4.0, np.nan]), targets))
    assert found["bias"].value == 1
    assert found["RMS"].value == 1
    assert found["RMS"].baseline == pytest.approx(1)
    assert found["RMS"].baseline_name == "mean"
    assert regress(np.ones(2), np.full(2, np.nan)) == []


def test_ratios_only_where_all_targets_are_positive() -> None:
    assert "median of value/target" not in named(regress(np.ones(3), np.array([-1.0, 2.0, 3.0])))


def test_errors_are_the_spread_of_repetitions() -> None:
    random = np.random.default_rng(1)
    results = []
    for _ in range(200):
        targets = random.uniform(90, 110, 400)
        results.append(named(regress(targets + random.normal(0, 5, 400), targets)))
    for name in ("bias", "RMS", "half central 68 %", "median of value/target"):
        spread = np.std([one[name].value for one in results])
        assert np.mean([one[name].error for one in results]) == pytest.approx(spread, rel=0.2), name


def test_a_perfect_prediction() -> None:
    found = named(regress(np.arange(1.0, 9), np.arange(1.0, 9)))
    assert found["RMS"].value == 0
    assert found["RMS"].error == 0


def test_error_of_the_width_knows_that_its_quantiles_are_correlated() -> None:
    number, p, density = 10_000, 0.158655, 0.241971  # of a normal distribution: probability below -1, density at -1
    random = np.random.default_rng(2)
    found = [named(regress(random.normal(size=number), np.zeros(number))) for _ in range(40)]
    expected = np.sqrt(p * (1 - 2 * p) / (2 * density**2 * number))
    assert np.mean([one["half central 68 %"].error for one in found]) == pytest.approx(expected, rel=0.04)


def test_weights_are_like_repetitions() -> None:
    random = np.random.default_rng(3)
    targets = random.uniform(50, 150, 4000)
    values, sigmas = targets + random.normal(2, 5, 4000), random.uniform(1, 9, 4000)
    repeat = random.integers(0, 4, 4000)
    repeated = (np.repeat(one, repeat) for one in (values, targets, sigmas))
    expected = named(regress(*repeated))
    for name, metric in named(regress(values, targets, sigmas, weights=repeat.astype(float))).items():
        assert metric.value == pytest.approx(expected[name].value, rel=1e-3), name
        assert metric.baseline == pytest.approx(expected[name].baseline, rel=1e-3), name


@pytest.mark.parametrize("name", ["bias", "RMS", "half central 68 %", "median of value/target"])
@pytest.mark.parametrize("negative", [0.0, 0.1])
def test_weighted_errors_are_the_spread_of_repetitions(name: str, negative: float) -> None:
    random = np.random.default_rng(4)
    results = []
    for _ in range(150):
        targets = random.uniform(90, 110, 1000)
        weights = random.exponential(1, 1000) * np.where(random.random(1000) < negative, -1, 1)
        results.append(named(regress(targets + random.normal(0, 5, 1000), targets, weights=weights))[name])
    spread = np.std([one.value for one in results])
    assert np.mean([one.error for one in results]) == pytest.approx(spread, rel=0.25)


def test_negative_weights_may_leave_nothing() -> None:
    targets = np.array([1.0, 2.0, 3.0])
    assert regress(targets, targets, weights=np.array([1.0, -2.0, 0.5])) == []
    found = named(regress(targets + np.array([0.0, 5.0, 0.0]), targets, weights=np.array([1.0, -0.5, 1.0])))
    assert np.isnan(found["RMS"].value)
    assert found["bias"].value == pytest.approx(-2.5 / 1.5)
