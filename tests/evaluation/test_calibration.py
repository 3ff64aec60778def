from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from salt_like.evaluation.calibration import ReliabilitySums, calibration, equal_counts
from salt_like.evaluation.priors import shares, transfer
from salt_like.evaluation.ranking import BINS, log_odds, score_bins
from salt_like.evaluation.temperature import scaled

CLASSES = ("ujets", "cjets", "bjets")
PRIOR = (0.5, 0.3, 0.2)


def toys(number: int, seed: int = 0, prior: tuple[float, ...] = PRIOR) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the exact likelihood ratios of Gaussian classes, and classes drawn from a prior."""
    random = np.random.default_rng(seed)
    labels = random.choice(3, number, p=prior)
    x = random.normal(size=number) + labels
    return np.stack([-((x - mean) ** 2) / 2 for mean in range(3)], 1), labels


def measured(probabilities: np.ndarray, labels: np.ndarray, **changes: object):
    given = {"prior": PRIOR, "assumed": "training", "group": np.arange(len(labels)) % 20, **changes}
    found = calibration(probabilities, labels, CLASSES, **given)
    assert found is not None
    return found


# in a process of its own: what it imports has a class that is called Classification too
REFERENCE = """
import sys, numpy as np
from sklearn.calibration import calibration_curve
given = np.load(sys.argv[1])
of_class = [(given["labels"] == index, given["probabilities"][:, index]) for index in range(3)]
np.save(sys.argv[2], [calibration_curve(*one, n_bins=10, strategy="quantile") for one in of_class])
"""


@pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed: pip install 'salt-like[dev]'")
def test_curves_are_those_of_scikit_learn(tmp_path: Path) -> None:
    ratios, labels = toys(5000)
    probabilities = scaled(ratios, PRIOR, 0.6)
    np.savez(tmp_path / "given.npz", labels=labels, probabilities=probabilities)
    subprocess.run([sys.executable, "-c", REFERENCE, tmp_path / "given.npz", tmp_path / "curves.npy"], check=True)
    found = measured(probabilities, labels)
    for name, (observed, predicted) in zip(CLASSES, np.load(tmp_path / "curves.npy"), strict=True):
        curve = found.classes[name]
        np.testing.assert_allclose(curve.observed, observed, rtol=1e-12)
        np.testing.assert_allclose(curve.predicted, predicted, rtol=1e-12)
        assert curve.entries == (500,) * 10
        assert curve.ece == pytest.approx(np.abs(observed - predicted).mean())
        np.testing.assert_allclose(curve.errors, np.sqrt(observed * (1 - observed) / 500))
    assert found.ece == pytest.approx(np.mean([one.ece for one in found.classes.values()]))


def test_exact_probabilities_show_what_chance_makes() -> None:
    distances = []
    for seed in range(100):
        ratios, labels = toys(4000, seed)
        found = measured(scaled(ratios, PRIOR), labels)
        distances.append((found.ece - found.chance) / found.error)
        assert 0 < found.chance < 0.02
    assert abs(np.mean(distances)) < 0.3  # 0.07 is one standard deviation
    assert np.std(distances) < 1.1  # the error is too large where every bin is exact: nothing smaller is possible there


def test_pulls_of_wrong_probabilities() -> None:
    ratios, labels = toys(1_000_000, 99)
    true = measured(scaled(ratios, PRIOR, 0.5), labels)
    assert true.ece > 20 * true.chance
    pulls = []
    for seed in range(500):
        ratios, labels = toys(4000, seed)
        found = measured(scaled(ratios, PRIOR, 0.5), labels)
        pulls.append((found.ece - true.ece) / found.error)
    assert np.mean(pulls) == pytest.approx(0.1, abs=0.25)  # chance adds a little
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_events_of_equal_jets_have_the_error_of_their_number() -> None:
    ratios, labels = toys(2000, 5)
    group = np.arange(2000) % 20
    one = measured(scaled(ratios, PRIOR, 0.5), labels, group=group)
    twice = measured(np.repeat(scaled(ratios, PRIOR, 0.5), 2, 0), np.repeat(labels, 2), group=np.repeat(group, 2))
    assert twice.error == pytest.approx(one.error, rel=0.05)
    assert twice.classes["bjets"].errors[0] < 0.8 * one.classes["bjets"].errors[0]  # these take rows as independent


def test_the_right_class_fractions_calibrate() -> None:
    """Drawn with other fractions than the probabilities assume, until they are transferred."""
    own = (0.1, 0.2, 0.7)
    ratios, labels = toys(40_000, 1, own)
    assumed = scaled(ratios, PRIOR)
    wrong = measured(assumed, labels)
    right = measured(transfer(assumed, PRIOR, own), labels, prior=own, assumed="sample")
    assert wrong.ece > 20 * wrong.error
    assert right.ece == pytest.approx(right.chance, abs=3 * right.error)
    np.testing.assert_allclose(shares(labels, 3), own, atol=0.01)
    assert dict(right.prior) == dict(zip(CLASSES, own, strict=True))


def test_weights_count_as_so_many_rows() -> None:
    ratios, labels = toys(3000, 2)
    probabilities, times = scaled(ratios, PRIOR, 0.5), np.random.default_rng(0).integers(1, 4, 3000)
    group = np.arange(3000) % 20
    bins = np.stack([equal_counts(one, 10) for one in probabilities.T], 1)
    weighted, repeated = (ReliabilitySums(CLASSES, 20, 10) for _ in range(2))
    weighted.add(probabilities, labels, group, times.astype(float), bins)
    again = np.repeat(np.arange(3000), times)
    repeated.add(probabilities[again], labels[again], group[again], np.ones(len(again)), bins[again])
    one, other = weighted.result("training", PRIOR), repeated.result("training", PRIOR)
    assert one is not None
    assert other is not None
    assert one.ece == pytest.approx(other.ece)
    assert one.error == pytest.approx(other.error)
    np.testing.assert_allclose(one.classes["cjets"].observed, other.classes["cjets"].observed)
    assert one.chance > other.chance  # as many independent rows as before


def test_streamed_sums_agree_with_whole_columns() -> None:
    ratios, labels = toys(6000, 3)
    probabilities, group = scaled(ratios, PRIOR, 0.7), np.arange(6000) % 20
    whole = measured(probabilities, labels)
    sums = ReliabilitySums(CLASSES, 20, BINS)
    for start in range(0, 6000, 1500):
        piece = slice(start, start + 1500)
        bins = score_bins(log_odds(probabilities[piece]))
        sums.add(probabilities[piece], labels[piece], group[piece], np.ones(1500), bins)
    found = sums.merged().result("training", PRIOR)
    assert found is not None
    assert found.ece == pytest.approx(whole.ece, rel=0.05)
    for name in CLASSES:
        np.testing.assert_allclose(found.classes[name].entries, 600, atol=40)
        np.testing.assert_allclose(found.classes[name].predicted, whole.classes[name].predicted, atol=0.01)


def test_few_rows_absent_classes_and_labels_left_out() -> None:
    ratios, labels = toys(250, 4)
    labels = np.where(labels == 1, -1, labels)
    found = measured(scaled(ratios, PRIOR), labels)
    assert list(found.classes) == ["ujets", "bjets"]
    assert len(found.classes["ujets"].entries) == 1  # 100 rows make a bin
    assert sum(found.classes["ujets"].entries) == (labels >= 0).sum()
    nothing = np.full(250, -1)
    assert calibration(scaled(ratios, PRIOR), nothing, CLASSES, PRIOR, "training", np.zeros(250, int)) is None
    weights = np.full(250, -1.0)
    assert calibration(scaled(ratios, PRIOR), labels, CLASSES, PRIOR, "training", np.zeros(250, int), weights) is None


def test_plain_has_whole_curves() -> None:
    ratios, labels = toys(2000)
    plain = measured(scaled(ratios, PRIOR), labels).plain()
    assert plain["assumed"] == "training"
    assert plain["prior"] == {"ujets": 0.5, "cjets": 0.3, "bjets": 0.2}
    assert {len(plain["classes"]["bjets"][key]) for key in ("entries", "predicted", "observed", "errors")} == {10}
    assert measured(scaled(ratios, PRIOR), labels, prior=()).prior == {}
