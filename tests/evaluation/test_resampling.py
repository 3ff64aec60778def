from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from salt_like.evaluation import resampling
from salt_like.evaluation.ranking import auc
from salt_like.evaluation.rejection import apply
from salt_like.evaluation.resampling import Areas, EventResamples, Mistags, interval, resampled
from salt_like.evaluation.working_points import fixed

CLASSES = ("ujets", "cjets", "bjets")
EFFICIENCIES = (0.85, 0.93)


def jets(number: int, seed: int = 0, per_event: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, number)
    values = np.round(random.normal(labels.astype(float), 1.0), 1)  # with equal values
    return values, labels, random.integers(0, number // per_event, number)


@pytest.mark.parametrize("weighted", [False, True])
def test_against_a_slow_loop_over_the_copies_of_each_jet(weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels, events = jets(900)
    own = np.random.default_rng(5).uniform(0.2, 2, 900) if weighted else None
    monkeypatch.setattr(resampling, "ELEMENTS", 5 * 900)  # several pieces, the last one smaller
    drawn = EventResamples(events, own, 12, 3)
    pieces = [draws.jets for draws in drawn]
    assert [len(piece) for piece in pieces] == [5, 5, 2]
    mistags, areas = Mistags(values, labels, 2, (0, 1), EFFICIENCIES), Areas(values, labels == 1)
    found = np.concatenate([mistags(piece) for piece in pieces])
    area = resampled(lambda draws: areas(draws.jets)[:, None], drawn)[:, 0]
    for number, weights in enumerate(np.concatenate(pieces)):
        copies = np.rint(weights / (1 if own is None else own)).astype(int)
        assert all(len(set(copies[events == event])) == 1 for event in set(events))  # jets of an event go together
        jet = np.repeat(np.arange(900), copies)
        repeated = None if own is None else own[jet]
        points = fixed(values[jet][labels[jet] == 2], None if own is None else own[jet][labels[jet] == 2], EFFICIENCIES)
        for place, point in enumerate(apply(points, values[jet], labels[jet], CLASSES, "bjets", repeated)):
            for index, name in enumerate(CLASSES[:2]):
                rejection = point.rejections[name]
                assert not rejection.limit
                assert found[number, place, index] == pytest.approx(1 / rejection.value), (number, place, name)
        assert area[number] == pytest.approx(auc(values[jet], labels[jet] == 1, repeated)[0])


def test_resamples_are_reproducible_and_poisson() -> None:
    events = np.arange(4000)
    one, other, third = (
        np.concatenate([draws.jets for draws in EventResamples(events, None, 50, seed)]) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, third)
    assert one.mean() == pytest.approx(1, abs=0.01)
    assert one.var() == pytest.approx(1, abs=0.02)
    assert EventResamples(np.array([7, 7, 9]), None, 1, 0).events == 2


def test_quantiles_of_resamples_that_are_not_all_finite() -> None:
    found = interval(2.0, np.concatenate([np.arange(1000.0), [np.nan] * 5]))
    assert (found.low95, found.high95) == (24, 974)
    assert (found.low68, found.high68) == (158, 841)
    assert interval(2.0, np.array([1.0] * 9 + [np.inf])).high95 == np.inf
    assert np.isnan(interval(2.0, np.full(3, np.nan)).low68)


def test_no_signal_and_no_background() -> None:
    values, labels = np.arange(5.0), np.array([0, 0, 1, 1, 1])
    weights = np.ones((2, 5))
    assert np.isnan(Mistags(values, labels, 2, (0, 1), (0.5,))(weights)).all()
    assert np.isnan(Mistags(values, labels, 0, (2,), (0.5,))(weights)).all()
    assert np.isnan(Areas(values, labels == 2)(weights)).all()


def toy(seed: int, shared: float, number: int = 1500, per_event: int = 5) -> tuple[np.ndarray, ...]:
    """Two taggers of different power with correlated noise; part of the noise of the jets is that of their event."""
    random = np.random.default_rng(seed)
    events = np.arange(number) // per_event
    labels = random.integers(0, 2, number)
    of_event = random.normal(size=(2, number // per_event))[:, events]
    common = random.normal(size=number)
    noise = []
    for own in range(2):
        single = 0.8 * common + 0.6 * random.normal(size=number)
        noise.append(np.sqrt(shared) * of_event[0] + np.sqrt(1 - shared) * single if own == 0 else single)
    return noise[0] + 1.5 * labels, noise[1] + 1.8 * labels, labels, events


def ratio(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, events: np.ndarray, number: int
) -> resampling.Interval:
    one, other = (Mistags(values, labels, 1, (0,), (0.7,)) for values in (first, second))
    drawn = EventResamples(events, None, number, 11)
    here = (one(np.ones((1, len(labels)))) / other(np.ones((1, len(labels)))))[0, 0, 0]
    return interval(float(here), resampled(lambda draws: (one(draws.jets) / other(draws.jets))[:, :, 0], drawn)[:, 0])


@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_intervals_of_toys_cover_the_truth(shared: float) -> None:
    mistags = [stats.norm.sf(stats.norm.isf(0.7, separation)) for separation in (1.5, 1.8)]
    truth, inside = mistags[0] / mistags[1], np.zeros(2)
    for seed in range(200):
        first, second, labels, events = toy(seed, shared)
        found = ratio(first, second, labels, events, 300)
        inside += [found.low68 <= truth <= found.high68, found.low95 <= truth <= found.high95]
    # three standard deviations of 200 tries
    assert inside[1] / 200 == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 200))
    assert inside[0] / 200 == pytest.approx(0.683, abs=3 * np.sqrt(0.683 * 0.317 / 200))


def test_correlated_jets_of_an_event_widen_the_interval() -> None:
    wider = []
    for seed in range(5):
        first, second, labels, events = toy(seed, 0.8, per_event=30)
        by_event, by_jet = ratio(first, second, labels, events, 400), ratio(first, second, labels, np.arange(1500), 400)
        assert by_event.value == by_jet.value
        wider.append((by_event.high95 - by_event.low95) / (by_jet.high95 - by_jet.low95))
    assert np.mean(wider) > 1.3


def test_a_tagger_against_itself_is_exactly_one() -> None:
    first, _, labels, events = toy(0, 0.3)
    assert ratio(first, first, labels, events, 200) == resampling.Interval(1, 1, 1, 1, 1)
