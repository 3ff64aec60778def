from __future__ import annotations

import math

import numpy as np
import pytest
from made_records import jets_at, random_jets

from salt_like.simulation.kinematics import azimuth, invariant_mass, pseudorapidity, wrapped
from salt_like.simulation.neighbours import nearest_jet, pairs


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_all_pairs(seed):
    generator = np.random.default_rng(seed)
    first, second = np.sort(generator.integers(0, 6, 9)), np.sort(generator.integers(0, 6, 7))
    expected = [(i, j) for i in range(9) for j in range(7) if first[i] == second[j]]
    assert list(zip(*pairs(first, second), strict=True)) == expected


def test_no_pairs():
    nothing, something = np.zeros(0, np.int64), np.zeros(3, np.int64)
    for one, other in ((nothing, something), (something, nothing), (something, something + 1)):
        assert all(len(rows) == 0 for rows in pairs(one, other))


def closest(event, eta, phi, jets, radius):
    best, result = radius, -1
    for jet in range(len(jets.event)):
        axis = math.atan2(jets.py[jet], jets.px[jet])
        difference = math.remainder(phi - axis, 2 * math.pi)
        distance = math.hypot(eta - math.asinh(jets.pz[jet] / math.hypot(jets.px[jet], jets.py[jet])), difference)
        if jets.event[jet] == event and (distance < best or (distance == best and result < 0)):
            best, result = distance, jet
    return result


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("radius", [0.4, 3.0])
def test_same_as_a_loop(seed, radius):
    generator = np.random.default_rng(seed)
    jets = random_jets(generator, 8)
    event = np.sort(generator.integers(0, 8, 50))
    eta, phi = generator.normal(size=50), generator.uniform(-math.pi, math.pi, 50)
    expected = [closest(event[row], eta[row], phi[row], jets, radius) for row in range(50)]
    assert nearest_jet(event, eta, phi, jets, radius).tolist() == expected
    assert radius < 1 or max(expected) > 0


def test_two_jets_at_the_same_distance_and_around_the_corner():
    jets = jets_at((50, 0.25, 0.0), (40, -0.25, 0.0), (30, 0.0, math.pi - 0.1), event=[0, 0, 0])
    event = np.zeros(3, np.int64)
    found = nearest_jet(event, np.array([0.0, -0.01, 0.0]), np.array([0.0, 0.0, 0.1 - math.pi]), jets, 0.3)
    assert found.tolist() == [0, 1, 2]


def test_angles():
    x, y, z = np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, -2.0, 0.0, 0.0]), np.array([1.0, 0.0, 3.0, 0.0])
    assert pseudorapidity(x, y, z) == pytest.approx([math.asinh(1 / math.sqrt(2)), 0.0, math.inf, 0.0])
    assert azimuth(x, y)[:2] == pytest.approx([math.pi / 4, -math.pi / 2])
    assert wrapped(np.array([0.3, 6.0, -6.0, 9.0])) == pytest.approx(
        [0.3, 6.0 - 2 * math.pi, 2 * math.pi - 6.0, 9.0 - 2 * math.pi]
    )
    assert invariant_mass(x, y, z, np.array([2.0, 2.0, 2.9, 0.5])) == pytest.approx([1.0, 0.0, 0.0, 0.5])
