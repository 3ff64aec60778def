from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from particle_gun import shot, with_settings

from salt_like.simulation.detector_settings import TrackerSettings
from salt_like.simulation.helix import perigee
from salt_like.simulation.record import Tracks
from salt_like.simulation.tracker import in_order_of_events, track

SETTINGS = TrackerSettings()
PERFECT = with_settings(
    SETTINGS, hadron_efficiency=1.0, efficiency_loss_low_pt=0.0, efficiency_loss_eta=0.0, efficiency_loss_pixel=0.0
)
NO_FAKES = with_settings(SETTINGS, fake_fraction=0.0)


def rng(seed=1):
    return np.random.default_rng(seed)


def directions(number, seed=5):
    random = rng(seed)
    return random.uniform(-2.4, 2.4, number), random.uniform(-np.pi, np.pi, number)


def pions(number, pt, *, eta=None, settings=NO_FAKES, seed=1, **more):
    random_eta, phi = directions(number)
    stable = shot(211, pt, random_eta if eta is None else eta, phi, number=number, **more)
    return stable, track(stable, settings, rng(seed))


@pytest.mark.parametrize(("pt", "eta"), [(0.7, 0.0), (1.0, 1.5), (3.0, 0.5), (20.0, 2.3)])
def test_efficiency(pt, eta):
    number = 20000
    _, found = pions(number, pt, eta=eta)
    low = 1 - SETTINGS.efficiency_loss_low_pt * np.exp(-(pt - 0.5))
    expected = SETTINGS.hadron_efficiency * low * (1 - SETTINGS.efficiency_loss_eta * (eta / 2.5) ** 2)
    assert len(found.event) / number == pytest.approx(expected, abs=4 * np.sqrt(0.1 / number))


@pytest.mark.parametrize(("pdg", "expected"), [(11, 0.92), (13, 0.99), (211, 0.96), (22, 0.0), (130, 0.0)])
def test_efficiency_of_kinds(pdg, expected):
    stable = shot(pdg, 30.0, number=20000)
    assert len(track(stable, NO_FAKES, rng()).event) / 20000 == pytest.approx(expected, abs=0.008)


def test_hits_are_those_of_layers_outside_of_the_production_point():
    settings = with_settings(PERFECT, hit_efficiency=1.0, fake_fraction=0.0)
    for radius, pixel, strip in [(0.0, 4, 8), (40.0, 3, 8), (60.0, 2, 8), (100.0, 1, 8), (200.0, 0, 8)]:
        stable = shot(211, 5.0, number=100, at=(radius, 0.0, 0.0))  # flies away from the beam
        found = track(stable, settings, rng())
        assert len(found.event) == 100
        assert set(found.pixel_hits) == {pixel}
        assert set(found.strip_hits) == {strip}
        assert set(found.innermost_hits) == {int(radius < 33)}
        assert set(found.next_to_innermost_hits) == {int(radius < 50)}
    assert len(track(shot(211, 5.0, number=1000, at=(310.0, 0.0, 0.0)), settings, rng()).event) == 0


@pytest.mark.parametrize(("radius", "layers"), [(0.0, 0), (40.0, 1), (100.0, 3), (200.0, 4)])
def test_late_particles_are_found_less_often(radius, layers):
    stable = shot(211, 5.0, number=20000, at=(radius, 0.0, 0.0))  # flies away from the beam
    early = SETTINGS.hadron_efficiency * (1 - SETTINGS.efficiency_loss_low_pt * np.exp(-4.5))
    found = len(track(stable, NO_FAKES, rng()).event) / 20000
    assert found == pytest.approx(early * (1 - SETTINGS.efficiency_loss_pixel) ** layers, abs=0.012)


@pytest.mark.parametrize(("pt", "d0", "z0"), [(0.5001, 0.240, 0.246), (5.0, 0.026, 0.0574), (30.0, 0.0108, 0.0521)])
def test_resolution(pt, d0, z0):
    """At the values of the documentation, in mm, with an exactly known vertex."""
    settings = with_settings(
        PERFECT, vertex_transverse=0.0, vertex_longitudinal=0.0, tail_fraction=0.0, fake_fraction=0.0, minimum_pt=0.3
    )
    _, found = pions(20000, pt, eta=0.0, settings=settings)
    inner = found.innermost_hits == 1
    assert inner.mean() == pytest.approx(SETTINGS.hit_efficiency, abs=0.005)
    assert found.d0[inner].std() == pytest.approx(d0, rel=0.03)
    assert np.median(found.sigma_d0) == pytest.approx(d0, rel=0.03)
    assert found.z0[inner].std() == pytest.approx(z0, rel=0.03)
    assert found.pt.std() / pt == pytest.approx(np.hypot(0.01, 3.4e-4 * pt), rel=0.05)
    # without the innermost hit the first one is half again as far away
    assert np.median(found.sigma_d0[~inner]) == pytest.approx(d0 * 50.5 / 33.3, rel=0.03)


def test_resolution_is_worse_in_the_forward_direction():
    width = {eta: pions(4000, 1.0, eta=eta)[1].sigma_d0.mean() for eta in (0.0, 1.5, 2.4)}
    sin = 1 / np.cosh(2.4)
    assert width[0.0] < width[1.5] < width[2.4]
    assert width[2.4] / width[0.0] == pytest.approx(1 / np.sqrt(sin), rel=0.1)


def pulls(stable, found: Tracks):
    row = found.stable
    true = perigee(
        *(getattr(stable, name)[row] for name in ("x", "y", "z", "px", "py", "pz", "charge")),
        *stable.vertex[stable.event[row]].T,
    )
    q_over_p = found.charge * np.sin(found.theta) / found.pt
    turn = (found.phi - true.phi + np.pi) % (2 * np.pi) - np.pi
    return {
        "d0": (found.d0 - true.d0) / found.sigma_d0,
        "z0": (found.z0 - true.z0) / found.sigma_z0,
        "phi": turn / found.sigma_phi,
        "theta": (found.theta - true.theta) / found.sigma_theta,
        "q_over_p": (q_over_p - true.q_over_p) / found.sigma_q_over_p,
    }


def test_pulls():
    """Width 1 in the middle, and 5 % more because of the tails; the uncertainty of the vertex is part of the error."""
    number = 30000
    eta, phi = directions(number)
    pt = rng(2).exponential(3.0, number) + 0.6
    radius = rng(3).exponential(3.0, number)
    at = radius * np.cos(phi + 0.3), radius * np.sin(phi + 0.3), rng(4).normal(0, 5, number)
    vertex = rng(6).normal(size=(600, 3)) * [0.01, 0.01, 42]
    stable = shot(211, pt, eta, phi, events=600, at=at, vertex=vertex)
    found = track(stable, NO_FAKES, rng())
    inside = np.sqrt(1 + SETTINGS.tail_fraction * (SETTINGS.tail_width**2 - 1))
    for name, values in pulls(stable, found).items():
        assert values.mean() == pytest.approx(0.0, abs=0.03), name
        assert values.std() == pytest.approx(inside, abs=0.03), name
        assert 0.95 < values.std() < 1.1, name
        assert np.diff(np.quantile(values, [0.1587, 0.8413]))[0] / 2 == pytest.approx(1.0, abs=0.03), name
        assert np.mean(np.abs(values) > 4) > 1e-3, name  # a Gaussian has 6e-5


def test_uncertainty_of_the_vertex_is_part_of_the_error():
    """Few tracks of high momentum: the vertex is known no better than the tracks."""
    eta, phi = directions(20000)
    stable = shot(211, 100.0, eta, phi, events=4000)
    found = track(stable, with_settings(NO_FAKES, tail_fraction=0.0), rng())
    assert np.median(found.sigma_d0) > 1.5 * SETTINGS.d0_floor
    assert (found.d0 / found.sigma_d0).std() == pytest.approx(1.0, abs=0.03)
    assert (found.z0 / found.sigma_z0).std() == pytest.approx(1.0, abs=0.03)


def test_fakes():
    number = 40000
    eta, phi = directions(number)
    stable = shot(211, rng(2).exponential(3.0, number) + 0.6, eta, phi, events=400)
    found = track(stable, SETTINGS, rng())
    fake = found.stable < 0
    assert fake.mean() == pytest.approx(0.015, abs=0.002)
    assert np.abs(found.d0[fake]).mean() == pytest.approx(1.5, rel=0.1)
    assert np.abs(found.d0[~fake]).mean() < 0.2
    assert found.innermost_hits[fake].mean() == pytest.approx(0.7, abs=0.06)
    assert np.all(found.pixel_hits + found.strip_hits >= SETTINGS.minimum_hits)
    assert found.pt[fake].max() <= found.pt[~fake].max() * 1.2
    assert found.charge[fake].mean() == pytest.approx(0.0, abs=0.2)


def test_no_fakes_without_tracks():
    stable = shot(22, 5.0, number=10, events=3)
    found = track(stable, SETTINGS, rng())
    assert len(found.event) == 0
    assert found.vertex.shape == (3, 3)


def test_vertex_is_known_better_with_more_tracks():
    def error(tracks):
        stable = shot(211, 5.0, number=tracks * 2000, events=2000)
        return track(stable, NO_FAKES, rng()).vertex.std(0)

    few, many = error(9), error(36)
    assert few == pytest.approx(np.array([0.04, 0.04, 0.20]) / np.sqrt(9 * 0.95), rel=0.1)
    assert few / many == pytest.approx(2.0, rel=0.1)


def test_pile_up_does_not_help_the_vertex():
    stable = shot(211, 5.0, number=40 * 1000, events=1000, collision=np.arange(40 * 1000) % 10)
    assert track(stable, NO_FAKES, rng()).vertex[:, 0].std() == pytest.approx(0.04 / np.sqrt(4 * 0.95), rel=0.1)


@pytest.mark.parametrize(("pdg", "electron", "muon"), [(11, 0.75, 0.003), (13, 0.005, 0.95), (211, 0.005, 0.003)])
def test_leptons(pdg, electron, muon):
    eta, phi = directions(40000)
    stable = shot(np.where(np.arange(40000) % 2, pdg, -pdg), 10.0, eta, phi)
    found = track(stable, NO_FAKES, rng())
    assert np.mean(np.abs(found.lepton) == 11) == pytest.approx(electron * (1 - muon), rel=0.02, abs=6e-4)
    assert np.mean(np.abs(found.lepton) == 13) == pytest.approx(muon, rel=0.02, abs=1e-3)
    named = found.lepton != 0
    assert np.all(np.sign(found.lepton[named]) == -found.charge[named])  # the electron, of number 11, is negative
    soft = track(shot(pdg, 2.0, eta, phi), NO_FAKES, rng())
    assert not soft.lepton.any()


def test_acceptance_is_that_of_what_was_measured():
    number = 20000
    eta, phi = rng(1).uniform(-3, 3, number), directions(number)[1]
    stable = shot(211, rng(2).uniform(0.3, 1.0, number), eta, phi, at=(rng(3).uniform(0, 30, number), 0.0, 0.0))
    found = track(stable, SETTINGS, rng())
    assert found.pt.min() > 0.5
    assert np.abs(found.eta).max() < 2.5
    assert np.abs(found.d0).max() < 10.0
    assert np.abs(found.d0).max() > 9.0


def test_rows_stand_event_by_event_and_point_to_their_particles():
    number = 6000
    eta, phi = directions(number)
    stable = shot(211, 5.0, eta, phi, events=300, vertex=rng(4).normal(size=(300, 3)))
    found = track(stable, SETTINGS, rng())
    assert np.all(np.diff(found.event) >= 0)
    real = found.stable >= 0
    assert len(np.unique(found.stable[real])) == real.sum()
    assert np.all(stable.event[found.stable[real]] == found.event[real])
    assert found.eta[real] == pytest.approx(eta[found.stable[real]], abs=0.05)
    assert np.all(found.charge[real] == stable.charge[found.stable[real]])


def test_the_seed_decides():
    one, same, other = (pions(500, 2.0, settings=SETTINGS, seed=seed)[1] for seed in (1, 1, 2))
    for each in dataclasses.fields(Tracks):
        np.testing.assert_array_equal(getattr(one, each.name), getattr(same, each.name))
    assert len(other.d0) != len(one.d0) or not np.array_equal(other.d0, one.d0)


def test_order_of_events_keeps_the_order_within():
    event = rng().integers(0, 9000, 50000)
    np.testing.assert_array_equal(in_order_of_events(event), np.argsort(event, kind="stable"))
