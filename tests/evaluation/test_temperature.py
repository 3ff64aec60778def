from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from salt_like.evaluation.priors import transfer
from salt_like.evaluation.temperature import NoTemperatureError, fit_temperature, scaled

PRIOR = (0.5, 0.3, 0.2)


def toys(number: int, seed: int = 0, prior: tuple[float, ...] = PRIOR) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the exact likelihood ratios of Gaussian classes, and classes drawn from a prior."""
    random = np.random.default_rng(seed)
    labels = random.choice(len(prior), number, p=prior)
    x = random.normal(size=number) + labels
    return np.stack([-((x - mean) ** 2) / 2 for mean in range(len(prior))], 1), labels


def test_it_finds_the_factor_that_was_put_in() -> None:
    ratios, labels = toys(20_000)
    exact = fit_temperature(ratios, labels, PRIOR, np.ones(20_000), np.arange(20_000))
    assert exact.value == pytest.approx(1, abs=3 * exact.error)
    assert exact.error == pytest.approx(0.016, abs=0.004)
    for factor in (0.3, 1.7, 5.0):
        found = fit_temperature(factor * ratios, labels, PRIOR, np.ones(20_000), np.arange(20_000))
        assert found.value == pytest.approx(factor * exact.value, rel=1e-6)
        assert found.error == pytest.approx(factor * exact.error, rel=1e-6)
        assert found.after == pytest.approx(exact.after)
        assert found.before > found.after
        assert found.differs


def test_it_is_the_minimum_of_the_weighted_cross_entropy() -> None:
    ratios, labels = toys(3000, 1)
    weights = np.random.default_rng(0).uniform(-0.2, 2, 3000)

    def entropy(temperature: float) -> float:
        chosen = scaled(2 * ratios, PRIOR, temperature)[np.arange(3000), labels]
        return float(np.average(-np.log(chosen), weights=weights))

    found = fit_temperature(2 * ratios, labels, PRIOR, weights, np.arange(3000))
    expected = minimize_scalar(entropy, bounds=(0.5, 10), method="bounded", options={"xatol": 1e-7})
    assert found.value == pytest.approx(expected.x, rel=1e-5)
    assert found.after == pytest.approx(expected.fun)
    assert found.before == pytest.approx(entropy(1.0))


@pytest.mark.parametrize("per_event", [1, 4])
def test_pulls(per_event: int) -> None:
    """With events of four equal jets the error must be that of a quarter as many."""
    pulls, number = [], 2000
    for seed in range(200):
        ratios, labels = toys(number // per_event, seed)
        events = np.repeat(np.arange(number // per_event), per_event)
        found = fit_temperature(1.4 * ratios[events], labels[events], PRIOR, np.ones(len(events)), events)
        pulls.append((found.value - 1.4) / found.error)
    assert np.mean(pulls) == pytest.approx(0, abs=0.25)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_the_class_fractions_of_the_rows_do_not_matter() -> None:
    """The temperature belongs to the likelihood ratios: fitted on any mixture, for its fractions, it is the same."""
    found = []
    for seed, prior in enumerate((PRIOR, (0.05, 0.05, 0.9), (1 / 3, 1 / 3, 1 / 3))):
        ratios, labels = toys(30_000, seed, prior)
        found.append(fit_temperature(1.6 * ratios, labels, prior, np.ones(30_000), np.arange(30_000)))
    for one in found:
        assert one.value == pytest.approx(1.6, abs=3 * one.error)


@pytest.mark.parametrize("seed", range(5))
def test_scaling_and_transfer_commute(seed: int) -> None:
    random = np.random.default_rng(seed)
    old, new = random.dirichlet(np.ones(3), 2)
    temperature, ratios = random.uniform(0.3, 3), random.normal(size=(50, 3)) * 3
    scaled_first = transfer(scaled(ratios, old, temperature), old, new)
    transferred_first = scaled(np.log(transfer(scaled(ratios, old), old, new)) - np.log(new), new, temperature)
    np.testing.assert_allclose(scaled_first, transferred_first)


def test_a_constant_of_a_row_and_the_size_of_pieces_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios, labels = toys(1000)
    expected = fit_temperature(ratios, labels, PRIOR, np.ones(1000), np.arange(1000))
    monkeypatch.setattr("salt_like.evaluation.temperature.ROWS", 77)
    shifted = (ratios + np.linspace(-500, 500, 1000)[:, None]).astype(np.float64)
    found = fit_temperature(shifted, labels, PRIOR, np.ones(1000), np.arange(1000))
    assert found.value == pytest.approx(expected.value)
    assert found.error == pytest.approx(expected.error)


def test_a_class_without_rows_is_left_out() -> None:
    ratios, labels = toys(5000, 3, (0.6, 0.4))
    absent = np.column_stack([ratios, np.full(5000, np.inf)])
    found = fit_temperature(absent, labels, (0.6, 0.4, 0.0), np.ones(5000), np.arange(5000))
    expected = fit_temperature(ratios, labels, (0.6, 0.4), np.ones(5000), np.arange(5000))
    assert found.value == pytest.approx(expected.value)
    assert scaled(absent[:3], (0.6, 0.4, 0.0), 2.0)[:, 2].tolist() == [0, 0, 0]


def test_no_difference_within_the_error() -> None:
    shown = 0
    for seed in range(200):
        ratios, labels = toys(1000, seed)
        shown += fit_temperature(ratios, labels, PRIOR, np.ones(1000), np.arange(1000)).differs
    assert 2 <= shown <= 20  # 5 % of 200


def test_where_there_is_no_temperature() -> None:
    ratios, labels = np.eye(3)[[0, 1, 2, 0]] * 5, np.array([0, 1, 2, 0])
    with pytest.raises(NoTemperatureError, match="never wrong"):
        fit_temperature(ratios, labels, PRIOR, np.ones(4), np.arange(4))
    with pytest.raises(NoTemperatureError, match="less than the class fractions alone"):
        fit_temperature(-ratios, labels, PRIOR, np.ones(4), np.arange(4))
