from __future__ import annotations

import numpy as np
import pytest
from particle_gun import with_settings

from salt_like.simulation.detector_settings import CalorimeterSettings
from salt_like.simulation.subtraction import density, subtracted

SETTINGS = with_settings(CalorimeterSettings(), maximum_eta=2.0, patch=0.5, density_patch=1.0)


@pytest.fixture
def constituents():
    """Of 3 events with 2000, 300 and 8 constituents: event, η, φ, pT."""
    rng = np.random.default_rng(2)
    event = np.repeat(np.arange(3), [2000, 300, 8])
    number = len(event)
    return event, rng.uniform(-2, 2, number), rng.uniform(-np.pi, np.pi, number), rng.exponential(0.8, number) + 0.1


def patch_of(eta, phi, rows, columns):
    return int((eta + 2.0) / 4.0 * rows), int((phi + np.pi) / (2 * np.pi) * columns)


def by_loop(event, eta, phi, pt):
    left = np.ones(len(pt))
    for number in range(3):
        here = np.flatnonzero(event == number)
        sums = np.zeros((4, 6))
        for row in here:
            sums[patch_of(eta[row], phi[row], 4, 6)] += pt[row]
        rho = np.median(sums) / (1.0 * 2 * np.pi / 6)
        for patch in {patch_of(eta[row], phi[row], 8, 13) for row in here}:
            budget = rho * 0.5 * 2 * np.pi / 13
            for row in sorted((r for r in here if patch_of(eta[r], phi[r], 8, 13) == patch), key=lambda r: pt[r]):
                taken = min(budget, pt[row])
                budget -= taken
                left[row] = 1 - taken / pt[row]
    return left


def test_softest_first_by_a_loop(constituents):
    event, eta, phi, pt = constituents
    left = subtracted(event, eta, phi, pt, 3, SETTINGS)
    np.testing.assert_allclose(left, by_loop(*constituents), atol=1e-9)
    assert 0.05 < np.mean(left == 0) < 0.95
    assert np.any((left > 0) & (left < 1))
    np.testing.assert_allclose(left[event == 2], 1.0)  # most patches are empty: there is no pile-up


def test_order_does_not_matter(constituents):
    event, eta, phi, pt = constituents
    order = np.random.default_rng(1).permutation(len(pt))
    before = subtracted(event, eta, phi, pt, 3, SETTINGS)
    after = subtracted(event[order], eta[order], phi[order], pt[order], 3, SETTINGS)
    np.testing.assert_allclose(after, before[order], atol=1e-9)


def test_a_jet_on_top_of_pile_up_keeps_its_momentum(constituents):
    """Within the fluctuations of a patch of 20 others, and a median that is a little below the mean."""
    event, eta, phi, pt = (each[:2000] for each in constituents)
    remains, alone = [], []
    for angle in np.linspace(-3, 3, 40):
        hard = (0, 0.2, angle, 50.0)
        chosen = [np.append(one, value) for one, value in zip((event, eta, phi, pt), hard, strict=True)]
        left = subtracted(*chosen, 1, SETTINGS)
        patch = np.array(
            [patch_of(*where, 8, 13) == patch_of(0.2, angle, 8, 13) for where in zip(*chosen[1:3], strict=True)]
        )
        remains.append(np.sum((left * chosen[3])[patch]))
        alone.append(np.sum(chosen[3][patch]))
    assert np.mean(alone) > 65.0
    assert np.mean(remains) == pytest.approx(50.0, abs=1.5)
    assert np.std(remains) < 6.0


def test_density():
    pt, event, patch = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0, 0, 0, 1]), np.array([0, 1, 1, 2])
    np.testing.assert_allclose(density(pt, event, patch, 3, 0.5, 3), [1.0 / 0.5, 0.0, 0.0])
