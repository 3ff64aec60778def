from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation import paired_constituents
from salt_like.evaluation.classification import macro_f1, negative_log
from salt_like.evaluation.paired_constituents import ClassSums
from salt_like.evaluation.ranking import auc, log_odds
from salt_like.evaluation.resampling import EventResamples, Interval, interval, resampled

SHARES = (0.62, 0.3, 0.08)  # of the classes of a toy
EVENTS = 250


def toy(seed: int, events: int = EVENTS) -> tuple[np.ndarray, ...]:
    """Probabilities of two taggers of constituents, three jets an event; half of the noise is that of the event."""
    random = np.random.default_rng(seed)
    event = np.repeat(np.arange(events), random.poisson(6, events))
    labels = random.choice(3, len(event), p=SHARES)
    of_event = random.normal(size=(events, 3))[event]
    common = random.normal(size=(len(event), 3))
    found = []
    for power in (1.0, 1.2):
        noise = 0.5 * of_event + 0.5 * common + 0.5 * random.normal(size=(len(event), 3))
        logits = noise + power * np.eye(3)[labels] + np.log(SHARES)
        shares = np.exp(logits)
        found.append((shares / shares.sum(1, keepdims=True)).astype(np.float32))
    return found[0], found[1], labels, event


def statistic(shares: np.ndarray, labels: np.ndarray, event: np.ndarray, events: int, weights=None):
    sums = ClassSums(3, events)
    half = len(labels) // 2
    for piece in (slice(0, half), slice(half, None)):
        sums.add(shares[piece], labels[piece], event[piece], None if weights is None else weights[piece])
    return sums.statistic()


def ordinary(shares: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> list[float]:
    used = labels >= 0
    weights = np.ones(used.sum()) if weights is None else weights[used]
    shares, labels = shares[used], labels[used]
    confusion = np.zeros((3, 3))
    np.add.at(confusion, (labels, shares.argmax(1)), weights)
    odds = log_odds(shares)
    areas = [auc(odds[:, one], labels == one, weights)[0] for one in range(3)]
    return [float(np.average(negative_log(shares, labels), weights=weights)), macro_f1(confusion), *areas]


@pytest.mark.parametrize("weighted", [False, True])
def test_against_a_loop_over_the_copies_of_each_constituent(weighted: bool) -> None:
    shares, _, labels, event = toy(3, 120)
    labels = np.where(np.random.default_rng(0).random(len(labels)) < 0.1, -1, labels)
    own = np.random.default_rng(5).uniform(0.2, 2, 120)[event] if weighted else None
    drawn = EventResamples(np.arange(120), None, 40, 3)
    measure = statistic(shares, labels, event, 120, own)
    found = resampled(measure, drawn)
    slow = []
    for copies in np.concatenate([draws.copies for draws in drawn]):
        row = np.repeat(np.arange(len(labels)), copies[event].astype(int))
        slow.append(ordinary(shares[row], labels[row], None if own is None else own[row]))
    slow = np.array(slow)
    np.testing.assert_allclose(found[:, :2], slow[:, :2], rtol=1e-10)
    # the AUC leaves out what is of second order
    assert (np.abs(found[:, 2:] - slow[:, 2:]).std(0) < 0.1 * slow[:, 2:].std(0)).all()
    assert (np.abs((found[:, 2:] - slow[:, 2:]).mean(0)) < 0.1 * slow[:, 2:].std(0)).all()
    np.testing.assert_allclose(measure(drawn.whole())[0], ordinary(shares, labels, own), rtol=1e-10)


def test_many_constituents_have_their_auc_from_a_histogram(monkeypatch: pytest.MonkeyPatch) -> None:
    shares, _, labels, event = toy(4)
    drawn = EventResamples(np.arange(EVENTS), None, 30, 3)
    exact = resampled(statistic(shares, labels, event, EVENTS), drawn)
    monkeypatch.setattr(paired_constituents, "EXACT_ROWS", len(labels) - 10)  # exceeded by the second piece
    binned = resampled(statistic(shares, labels, event, EVENTS), drawn)
    assert not np.array_equal(exact, binned)
    np.testing.assert_allclose(binned, exact, atol=1e-3)


def test_a_class_without_constituents() -> None:
    shares, _, labels, event = toy(5, 20)
    labels = np.where(labels == 2, 0, labels)
    sums = ClassSums(3, 20)
    sums.add(shares, labels, event)
    ones = len(set(event[labels == 1]))
    assert 10 < ones < len(set(event[labels == 0]))
    assert sums.events() == (len(set(event)), [ones, ones, 0])  # where the rest is rarer than the class, it counts
    found = sums.statistic()(EventResamples(np.arange(20), None, 1, 0).whole())[0]
    np.testing.assert_allclose(found, ordinary(shares, labels), rtol=1e-10)  # macro-F1 of the classes that occur
    assert (shares.argmax(1) == 2).any()
    assert np.isfinite(found).tolist() == [True] * 4 + [False]
    empty = ClassSums(3, 20)
    empty.add(shares[:0], labels[:0], event[:0])
    assert np.isnan(empty.statistic()(EventResamples(np.arange(20), None, 1, 0).whole())).all()


def test_intervals_of_toys_cover_the_truth() -> None:
    first, second, labels, _ = toy(10**6, 60_000)
    truth = np.array(ordinary(second, labels)) - ordinary(first, labels)
    inside, tries = np.zeros(len(truth)), 200
    for seed in range(tries):
        first, second, labels, event = toy(seed)
        one, other = (statistic(shares, labels, event, EVENTS) for shares in (first, second))
        drawn = EventResamples(np.arange(EVENTS), None, 300, 11)
        values = resampled(lambda draws, one=one, other=other: other(draws) - one(draws), drawn)
        for place, value in enumerate(truth):
            found = interval(0.0, values[:, place])
            inside[place] += found.low95 <= value <= found.high95
    assert ((inside >= 0.90 * tries) & (inside <= 0.99 * tries)).all(), inside / tries


def test_a_tagger_against_itself_is_exactly_zero() -> None:
    shares, _, labels, event = toy(1)
    one, other = (statistic(shares.copy(), labels, event, EVENTS) for _ in range(2))
    drawn = EventResamples(np.arange(EVENTS), None, 50, 0)
    values = resampled(lambda draws: other(draws) - one(draws), drawn)
    assert interval(0.0, values[:, 1]) == Interval(0, 0, 0, 0, 0)
    assert not values.any()
