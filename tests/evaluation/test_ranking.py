from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation.ranking import BINS, auc, auc_of_histograms, log_odds, score_bins


def brute(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    total = area = 0.0
    for a, wa in zip(scores[positive], weights[positive], strict=True):
        for b, wb in zip(scores[~positive], weights[~positive], strict=True):
            total += wa * wb
            area += wa * wb * (1.0 if a > b else 0.5 if a == b else 0.0)
    return area / total


@pytest.mark.parametrize("levels", [3, 10, 10_000])
def test_area_against_all_pairs(levels: int) -> None:
    random = np.random.default_rng(levels)
    scores = random.integers(0, levels, 120) / levels
    positive = random.random(120) < 0.3
    weights = random.exponential(1, 120)
    assert auc(scores, positive)[0] == pytest.approx(brute(scores, positive, np.ones(120)))
    assert auc(scores, positive, weights)[0] == pytest.approx(brute(scores, positive, weights))


def test_delong_against_its_definition() -> None:
    random = np.random.default_rng(5)
    scores = random.integers(0, 20, 150).astype(float)
    positive = random.random(150) < 0.4
    beats = np.where(scores[positive][:, None] > scores[~positive], 1.0, 0.0)
    beats += 0.5 * (scores[positive][:, None] == scores[~positive])
    expected = np.sqrt(beats.mean(1).var(ddof=1) / positive.sum() + beats.mean(0).var(ddof=1) / (~positive).sum())
    assert auc(scores, positive)[1] == pytest.approx(expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_error_is_the_spread_of_repetitions(weighted: bool) -> None:
    random = np.random.default_rng(6)
    areas, errors = [], []
    for _ in range(300):
        positive = np.arange(300) < 100
        weights = random.exponential(1, 300) if weighted else None
        area, error = auc(random.normal(positive, 1.0), positive, weights)
        areas.append(area)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.15)
    assert np.mean(areas) == pytest.approx(0.7602, abs=0.005)  # Phi(1 / sqrt 2)


def test_known_answers_and_missing_kinds() -> None:
    flags = np.array([False, False, True, True])
    assert auc(np.array([0.1, 0.2, 0.3, 0.4]), flags)[0] == 1
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), flags)[0] == 0
    assert auc(np.zeros(4), flags)[0] == 0.5
    assert np.isnan(auc(np.zeros(4), np.ones(4, bool))).all()
    assert np.isnan(auc(np.zeros(0), np.zeros(0, bool))).all()
    area, error = auc(np.array([1.0, 0.0, 0.5]), np.array([True, False, False]))
    assert area == 1
    assert np.isnan(error)


def test_log_odds_do_not_saturate() -> None:
    probabilities = np.array([[1.0, 1e-30], [1.0, 1e-35], [0.5, 0.5]], np.float32)
    odds = log_odds(probabilities)
    assert odds[1, 0] > odds[0, 0] > 60
    np.testing.assert_allclose(odds[:, 0], -odds[:, 1])
    np.testing.assert_allclose(odds[2], 0)
    assert np.isposinf(log_odds(np.array([[1.0, 0.0]]))[0, 0])


def test_histograms_of_bins_agree_with_the_exact_area() -> None:
    random = np.random.default_rng(7)
    logits = random.normal(0, 3, (20_000, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    positive = random.random(20_000) < probabilities[:, 0]
    bins = score_bins(log_odds(probabilities))
    assert bins.min() >= 0
    assert bins.max() < BINS
    up, down = (np.bincount(bins[kind, 0], minlength=BINS) for kind in (positive, ~positive))
    exact, error = auc(probabilities[:, 0], positive)
    assert auc_of_histograms(up, up, down, down) == pytest.approx((exact, error), abs=1e-5)


def test_infinite_odds_have_a_bin() -> None:
    np.testing.assert_array_equal(score_bins(np.array([-np.inf, np.inf])), [0, BINS - 1])
