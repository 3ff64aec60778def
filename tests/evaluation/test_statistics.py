from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from salt_like.evaluation.statistics import (
    binomial_error,
    clopper_pearson,
    effective_entries,
    jackknife,
    mean_and_error,
    quantiles,
    ratio,
    upper_limit,
)


@pytest.mark.parametrize(("passing", "total"), [(0, 10), (1, 10), (5, 10), (10, 10), (37, 1000)])
def test_clopper_pearson_against_scipys_binomial_test(passing: int, total: int) -> None:
    interval = stats.binomtest(passing, total).proportion_ci(0.9, "exact")
    assert clopper_pearson(passing, total, 0.9) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_clopper_pearson_of_nothing_is_everything() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("passing", "total"), [(0, 100), (3, 100), (9, 12)])
def test_upper_limit_leaves_five_percent(passing: int, total: int) -> None:
    assert stats.binom.cdf(passing, total, upper_limit(passing, total)) == pytest.approx(0.05)


def test_upper_limit_without_a_background_that_fails() -> None:
    assert upper_limit(5, 5) == 1.0
    assert upper_limit(0, 0) == 1.0


def test_effective_entries() -> None:
    assert effective_entries(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_entries(np.array([1.0, 1.0, 1e-9])) == pytest.approx(2)
    assert effective_entries(np.zeros(0)) == 0


def test_binomial_error() -> None:
    assert binomial_error(0.5, 100) == pytest.approx(0.05)
    assert np.isnan(binomial_error(0.5, 0))
    assert np.isnan(binomial_error(1.01, 100))
    assert np.isnan(binomial_error(-0.01, 100))


def test_mean_and_error_of_equal_weights_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(size=50)
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert mean_and_error(values, np.full(50, 3.0)) == pytest.approx((mean, error))


def test_mean_of_few() -> None:
    assert np.isnan(mean_and_error(np.zeros(0))).all()
    mean, error = mean_and_error(np.array([2.0]))
    assert mean == 2
    assert np.isnan(error)


def test_no_mean_where_weights_sum_to_nothing() -> None:
    assert np.isnan(mean_and_error(np.ones(2), np.array([1.0, -1.0]))).all()
    assert np.isnan(ratio(np.array([1.0, -1.0])))
    assert ratio(np.array([1.0, 4.0])) == 0.25


def test_quantiles_are_hazens_and_those_of_the_weights() -> None:
    values = np.random.default_rng(5).normal(size=101)
    levels = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(quantiles(values, levels, np.ones(101)), np.quantile(values, levels, method="hazen"))
    weights = np.random.default_rng(6).uniform(0, 2, 50_000)
    values = weights + np.random.default_rng(7).normal(size=50_000)  # by weight, not by number
    heavy = np.random.default_rng(8).choice(values, 50_000, p=weights / weights.sum())
    np.testing.assert_allclose(quantiles(values, levels, weights), np.quantile(heavy, levels), atol=0.03)


def test_weighted_error_covers() -> None:
    random = np.random.default_rng(1)
    pulls = []
    for _ in range(400):
        values, weights = random.normal(3, 2, 200), random.exponential(1, 200)
        mean, error = mean_and_error(values, weights)
        pulls.append((mean - 3) / error)
    assert np.std(pulls) == pytest.approx(1, abs=0.12)


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(size=40)
    sums = np.stack([values, np.ones(40)], 1)
    value, error = jackknife(sums, lambda s: float(s[0] / s[1]))
    assert value == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(40))


def test_jackknife_leaves_empty_groups_out_and_needs_two() -> None:
    sums = np.array([[1.0, 1.0], [0.0, 0.0], [3.0, 1.0]])
    assert jackknife(sums, lambda s: float(s[0] / s[1])) == pytest.approx((2.0, 1.0))
    assert np.isnan(jackknife(sums[:2], lambda s: float(s[0] / s[1]))[1])


def test_jackknife_is_not_known_where_a_group_carries_everything() -> None:
    sums = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    value, error = jackknife(sums, lambda s: float(s[0] / s[1]) if s[1] else float("nan"))
    assert value == 2
    assert np.isnan(error)
