from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation.priors import shares, transfer


def test_likelihood_ratios_stay() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        probabilities, old, new = random.dirichlet(np.ones(4), 30), *random.dirichlet(np.ones(4), 2)
        found = transfer(probabilities, old, new)
        ratios = probabilities / old
        np.testing.assert_allclose(found / new / (found[:, :1] / new[0]), ratios / ratios[:, :1])
        np.testing.assert_allclose(found.sum(1), 1)
        np.testing.assert_allclose(transfer(found, new, old), probabilities)
        other = random.dirichlet(np.ones(4))
        np.testing.assert_allclose(transfer(found, new, other), transfer(probabilities, old, other))


def test_a_class_without_old_fraction_keeps_its_probability() -> None:
    probabilities = np.array([[0.1, 0.3, 0.6], [1.0, 0.0, 0.0]])
    found = transfer(probabilities, (0.0, 0.5, 0.5), (0.0, 0.75, 0.25))
    np.testing.assert_allclose(found, [[0.1, 0.9 * 0.6, 0.9 * 0.4], [1.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match="cannot be given a fraction"):
        transfer(probabilities, (0.0, 0.5, 0.5), (0.2, 0.4, 0.4))


def test_a_class_that_is_taken_away() -> None:
    found = transfer(np.array([[0.2, 0.2, 0.6], [1.0, 0.0, 0.0]]), (0.2, 0.4, 0.4), (0.0, 0.5, 0.5))
    np.testing.assert_allclose(found, [[0, 0.25, 0.75], [0, 0.5, 0.5]])


def test_half_precision_is_made_to_sum_to_one() -> None:
    given = np.random.default_rng(1).dirichlet(np.ones(3), 100).astype(np.float16)
    np.testing.assert_allclose(transfer(given, (0.2, 0.3, 0.5), (0.5, 0.3, 0.2)).sum(1), 1)


def test_shares() -> None:
    labels = np.array([0, 2, 2, -1, 2])
    assert shares(labels, 4) == (0.25, 0, 0.75, 0)
    assert shares(labels, 4, np.array([3.0, 1, 1, 9, 1])) == (0.5, 0, 0.5, 0)
    assert shares(labels, 4, np.zeros(5)) == ()
