"""Which tracks belong to which jet, and their impact parameters as the jet sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salt_like.simulation.kinematics import azimuth, pseudorapidity, wrapped
from salt_like.simulation.neighbours import nearest_jet
from salt_like.simulation.record import Floats, Integers, Jets, Tracks


@dataclass(frozen=True)
class TrackSelection:
    """Tracks that enter jets.

    Args:
        radius: Largest distance to the jet in eta and phi; a track belongs to the nearest jet only.
        maximum_d0: Largest distance to the primary vertex across the beam, mm.
        maximum_z0_sin_theta: Largest distance along the beam times sin(theta), mm.
    """

    radius: float = 0.4
    maximum_d0: float = 3.5
    maximum_z0_sin_theta: float = 5.0


def jet_of(tracks: Tracks, jets: Jets, selection: TrackSelection) -> Integers:
    """Row in `jets` of the jet of each track, -1 for none, (K,)."""
    jet = nearest_jet(tracks.event, tracks.eta, tracks.phi, jets, selection.radius)
    close = (np.abs(tracks.d0) <= selection.maximum_d0) & (
        np.abs(z0_sin_theta(tracks)) <= selection.maximum_z0_sin_theta
    )
    return np.where(close, jet, -1)


def z0_sin_theta(tracks: Tracks) -> Floats:
    """Longitudinal impact parameter seen along the track, mm, (K,)."""
    return np.asarray(tracks.z0 * np.sin(tracks.theta))


def sigma_z0_sin_theta(tracks: Tracks) -> Floats:
    """Uncertainty of `z0_sin_theta` without correlation of z0 and theta, mm, (K,)."""
    return np.hypot(np.sin(tracks.theta) * tracks.sigma_z0, tracks.z0 * np.cos(tracks.theta) * tracks.sigma_theta)


def signed_significances(tracks: Tracks, jets: Jets, track: Integers, jet: Integers) -> tuple[Floats, Floats]:
    """Impact parameters over their uncertainties, positive when the track crosses the jet's axis ahead of the vertex.

    With the point of closest approach at d0·(-sin(phi), cos(phi)) the sign is that of d0·sin(phi of the jet - phi), and
    along the beam that of z0·(eta of the jet - eta).

    Args:
        tracks: The tracks.
        jets: The jets.
        track: Rows in `tracks`, (T,).
        jet: Rows in `jets`, the jet of each, (T,).

    Returns:
        Transverse and longitudinal significance, (T,) each.
    """
    jet_phi = azimuth(jets.px, jets.py)[jet]
    jet_eta = pseudorapidity(jets.px, jets.py, jets.pz)[jet]
    d0 = (tracks.d0 / tracks.sigma_d0)[track]
    z0 = (z0_sin_theta(tracks) / sigma_z0_sin_theta(tracks))[track]
    ahead = np.copysign(1.0, d0 * np.sin(wrapped(jet_phi - tracks.phi[track])))
    along = np.copysign(1.0, z0 * (jet_eta - tracks.eta[track]))
    return np.abs(d0) * ahead, np.abs(z0) * along
