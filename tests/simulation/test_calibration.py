from __future__ import annotations

import numpy as np
import pytest

from salt_like.simulation.calibration import ETA, PT, Calibration, derived


def toy(number=400_000, seed=1):
    """Steeply falling momenta and a known response: much lost at low momentum, less forward, 10 % resolution."""
    rng = np.random.default_rng(seed)
    true = 10.0 * (1 - rng.random(number)) ** -0.5
    eta = rng.uniform(0, 2.5, number)
    response = np.where(eta < 1.5, 1 - 1.5 / np.sqrt(true), 0.9)
    return true * response * (1 + 0.1 * rng.standard_normal(number)), true, eta


def test_closure():
    """The calibrated response is 1 at every true momentum, although many more jets come from below than from above."""
    pt, true, eta = toy()
    factor = derived(pt, true, eta).factor(pt, eta)
    for low, high in [(20, 25), (25, 40), (40, 80), (80, 200)]:
        for forward in (False, True):
            here = (true > low) & (true < high) & ((eta > 1.5) == forward)
            assert np.median(factor[here] * pt[here] / true[here]) == pytest.approx(1.0, abs=0.012)


def test_known_factors():
    pt, true, eta = toy()
    found = derived(pt, true, eta)
    assert found.eta == ETA
    assert found.pt == PT
    assert found.factors[3][3:8] == pytest.approx([1 / 0.9] * 5, abs=0.012)
    at_40 = dict(zip(PT, found.factors[0], strict=True))[40.0]
    true = next(value for value in np.linspace(40, 80, 4001) if value - 1.5 * np.sqrt(value) > 40.0)
    assert at_40 == pytest.approx(true / 40.0, abs=0.012)


def test_between_and_beyond_the_knots():
    calibration = Calibration((0.0, 1.0), (10.0, 100.0), ((1.0, 2.0), (3.0, 3.0)))
    pt = np.array([5.0, 10.0, np.sqrt(1000.0), 100.0, 500.0, 20.0])
    eta = np.array([0.0, 0.5, 0.99, 0.2, 0.0, 1.0])
    assert calibration.factor(pt, eta) == pytest.approx([1.0, 1.0, 1.5, 2.0, 2.0, 3.0])


def test_bins_without_jets_take_the_nearest():
    pt, true = np.full(100, 45.0), np.full(100, 50.0)
    found = derived(pt, true, np.zeros(100))
    assert found.factors[0] == pytest.approx([1.111] * len(PT), abs=1e-3)
    assert found.factors[1] == (1.0,) * len(PT)


def test_default_table_has_its_shape():
    default = Calibration()
    assert len(default.factors) == len(default.eta)
    assert {len(row) for row in default.factors} == {len(default.pt)}
    assert np.all((np.array(default.factors) > 0.8) & (np.array(default.factors) < 1.25))
