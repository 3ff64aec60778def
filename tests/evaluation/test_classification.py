from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation import classification
from salt_like.evaluation.classification import (
    ClassificationSums,
    accuracy,
    classify,
    constant_confusion,
    macro_f1,
    prior_entropy,
)
from salt_like.evaluation.metric import Metric, plain

CLASSES = ("ujets", "cjets", "bjets")


def sample(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities and labels drawn from them."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (number, 3)) + np.array([1.0, 0.0, -0.5])
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (random.random((number, 1)) > probabilities.cumsum(1)).sum(1)
    return probabilities.astype(np.float32), labels


def named(metrics: list[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def test_cross_entropy_and_accuracy_by_hand() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.2, 0.2, 0.6]])
    labels = np.array([0, 1, 2, -1])
    found = named(classify(probabilities, labels, CLASSES, (0.5, 0.3, 0.2)))
    losses = -np.log([0.5, 0.8, 0.2])
    assert found["cross-entropy"].value == pytest.approx(losses.mean())
    assert found["cross-entropy"].error == pytest.approx(losses.std(ddof=1) / np.sqrt(3))
    assert found["cross-entropy"].baseline == pytest.approx(-np.log([0.5, 0.3, 0.2]).mean())
    assert found["accuracy"].value == pytest.approx(2 / 3)
    assert found["accuracy"].error == pytest.approx(np.sqrt(2 / 9 / 3))
    assert found["accuracy"].baseline == pytest.approx(1 / 3)


def test_weights_are_like_repetitions() -> None:
    probabilities, labels = sample(200)
    repeat = np.random.default_rng(1).integers(1, 4, 200)
    twice = named(classify(np.repeat(probabilities, repeat, 0), np.repeat(labels, repeat), CLASSES))
    for name, metric in named(classify(probabilities, labels, CLASSES, (), repeat.astype(float))).items():
        assert metric.value == pytest.approx(twice[name].value), name
        assert metric.baseline == pytest.approx(twice[name].baseline), name


def test_the_prior_of_the_sample_itself_is_its_entropy_and_cannot_be_beaten_by_another() -> None:
    probabilities, labels = sample(500)
    own = named(classify(probabilities, labels, CLASSES))["cross-entropy"]
    fractions = np.bincount(labels, minlength=3) / 500
    assert own.baseline == pytest.approx(-(fractions * np.log(fractions)).sum())
    assert own.baseline_name == "class fractions"
    assert prior_entropy(fractions, (0.2, 0.2, 0.6)) > own.baseline
    assert own.value < own.baseline


def test_a_class_that_does_not_occur() -> None:
    probabilities, labels = sample(100)
    labels = np.minimum(labels, 1)
    found = named(classify(probabilities, labels, CLASSES, (0.5, 0.5, 0.0)))
    assert np.isnan(found["AUC bjets against rest"].value)
    assert np.isfinite(found["cross-entropy"].baseline)


def test_nothing_labelled_gives_nothing() -> None:
    probabilities, labels = sample(5)
    assert classify(probabilities, np.full_like(labels, -1), CLASSES) == []
    assert ClassificationSums(CLASSES).metrics() == []


def test_macro_f1_by_hand() -> None:
    confusion = np.array([[6.0, 2.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    assert macro_f1(confusion) == pytest.approx((12 / 15 + 6 / 9) / 2)
    assert accuracy(confusion) == pytest.approx(9 / 12)
    assert macro_f1(constant_confusion(confusion)) == pytest.approx((16 / 20) / 2)
    assert np.isnan(macro_f1(np.zeros((3, 3))))
    assert np.isnan(accuracy(np.zeros((3, 3))))


def test_constituents_in_pieces_agree_with_jets_at_once() -> None:
    probabilities, labels = sample(3000, seed=3)
    labels[::7] = -1
    sums = ClassificationSums(CLASSES, (0.5, 0.3, 0.2), groups=10)
    group = np.arange(3000) // 5 % 10
    for start in range(0, 3000, 700):
        piece = slice(start, start + 700)
        sums.add(probabilities[piece], labels[piece], group[piece])
    parts, whole = named(sums.metrics()), named(classify(probabilities, labels, CLASSES, (0.5, 0.3, 0.2)))
    assert set(parts) == {*whole, "macro-F1"}
    for name, metric in whole.items():
        assert parts[name].value == pytest.approx(metric.value, abs=2e-4), name
        assert parts[name].baseline == pytest.approx(metric.baseline), name
        assert parts[name].error == pytest.approx(metric.error, rel=0.7), name
    assert parts["accuracy"].baseline_name == "always ujets"


def test_error_knows_that_constituents_of_a_jet_agree() -> None:
    probabilities, labels = sample(1000, seed=4)
    errors = []
    for copies in (1, 9):
        sums = ClassificationSums(CLASSES)
        group = np.repeat(np.arange(1000) % 20, copies)
        sums.add(np.repeat(probabilities, copies, 0), np.repeat(labels, copies), group)
        errors.append(named(sums.metrics())["accuracy"].error)
    assert errors[0] == pytest.approx(errors[1])


def test_json_has_no_nan() -> None:
    metric = Metric("a", float("nan"), 1.0, float("inf"))
    assert metric.plain()["value"] is None
    assert plain({"a": [1.0, (float("-inf"),)]}) == {"a": [1.0, [None]]}


def test_weights_of_constituents_are_like_repetitions() -> None:
    probabilities, labels = sample(3000, seed=5)
    labels[::7] = -1
    group, repeat = np.arange(3000) // 5 % 10, np.random.default_rng(6).integers(0, 4, 3000)
    weighted, repeated = ClassificationSums(CLASSES, groups=10), ClassificationSums(CLASSES, groups=10)
    weighted.add(probabilities, labels, group, repeat.astype(float))
    repeated.add(*(np.repeat(one, repeat, 0) for one in (probabilities, labels, group)))
    expected = named(repeated.metrics())
    for name, metric in named(weighted.metrics()).items():
        assert metric.value == pytest.approx(expected[name].value), name
        assert metric.error == pytest.approx(expected[name].error), name
        assert metric.baseline == pytest.approx(expected[name].baseline), name


def test_negative_weights_of_constituents_end_in_no_warning() -> None:
    probabilities, labels = sample(400, seed=7)
    sums = ClassificationSums(CLASSES, groups=4)
    sums.add(probabilities, labels, np.arange(400) % 4, np.where(labels == 2, -0.3, 1.0))
    found = named(sums.metrics())
    assert np.isnan(found["AUC bjets against rest"].value)
    assert np.isfinite(found["cross-entropy"].value)
    sums = ClassificationSums(CLASSES, groups=4)
    sums.add(probabilities, labels, np.arange(400) % 4, np.full(400, -1.0))
    assert sums.metrics() == []
    assert classify(probabilities, labels, CLASSES, (), np.full(400, -1.0)) == []


def test_auc_of_constituents_is_exact_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    probabilities, labels = sample(3000)
    group = np.arange(3000) % 7
    exact = {metric.name: metric for metric in classify(probabilities, labels, CLASSES)}
    found = []
    for limit in (3000, 2999):
        monkeypatch.setattr(classification, "EXACT_ROWS", limit)
        sums = ClassificationSums(CLASSES, groups=7)
        for start in range(0, 3000, 1000):
            piece = slice(start, start + 1000)
            sums.add(probabilities[piece], labels[piece], group[piece])
        found.append({metric.name: metric for metric in sums.metrics()})
    kept, binned = found
    for name in (f"AUC {one} against rest" for one in CLASSES):
        assert kept[name].value == pytest.approx(exact[name].value, abs=1e-12)
        assert kept[name].error == binned[name].error
        assert binned[name].value == pytest.approx(exact[name].value, abs=1e-4)
        assert binned[name].value != kept[name].value
