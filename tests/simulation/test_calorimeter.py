from __future__ import annotations

import numpy as np
import pytest
from particle_gun import shot, with_settings

from salt_like.simulation.calorimeter import deposited, flows
from salt_like.simulation.detector_settings import DetectorSettings
from salt_like.simulation.tracker import track

SETTINGS = DetectorSettings()
EXACT = with_settings(
    SETTINGS,
    tracker={"fake_fraction": 0.0, "vertex_transverse": 0.0, "vertex_longitudinal": 0.0},
    calorimeter={
        "photon_stochastic": 0.0,
        "photon_constant": 0.0,
        "photon_noise": 0.0,
        "photon_position": 0.0,
        "hadron_stochastic": 0.0,
        "hadron_constant": 0.0,
        "hadron_noise": 0.0,
        "hadron_position": 0.0,
    },
)
BLIND = with_settings(EXACT, tracker={"hadron_efficiency": 0.0, "electron_efficiency": 0.0, "muon_efficiency": 0.0})
ALL_FOUND = with_settings(
    EXACT,
    tracker={
        "hadron_efficiency": 1.0,
        "electron_efficiency": 1.0,
        "efficiency_loss_low_pt": 0.0,
        "efficiency_loss_eta": 0.0,
    },
)


def seen(stable, settings=EXACT, seed=1, prompt=None):
    rng = np.random.default_rng(seed)
    tracks = track(stable, settings.tracker, rng)
    prompt = np.zeros(len(stable.event), bool) if prompt is None else prompt
    return tracks, flows(stable, tracks, prompt, settings, rng)


def angles(found):
    return np.arcsinh(found.pz / np.hypot(found.px, found.py)), np.arctan2(found.py, found.px)


def spread(number, seed=5):
    rng = np.random.default_rng(seed)
    return rng.uniform(-2.3, 2.3, number), rng.uniform(-np.pi, np.pi, number)


@pytest.mark.parametrize(("pdg", "photon"), [(22, True), (130, False), (2112, False)])
def test_neutral_particles_from_the_vertex_keep_direction_and_energy(pdg, photon):
    eta, phi = spread(500)
    z = np.linspace(-100, 100, 500)
    vertex = np.stack([0 * z, 0 * z, z], 1)
    stable = shot(pdg, 10.0, eta, phi, events=500, at=(0.0, 0.0, z), vertex=vertex)
    _, found = seen(stable)
    np.testing.assert_array_equal(found.stable, np.arange(500))
    np.testing.assert_allclose(found.energy, stable.energy)
    found_eta, found_phi = angles(found)
    np.testing.assert_allclose(found_eta, eta, atol=1e-9)
    np.testing.assert_allclose(found_phi, phi, atol=1e-9)
    assert np.all(found.photon == photon)
    assert np.all(found.track == -1)
    np.testing.assert_allclose(found.energy**2, found.px**2 + found.py**2 + found.pz**2)  # massless


def test_direction_is_that_from_the_primary_vertex_to_the_face():
    """A photon of pile-up 50 mm away enters at the barrel where it does, whatever its momentum points to."""
    stable = shot(22, 20.0, 0.3, 0.7, at=(0.0, 0.0, 50.0), collision=1)
    eta, phi = angles(seen(stable)[1])
    assert eta == pytest.approx(np.arcsinh((50.0 + 1250.0 * np.sinh(0.3)) / 1250.0))
    assert phi == pytest.approx(0.7)
    # at the end-cap: 3500 mm
    stable = shot(22, 20.0, -2.5, 0.7, at=(0.0, 0.0, 50.0), collision=1)
    radius = 3550.0 / np.sinh(2.5)
    assert radius < 1250.0
    assert angles(seen(stable)[1])[0] == pytest.approx(-np.arcsinh(3500.0 / radius))


@pytest.mark.parametrize("charge", [1, -1])
@pytest.mark.parametrize(("pt", "eta"), [(0.5, 0.1), (1.0, -0.5), (3.0, 1.0), (50.0, 0.0)])
def test_charged_particles_bend_on_their_way(pt, eta, charge):
    """Chord and arc of a circle through the origin: sin(turn) = distance / diameter."""
    stable = shot(charge * 211, pt, eta, 0.4)
    found = deposited(stable, np.array([0]), np.zeros(1, bool), np.zeros((1, 3)), SETTINGS)
    radius = pt / (0.299792458e-3 * 2.0)
    half_turn = np.arcsin(1250.0 / (2 * radius))
    assert found.phi[0] == pytest.approx(0.4 - charge * half_turn)
    assert found.eta[0] == pytest.approx(np.arcsinh(2 * radius * half_turn * np.sinh(eta) / 1250.0))
    assert found.energy[0] == stable.energy[0]


def test_curling_particles_do_not_arrive():
    soft = shot(np.array([211, 211]), np.array([0.36, 0.39]), 0.0, np.array([0.0, 2.0]))  # 0.375 GeV is the limit
    settings = with_settings(BLIND, calorimeter={"hadron_threshold": 0.1})
    assert list(seen(soft, settings)[1].stable) == [1]


def test_hardly_anything_is_nothing():
    """Pile-up is subtracted in part of a constituent: crumbs of some keV are not kept."""
    settings = with_settings(EXACT, calorimeter={"neutral_minimum_pt": 1.0})
    stable = shot(22, np.array([0.9, 1.1]), 1.0, np.array([0.0, 2.0]))
    assert list(seen(stable, settings)[1].stable) == [1]
    assert list(seen(stable)[1].stable) == [0, 1]


def test_muons_and_neutrinos_leave_nothing():
    stable = shot(np.array([13, -13, 12, -12, 22]), 20.0, 0.0, np.linspace(-2, 2, 5))
    assert list(seen(stable, BLIND)[1].stable) == [4]


def test_what_falls_into_a_cell_is_one():
    eta, phi = np.array([0.510, 0.520, 1.010, 0.512]), np.array([0.01, 0.02, 0.01, 0.015])
    stable = shot(np.array([22, 22, 22, 130]), np.array([3.0, 5.0, 2.0, 4.0]), eta, phi)
    _, found = seen(stable)
    energy = stable.energy
    assert found.energy == pytest.approx([energy[0] + energy[1], energy[2], energy[3]])
    assert list(found.stable) == [1, 2, 3]  # the larger one
    assert list(found.photon) == [True, True, False]
    assert angles(found)[0][0] == pytest.approx((0.51 * energy[0] + 0.52 * energy[1]) / (energy[0] + energy[1]))


def test_events_and_far_sides_do_not_mix():
    eta = np.array([0.51, 0.51, -2.3, 2.3])
    stable = shot(22, 5.0, eta, np.array([3.14159, 3.14159, -3.14159, 3.14159]), events=4, vertex=np.zeros((4, 3)))
    assert list(seen(stable)[1].event) == [0, 1, 2, 3]


def test_tracks_account_for_their_energy():
    """A hadron with a track is a charged constituent and nothing else; with a neutral one in its cell that remains."""
    hadron = shot(211, 20.0, 0.05, 0.05)
    tracks, found = seen(hadron, ALL_FOUND)
    assert len(tracks.event) == 1
    assert list(found.track) == [0]
    assert found.energy[0] == pytest.approx(hadron.energy[0], rel=1e-6)  # this calorimeter is better than any track
    both = shot(np.array([211, 130]), np.array([200.0, 8.0]), 0.05, np.array([0.1, 0.1]))
    _, found = seen(both, ALL_FOUND)
    assert list(found.stable) == [0, 1]
    assert found.energy[1] == pytest.approx(both.energy[1])
    assert list(found.track) == [0, -1]


def shots(pdg, pt, number=4000):
    """One charged particle per event, all of them found."""
    stable = shot(pdg, pt, *spread(number), events=number, vertex=np.zeros((number, 3)))
    efficient = {f"{name}_efficiency": 1.0 for name in ("hit", "hadron", "electron", "muon")}
    perfect = {"efficiency_loss_low_pt": 0.0, "efficiency_loss_eta": 0.0, "fake_fraction": 0.0}
    tracks, found = seen(stable, with_settings(SETTINGS, tracker=efficient | perfect))
    return tracks, found, np.bincount(found.event, np.hypot(found.px, found.py), number) / pt


@pytest.mark.parametrize("pt", [500.0, 1000.0, 2000.0, 5000.0])
def test_no_pion_becomes_far_more_than_it_was(pt):
    """A track that is straight by chance has any momentum up to infinity: the calorimeter knows better."""
    tracks, _, response = shots(211, pt)
    assert tracks.pt.max() > 2.5 * pt
    assert response.max() < 1.6
    assert response.min() > 0.5
    assert response.mean() == pytest.approx(1.0, abs=0.01)
    assert response.std() == pytest.approx(0.09, abs=0.01)  # the calorimeter's


@pytest.mark.parametrize(
    ("pt", "width"), [(10.0, 0.0165), (100.0, 0.0375), (325.0, 0.08), (1000.0, 0.09), (3000.0, 0.09)]
)
def test_charged_constituents_are_unbiased(pt, width):
    """At low momentum they are their tracks, at high momentum their showers, and better than both between them."""
    tracks, found, response = shots(211, pt)
    charged = found.track >= 0
    ratio = np.hypot(found.px, found.py)[charged] / pt
    assert charged.sum() == len(tracks.event) == 4000
    assert ratio.mean() == pytest.approx(1.0, abs=4 * width / np.sqrt(4000) + 0.002)
    assert ratio.std() == pytest.approx(width, rel=0.08)
    # what is left of a cell beyond one standard deviation is kept: more than true, until the shower is all there is
    excess = {10.0: 0.08, 100.0: 0.042, 325.0: 0.012}.get(pt, 0.0)
    assert response.mean() == pytest.approx(1.0 + excess, abs=0.015)


def test_soft_charged_constituents_are_their_tracks():
    for pdg in (211, 13):
        tracks, found, _ = shots(pdg, 5.0, 500)
        charged = np.flatnonzero(found.track >= 0)
        momentum = np.hypot(found.px, found.py)[charged] / tracks.pt[found.track[charged]]
        np.testing.assert_allclose(momentum, 1.0, atol=2e-2)
        assert np.abs(momentum - 1).mean() < 3e-3


@pytest.mark.parametrize(("pdg", "width"), [(11, 0.0071), (13, 0.1)])
def test_hard_leptons_of_hadrons_are_not_left_to_their_tracks(pdg, width):
    tracks, found, response = shots(pdg, 3000.0)
    assert tracks.pt.max() > 6000.0
    assert list(found.track) == list(range(4000))
    assert response.mean() == pytest.approx(1.0, abs=0.01)
    assert response.std() == pytest.approx(width, rel=0.15)


def test_charged_constituents_keep_the_direction_of_their_tracks():
    tracks, found, _ = shots(211, 2000.0, 300)
    charged = np.flatnonzero(found.track >= 0)
    eta, phi = angles(found)
    np.testing.assert_allclose(eta[charged], tracks.eta[found.track[charged]], atol=1e-9)
    np.testing.assert_allclose(phi[charged], tracks.phi[found.track[charged]], atol=1e-9)


def test_hard_fakes_are_no_constituents():
    """A fake near to a single hard track has its momentum; nothing in the calorimeter belongs to it."""
    settings = with_settings(SETTINGS, tracker={"fake_fraction": 0.4, "fake_z0": 0.01})
    kept = {}
    for pt in (50.0, 2000.0):
        stable = shot(211, pt, *spread(400), events=400, vertex=np.zeros((400, 3)))
        tracks, found = seen(stable, settings)
        fakes = np.flatnonzero(tracks.stable < 0)
        kept[pt] = np.isin(fakes, found.track).mean()
    assert kept[50.0] > 0.99
    assert kept[2000.0] < 0.03


def test_without_a_track_charged_particles_are_neutral_energy():
    stable = shot(np.array([211, 11]), 20.0, np.array([0.05, 1.05]), 0.0)
    _, found = seen(stable, BLIND)
    assert list(found.track) == [-1, -1]
    assert sorted(found.stable) == [0, 1]
    assert found.energy.sum() == pytest.approx(stable.energy.sum())
    assert found.photon[found.stable == 1].all()


def test_an_electron_with_a_track_is_no_photon():
    tracks, found = seen(shot(11, 20.0), ALL_FOUND)
    assert len(tracks.event) == 1
    assert list(found.track) == [0]


def test_charged_pile_up_is_removed_by_its_distance():
    number = 400
    eta, phi = np.zeros(number), np.linspace(-3.1, 3.1, number)
    stable = shot(211, 20.0, eta, phi, at=(0.0, 0.0, np.where(np.arange(number) % 2, 0.0, 30.0)))
    tracks, found = seen(stable, ALL_FOUND)
    assert len(tracks.event) == number
    assert np.all(found.stable % 2 == 1)
    near = shot(211, 20.0, eta, phi, at=(0.0, 0.0, 1.0), collision=1)  # too near to tell
    assert np.sum(seen(near, ALL_FOUND)[1].track >= 0) == number


def test_prompt_leptons_are_no_constituents():
    stable = shot(np.array([11, 13, 22, 211]), 30.0, 0.0, np.linspace(-2, 2, 4))
    prompt = np.array([True, True, True, False])
    for settings in (ALL_FOUND, BLIND):
        assert set(seen(stable, settings, prompt=prompt)[1].stable) == {3}


@pytest.mark.parametrize(
    ("pdg", "energy", "stochastic", "constant", "noise"), [(22, 50.0, 0.1, 0.007, 0.1), (130, 50.0, 1.1, 0.09, 0.3)]
)
def test_energy_resolution(pdg, energy, stochastic, constant, noise):
    number = 4000
    stable = shot(pdg, energy, 0.0, spread(number)[1], events=number, vertex=np.zeros((number, 3)))
    _, found = seen(stable, SETTINGS)
    expected = np.sqrt(stochastic**2 / energy + constant**2 + (noise / energy) ** 2)
    assert (found.energy / energy).std() == pytest.approx(expected, rel=0.05)
    assert (found.energy / energy).mean() == pytest.approx(1.0, abs=5 * expected / np.sqrt(number))


def test_thresholds_and_acceptance():
    energies = np.array([0.39, 0.41, 0.99, 1.05])
    stable = shot(
        np.array([22, 22, 130, 130]), np.sqrt(energies**2 - np.array([0, 0, 0.498, 0.498]) ** 2), 0.0, [-2.0, -1, 0, 1]
    )
    assert list(seen(stable)[1].stable) == [1, 3]
    assert len(seen(shot(22, 20.0, np.array([-3.1, 3.1])))[1].event) == 0


def test_confusion_is_one_sided_and_grows_with_the_energy():
    """Fluctuations of a cell beyond its tracks look like a neutral hadron."""
    number = 3000
    settings = with_settings(SETTINGS, tracker={"fake_fraction": 0.0, "hadron_efficiency": 1.0})
    extra = []
    for pt in (5.0, 50.0):
        stable = shot(211, pt, 0.0, spread(number)[1], events=number, vertex=np.zeros((number, 3)))
        tracks, found = seen(stable, settings)
        alone = (found.track < 0) & np.isin(found.stable, tracks.stable)
        extra.append(found.energy[alone].mean())
        assert alone.sum() / len(tracks.event) == pytest.approx(0.16, abs=0.04)  # beyond one standard deviation
    assert extra[1] > 2.5 * extra[0]


def test_events_without_anything():
    stable = shot(22, 5.0, number=0, events=3)
    tracks, found = seen(stable)
    assert len(tracks.event) == len(found.event) == 0
