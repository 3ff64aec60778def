from __future__ import annotations

import numpy as np
import pytest
import torch

from salt_like.checks.classifier import auc_of_events, separate
from salt_like.checks.drawn import Draw
from salt_like.evaluation.ranking import auc


@pytest.fixture(autouse=True)
def _hardly_trained():
    """Trained as in earnest here."""


def made(shift: float = 0, seed: int = 0, number: int = 1500, repeat: int = 1, columns: int = 6) -> Draw:
    random = np.random.default_rng(seed)
    values = random.normal(size=(number // repeat, columns)).astype(np.float32).repeat(repeat, axis=0)
    values[:, 2] += shift
    features = {("jets", str(column)): values[:, [column]] for column in range(columns)}
    events = (np.arange(number // repeat) + 10**6 * seed).repeat(repeat).astype(np.uint64)
    return Draw("a", number, events, np.ones(number), {}, {}, features)


def test_error_is_delongs_where_every_jet_is_an_event():
    random = np.random.default_rng(0)
    positive = random.random(800) < 0.3
    scores = np.round(random.normal(size=800) + positive, 1)  # with ties
    weights = random.uniform(0.5, 1.5, 800)
    wanted = auc(scores, positive)
    found = auc_of_events(scores, positive, np.arange(800, dtype=np.uint64), np.ones(800))
    assert found[0] == pytest.approx(wanted[0], abs=1e-12)
    assert found[1] == pytest.approx(wanted[1], rel=5e-3)
    weighted = auc_of_events(scores, positive, np.arange(800, dtype=np.uint64), weights)
    assert weighted == pytest.approx(auc(scores, positive, weights), rel=5e-3)


def test_repeated_jets_of_an_event_do_not_make_the_error_smaller():
    random = np.random.default_rng(1)
    positive = random.random(500) < 0.5
    scores, events = random.normal(size=500) + positive, np.arange(500, dtype=np.uint64)
    once = auc_of_events(scores, positive, events, np.ones(500))
    four = auc_of_events(scores.repeat(4), positive.repeat(4), events.repeat(4), np.ones(2000))
    assert four == pytest.approx(once, rel=1e-12)
    one_kind = auc_of_events(scores, np.ones(500, bool), events, np.ones(500))
    assert np.isnan(one_kind).all()


def test_alike_within_the_error():
    pulls = []
    for seed in range(4):
        found = separate(made(seed=2 * seed), made(seed=2 * seed + 1), seed=seed)
        assert found is not None
        assert 0.005 < found.error < 0.02
        pulls.append((found.auc - 0.5) / found.error)
    assert np.abs(pulls).max() < 3
    assert np.mean(pulls) < 1


def test_alike_with_several_jets_of_an_event():
    for seed in range(3):
        found = separate(made(seed=2 * seed, repeat=5), made(seed=2 * seed + 1, repeat=5), seed=0)
        assert found is not None
        assert abs(found.auc - 0.5) < 3 * found.error
        assert found.error > 0.02  # of 300 events, not of 1500 jets


def test_shift_is_found_and_the_variable_named():
    found = separate(made(), made(shift=1, seed=1), seed=0)
    assert found is not None
    assert found.auc == pytest.approx(0.76, abs=0.035)  # the best is Phi(1 / sqrt 2) = 0.760
    assert next(iter(found.importance)) == "jets.2"
    assert found.importance["jets.2"] > 0.2
    assert max(lost for name, lost in found.importance.items() if name != "jets.2") < 0.02
    assert found.surely > 0.7


def test_difference_that_no_single_variable_shows():
    def correlated(seed: int, sign: float) -> Draw:
        draw = made(seed=seed, number=3000)
        one = draw.features["jets", "0"]
        draw.features["jets", "1"] = (sign * 0.8 * one + 0.6 * draw.features["jets", "1"]).astype(np.float32)
        return draw

    found = separate(correlated(0, 1), correlated(1, -1), seed=0)
    assert found is not None
    assert found.auc > 0.7
    assert set(list(found.importance)[:2]) == {"jets.0", "jets.1"}


def test_the_seed_is_all_that_matters():
    state = torch.get_rng_state()
    first = separate(made(), made(shift=0.5, seed=1), seed=3)
    torch.rand(7)
    assert separate(made(), made(shift=0.5, seed=1), seed=3) == first
    assert separate(made(), made(shift=0.5, seed=1), seed=4) != first
    torch.set_rng_state(state)
    separate(made(), made(seed=1), seed=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_undo_a_difference():
    first, second = made(number=4000), made(shift=0.7, seed=1, number=4000)
    plain = separate(first, second, seed=0)
    second.weights = np.exp(-0.7 * second.features["jets", "2"][:, 0].astype(np.float64) + 0.7**2 / 2)
    weighted = separate(first, second, seed=0, is_weighted=True)
    assert plain is not None
    assert weighted is not None
    assert plain.auc > 0.65
    assert abs(weighted.auc - 0.5) < 3 * weighted.error


def test_nan_and_constant_features():
    first, second = made(), made(seed=1)
    first.features["jets", "0"][:] = 3
    second.features["jets", "0"][:] = 3
    first.features["jets", "1"][:] = np.nan
    second.features["jets", "1"][:] = np.nan
    second.features["jets", "4"][::2] = np.nan  # which of them is NaN tells the samples apart
    found = separate(first, second, seed=0)
    assert found is not None
    assert found.auc == pytest.approx(0.75, abs=0.03)
    assert next(iter(found.importance)) == "jets.4"


def test_too_little_to_say():
    assert separate(made(number=59), made(seed=1), seed=0) is None
    other = made(seed=1)
    other.features = {("tracks", "d0"): other.features["jets", "0"]}
    assert separate(made(), other, seed=0) is None


def test_finding(clean, checked, of, monkeypatch):
    first, second = clean(1500, seed=1), clean(1500, seed=2)
    second["tracks"]["d0"] += 0.5
    report = checked(first, second)
    (found,) = of(report, "auc")
    assert float(found.value) > 0.9
    assert "tracks.d0" in found.detail
    assert of(checked(first, second, max_auc=1.0), "auc") == []
    assert of(checked(first, second, ignore=("d0",)), "auc") == []
    assert "jets.HadronPt" not in report.pairs[0].separation.importance  # truth is no input
    assert "jets.eventNumber" not in report.pairs[0].separation.importance
