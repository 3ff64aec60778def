from __future__ import annotations

import math

import numpy as np
import pytest
from made_records import jets_at, tracks_at

from salt_like.simulation.association import (
    TrackSelection,
    jet_of,
    sigma_z0_sin_theta,
    signed_significances,
    z0_sin_theta,
)
from salt_like.simulation.helix import perigee


def test_nearest_jet_within_the_radius():
    jets = jets_at((60, 0.0, 0.0), (50, 0.6, 0.0), (40, 0.0, math.pi))
    tracks = tracks_at((1, 0.29, 0.0), (1, 0.31, 0.0), (1, -0.41, 0), (1, -0.39, 0), (1, 0.0, 0.1 - math.pi))
    assert jet_of(tracks, jets, TrackSelection()).tolist() == [0, 1, -1, 0, 2]
    assert jet_of(tracks, jets, TrackSelection(radius=0.3)).tolist() == [0, 1, -1, -1, 2]


def test_far_from_the_vertex():
    jets = jets_at((60, 1.0, 0.0))
    sin = 1 / math.cosh(1.0)
    z0 = np.array([0.0, 0.0, 4.9, -5.1, 0.0]) / sin
    tracks = tracks_at(*[(1, 1.0, 0.0)] * 5, d0=[3.4, -3.6, 0.0, 0.0, -3.4], z0=z0)
    assert z0_sin_theta(tracks) == pytest.approx([0, 0, 4.9, -5.1, 0])
    assert jet_of(tracks, jets, TrackSelection()).tolist() == [0, -1, 0, -1, 0]


def test_uncertainty_along_the_track_by_sampling():
    tracks = tracks_at((1.0, 1.2, 0.0), z0=3.0)
    generator = np.random.default_rng(1)
    z0 = generator.normal(3.0, tracks.sigma_z0[0], 400_000)
    theta = generator.normal(tracks.theta[0], tracks.sigma_theta[0], 400_000)
    assert sigma_z0_sin_theta(tracks)[0] == pytest.approx((z0 * np.sin(theta)).std(), rel=0.005)


@pytest.mark.parametrize("phi", [0.0, 2.0, 3.1, -3.1])
@pytest.mark.parametrize("angle", [0.2, -0.2])
@pytest.mark.parametrize("decay", [1.5, -1.5])
def test_positive_when_decaying_ahead_of_the_vertex(phi, angle, decay):
    """A straight track from a point on the jet's axis, in front of the vertex or behind it."""
    jets = jets_at((60.0, 0.4, phi))
    eta = 0.4 + angle
    x, y, z = decay * np.cos(phi), decay * np.sin(phi), decay * np.sinh(0.4)
    momentum = np.cos(phi + angle), np.sin(phi + angle), np.sinh(eta)
    track = perigee(*(np.array([value]) for value in (x, y, z, *momentum)), 0, 0, 0, 0)
    tracks = tracks_at((5.0, eta, float(track.phi[0])), d0=track.d0, z0=track.z0)
    none = np.zeros(1, np.int64)
    d0, z0 = signed_significances(tracks, jets, none, none)
    assert d0[0] == pytest.approx(math.copysign(1.5 * math.sin(0.2) / 0.1, decay))
    assert math.copysign(1.0, z0[0]) == math.copysign(1.0, decay)
    assert abs(z0[0]) == pytest.approx(abs(z0_sin_theta(tracks)[0]) / sigma_z0_sin_theta(tracks)[0])
