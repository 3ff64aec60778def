from __future__ import annotations

import anti_kt
import numpy as np
import pytest
from made_records import Record, truth_jets_at
from particle_gun import shot, with_settings

from salt_like.simulation import engines
from salt_like.simulation.calibration import Calibration
from salt_like.simulation.clustering import jets, matched, truth_jets, uncalibrated
from salt_like.simulation.detector_settings import JetSettings
from salt_like.simulation.kinematics import azimuth, invariant_mass, pseudorapidity
from salt_like.simulation.prompt import prompt_leptons
from salt_like.simulation.record import Flows, Stable

SETTINGS = JetSettings()
DOUBLED = Calibration((0.0,), (10.0,), ((2.0,),))
NONE = Calibration((0.0,), (10.0,), ((1.0,),))


def flows_of(pt, eta, phi, event, mass=0.0) -> Flows:
    number = len(pt)
    none = np.full(number, -1)
    energy = np.hypot(pt * np.cosh(eta), mass)
    momentum = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return Flows(np.asarray(event), none, none, np.zeros(number, bool), *momentum, energy)


@pytest.fixture
def sprays():
    """4 events of 6 sprays of 5 to 10 constituents each."""
    rng = np.random.default_rng(4)
    size = rng.integers(5, 11, 24)
    event = np.repeat(np.repeat(np.arange(4), 6), size)
    eta = np.repeat(rng.uniform(-2.8, 2.8, 24), size) + rng.normal(0, 0.15, size.sum())
    phi = np.repeat(rng.uniform(-np.pi, np.pi, 24), size) + rng.normal(0, 0.15, size.sum())
    return flows_of(rng.exponential(8.0, size.sum()) + 0.5, eta, phi, event, 0.1396)


def test_two_implementations_agree(sprays):
    for module in ("fastjet", "awkward"):
        pytest.importorskip(module)
    momentum = sprays.px, sprays.py, sprays.pz, sprays.energy
    one, other = (
        cluster(sprays.event, *momentum, radius=0.4, pt_min=5.0) for cluster in (anti_kt.cluster, engines.cluster)
    )
    np.testing.assert_array_equal(one.event, other.event)
    for name in ("px", "py", "pz", "energy"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name))
    for jet in range(len(one.event)):
        assert set(one.constituent[one.jet == jet]) == set(other.constituent[other.jet == jet])


def test_jets_are_sums_of_their_constituents_times_one_factor(sprays):
    found = jets(sprays, truth_jets_at(), SETTINGS, anti_kt.cluster, DOUBLED)
    assert len(found.event) > 15
    for jet in range(len(found.event)):
        inside = found.flow[found.flow_jet == jet]
        assert set(sprays.event[inside]) == {found.event[jet]}
        for name in ("px", "py", "pz", "energy"):
            assert getattr(found, name)[jet] == pytest.approx(2.0 * getattr(sprays, name)[inside].sum())
    mass = invariant_mass(found.px, found.py, found.pz, found.energy)
    assert np.all(mass > 0.5)
    assert len(np.unique(found.flow)) == len(found.flow)
    assert np.all(np.diff(found.flow_jet) >= 0)


def test_selection_and_order(sprays):
    found = jets(sprays, truth_jets_at(), SETTINGS, anti_kt.cluster, NONE)
    raw = uncalibrated(sprays, SETTINGS, anti_kt.cluster)
    raw_pt, raw_eta = np.hypot(raw.px, raw.py), pseudorapidity(raw.px, raw.py, raw.pz)
    wanted = (raw_pt > 20.0) & (np.abs(raw_eta) < 2.5)
    assert 0 < wanted.sum() < len(wanted)
    pt = np.hypot(found.px, found.py)
    assert sorted(pt) == pytest.approx(sorted(raw_pt[wanted]))
    for event in range(4):
        assert np.all(np.diff(pt[found.event == event]) <= 0)
    assert np.all(np.diff(found.event) >= 0)


def test_calibration_decides_about_selection_and_order():
    """Of two jets the softer one becomes the harder one where its region has the larger factor."""
    flows = flows_of(np.array([30.0, 25.0, 14.0]), np.array([0.0, 1.0, 1.2]), np.array([0.0, 1.5, 3.0]), [0, 0, 0])
    calibration = Calibration((0.0, 0.8), (10.0,), ((1.0,), (1.5,)))
    found = jets(flows, truth_jets_at(), SETTINGS, anti_kt.cluster, calibration)
    assert np.hypot(found.px, found.py) == pytest.approx([37.5, 30.0, 21.0])
    assert list(found.flow) == [1, 0, 2]


def test_matching_is_mutual_and_near():
    flows = flows_of(np.array([50.0, 40.0, 30.0, 35.0]), np.array([0.0, 0.5, 2.0, 0.0]), np.zeros(4), [0, 0, 0, 1])
    truth = truth_jets_at((40, 0.06, 0.0), (20, 0.22, 0.0), (30, 2.0, 0.31), event=[0, 0, 0])
    found = jets(flows, truth, SETTINGS, anti_kt.cluster, NONE)
    # the second jet's nearest is 0.28 away but prefers the first jet; the third has none within 0.3
    assert list(found.truth) == [0, -1, -1, -1]
    assert list(matched(found, truth_jets_at(), 0.3)) == [-1] * 4
    none = jets(
        flows_of(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64)), truth, SETTINGS, anti_kt.cluster
    )
    assert len(none.event) == 0


def test_true_jets_are_of_the_hard_collision_without_neutrinos_and_prompt_leptons():
    pdg = np.array([211, 22, 12, -11, 13, 211, 211])
    phi = np.array([0.0, 0.1, 0.05, 2.0, -2.0, 0.0, 1.0])
    stable = shot(pdg, 30.0, 0.0, phi, collision=np.array([0, 0, 0, 0, 0, 1, 0]))
    prompt = np.array([False, False, False, True, False, False, False])
    found = truth_jets(stable, prompt, SETTINGS, anti_kt.cluster)
    assert sorted(azimuth(found.px, found.py)) == pytest.approx([-2.0, 0.05, 1.0], abs=1e-6)
    assert np.hypot(found.px, found.py) == pytest.approx([60 * np.cos(0.05), 30.0, 30.0])


def test_prompt_leptons():
    """Electrons of W, muons of taus of Z and what they radiate; not leptons of hadrons, nor photons of pions."""
    record = Record()
    add = record.add
    w, z, b = add(24), add(23), add(5)
    electron = add(11, w)
    prompt = [add(11, electron), add(22, electron), add(12, w)]
    tau = add(15, z)
    prompt += [add(13, tau), add(22, tau)]
    pion = add(111, tau)
    hadron = add(511, b)
    other = add(15, hadron)
    rest = [add(211, tau), add(22, pion), add(-11, pion), add(13, hadron), add(11, other), add(22, b)]
    particles = record.particles()
    row = np.array([*prompt, *rest, -1])
    zeros = np.zeros(len(row))
    pdg = np.append(particles.pdg[row[:-1]], 11)
    stable = Stable(row * 0, row * 0, row, pdg, *[zeros] * 8, np.zeros((1, 3)), np.zeros(1, np.int64))
    assert list(prompt_leptons(particles, stable)) == [True, True, False, True, True] + [False] * 7


def test_clustering_reaches_below_the_selection(sprays):
    """A calibration of up to 2 brings jets above the least momentum."""
    raw = uncalibrated(sprays, with_settings(SETTINGS, minimum_pt=60.0), anti_kt.cluster)
    pt = np.hypot(raw.px, raw.py)
    assert 30.0 < pt.min() < 45.0
