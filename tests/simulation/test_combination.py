from __future__ import annotations

import numpy as np
import pytest

from salt_like.simulation.combination import combined


def test_weights_are_inverse_variances():
    """Of 100 and 50 GeV with equal errors the mean of the inverse momenta is 1.5 %; with 1 : 2 it is (4 + 2) / 5 %."""
    momentum, showered = np.array([100.0, 100.0]), np.array([50.0, 50.0])
    found = combined(momentum, np.array([0.1, 0.1]), showered, np.array([0.1, 0.2]))
    assert found == pytest.approx([1 / 0.015, 1 / 0.012])


def test_the_one_that_is_exact_decides():
    one, none, some = np.array([100.0]), np.array([0.0]), np.array([0.1])
    assert combined(one, some, 0.5 * one, none) == pytest.approx(50.0)
    assert combined(one, none, 0.5 * one, some) == pytest.approx(100.0)
    assert combined(one, none, 0.5 * one, none) == pytest.approx(100.0)


@pytest.mark.parametrize(("track", "shower"), [(0.02, 0.2), (0.1, 0.1), (0.34, 0.1), (1.0, 0.1)])
def test_unbiased_and_better_than_both(track, shower):
    rng = np.random.default_rng(1)
    number = 200_000
    momentum = 1.0 / np.abs(1.0 + track * rng.standard_normal(number))
    showered = np.maximum(1.0 + shower * rng.standard_normal(number), shower)
    found = combined(momentum, np.full(number, track), showered, np.full(number, shower))
    assert found.mean() == pytest.approx(1.0, abs=0.006)
    assert found.std() == pytest.approx(track * shower / np.hypot(track, shower), rel=0.05)
    assert found.max() < 2.0
