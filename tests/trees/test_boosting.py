"""Trees learn what they should, from the weights they are given, and stay what XGBoost made."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("xgboost")
pytest.importorskip("onnxmltools")

from salt_like.errors import UserError
from salt_like.trees import boosting
from salt_like.trees.boosting import Settings, Table, boost
from salt_like.trees.ensemble import from_onnx

SETTINGS = Settings(rounds=12, max_depth=3, learning_rate=0.3, subsample=1.0, colsample=1.0)


def table(number: int = 1200, seed: int = 0) -> Table:
    """Three classes that the first two of four features tell, NaN among all of them."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(number, 4)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.int64) + (features[:, 1] > 0.5)
    features[random.random(features.shape) < 0.1] = np.nan
    return Table(features, labels, np.ones(number, np.float32))


def probabilities(found, features) -> np.ndarray:
    with torch.inference_mode():
        return found.trees(torch.from_numpy(features)).softmax(-1).numpy()


def entropy(found, jets: Table) -> float:
    said = probabilities(found, jets.features).astype(float)
    return float(-np.log(said[np.arange(len(jets.labels)), jets.labels]).mean())


@pytest.fixture(scope="module")
def booster():
    """What XGBoost itself makes of the table, with our settings."""
    import xgboost

    jets = table()
    given = {"objective": "multi:softprob", "num_class": 3, "base_score": 0.0, "eta": 0.3, "max_depth": 3}
    matrix = xgboost.QuantileDMatrix(jets.features, jets.labels)
    return xgboost.train({**given, "tree_method": "hist", "seed": 0}, matrix, num_boost_round=12)


def test_trees_say_what_xgboost_says(booster):
    import xgboost

    other = table(seed=1).features
    other[5] = np.nan
    found = boost(table(), None, 3, SETTINGS)
    expected = booster.predict(xgboost.DMatrix(other))
    np.testing.assert_allclose(probabilities(found, other), expected, atol=1e-6)
    assert np.ptp(expected, 0).min() > 0.5
    assert found.trees.size.trees == 36
    assert 1 <= found.trees.size.depth <= 3


def test_values_on_a_threshold_go_the_same_way(booster):
    import xgboost

    found = boost(table(), None, 3, SETTINGS)
    thresholds = found.trees.threshold[found.trees.yes != torch.arange(found.trees.size.nodes)]
    used = found.trees.feature[found.trees.yes != torch.arange(found.trees.size.nodes)]
    jets = np.full((len(thresholds), 4), np.nan, np.float32)
    jets[np.arange(len(thresholds)), used] = thresholds
    np.testing.assert_allclose(probabilities(found, jets), booster.predict(xgboost.DMatrix(jets)), atol=1e-6)


def test_classes_keep_their_order():
    jets = table()
    said = probabilities(boost(jets, None, 3, SETTINGS), jets.features)
    assert (said.argmax(1) == jets.labels).mean() > 0.9


def test_weights_are_what_the_classes_weigh():
    # the same features for both classes: probabilities are shares of the weights
    features = np.zeros((400, 2), np.float32)
    labels = np.arange(400) % 2
    weights = np.where(labels == 0, 3.0, 1.0).astype(np.float32)
    settings = replace(SETTINGS, rounds=60)
    said = probabilities(boost(Table(features, labels, weights), None, 2, settings), features)
    np.testing.assert_allclose(said[0], [0.75, 0.25], atol=2e-3)
    # so does the loss, as a sum over the number of jets as that of a network
    found = boost(Table(features, labels, weights), Table(features, labels, 2 * weights), 2, settings)
    expected = -(1.5 * np.log(0.75) + 0.5 * np.log(0.25))
    assert found.losses["train"][-1] == pytest.approx(expected, abs=1e-3)
    assert found.losses["val"][-1] == pytest.approx(2 * expected, abs=1e-3)


def test_boosting_stops_when_the_validation_loss_does_and_keeps_the_best_round():
    settings = replace(SETTINGS, rounds=300, patience=5, max_depth=6)
    seen = []
    train, val = table(300), table(600, seed=2)
    noisy = replace(train, labels=np.where(np.arange(300) % 4 == 0, 2 - train.labels, train.labels))
    found = boost(noisy, val, 3, settings, report=lambda *progress: seen.append(progress))
    done = len(found.losses["val"])
    assert done < 300
    assert found.best == int(np.argmin(found.losses["val"])) == done - 1 - 5
    assert found.trees.size.trees == 3 * (found.best + 1)
    assert entropy(found, val) == pytest.approx(min(found.losses["val"]), rel=1e-5)
    assert seen == [(number + 1, 300) for number in range(done)]


def test_permuted_labels_teach_nothing():
    train, val = table(), table(seed=3)
    right = boost(train, val, 3, SETTINGS)
    random = np.random.default_rng(0)
    mixed = [replace(one, labels=random.permutation(one.labels)) for one in (train, val)]
    wrong = boost(*mixed, 3, SETTINGS)
    counts = np.bincount(train.labels) / len(train.labels)
    prior = float(-(np.bincount(val.labels) / len(val.labels) * np.log(counts)).sum())
    assert entropy(right, val) < prior - 0.4
    assert entropy(wrong, mixed[1]) > prior - 0.02


def test_seeds_repeat():
    settings = replace(SETTINGS, subsample=0.5)
    first, again, other = (
        probabilities(boost(table(), None, 3, settings, seed), table().features) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_package_that_is_missing_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    with pytest.raises(UserError, match="need xgboost and onnxmltools") as error:
        boost(table(), None, 3, SETTINGS)
    assert "pip install 'salt-like[trees]'" in str(error.value)


def test_settings_that_xgboost_refuses():
    with pytest.raises(UserError, match="cannot boost these trees"):
        boost(table(), None, 3, replace(SETTINGS, min_child_weight=-1.0))


def test_a_conversion_that_changes_the_trees_is_noticed(monkeypatch):
    def wrong(*given):
        made = from_onnx(*given)
        made.value.mul_(1.01)
        return made

    monkeypatch.setattr(boosting, "from_onnx", wrong)
    with pytest.raises(UserError, match="say something else after their conversion"):
        boost(table(), None, 3, SETTINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes_modes": [b"BRANCH_LEQ", b"LEAF", b"LEAF"]}, "of a kind that is not known"),
        ({"class_ids": [1, 1]}, "do not speak for 2 classes in turn"),
        ({"base_values": [0.5, 0.5]}, "other sums than 0"),
    ],
)
def test_trees_of_another_kind_are_refused(change, message):
    one = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_modes": [b"BRANCH_LT", b"LEAF", b"LEAF"],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_missing_value_tracks_true": [0, 0, 0],
        "class_treeids": [0, 0],
        "class_nodeids": [1, 2],
        "class_ids": [0, 0],
        "class_weights": [1.0, 2.0],
    }
    two = {
        name: values + ([1 for _ in values] if name.endswith(("treeids", "class_ids")) else values)
        for name, values in one.items()
    }
    assert from_onnx(two, 1, 2)(torch.tensor([[0.4], [0.6]])).tolist() == [[1.0, 1.0], [2.0, 2.0]]
    given = {
        **two,
        **{name: values * (2 if len(values) != 2 or name == "class_ids" else 1) for name, values in change.items()},
    }
    with pytest.raises(ValueError, match=message):
        from_onnx(given, 1, 2)
