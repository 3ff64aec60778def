"""Momenta of charged particles from their tracks and from what other parts of the detector have of them."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.record import Floats, Integers, Stable, Tracks


def combined(momentum: Floats, track_error: Floats, showered: Floats, shower_error: Floats) -> Floats:
    """Mean of the momenta that track and calorimeter measure, weighted with their inverse variances, GeV, (K,).

    The mean is that of inverse momenta, in which the error of a track is symmetric: one that is too straight by
    chance, however straight, moves it little. Errors are those expected of the particle and not of what was measured,
    so that the weights do not follow the fluctuations and the mean is unbiased.

    Args:
        momentum: That of the track in GeV, (K,).
        track_error: Relative uncertainty of it, (K,).
        showered: That of the calorimeter in GeV, (K,).
        shower_error: Relative uncertainty of it, (K,).
    """
    both = track_error**2 + shower_error**2
    weight = np.divide(track_error**2, both, out=np.zeros_like(both), where=both > 0.0)
    return np.asarray(1.0 / ((1.0 - weight) / momentum + weight / showered))


def with_showers(
    momentum: Floats, tracks: Tracks, stable: Stable, row: Integers, seen: Floats, error: Floats
) -> tuple[Floats, Floats]:
    """Momenta of tracks, some of them combined with what is measured behind the tracker.

    Args:
        momentum: Those of all tracks in GeV, (K,).
        tracks: The tracks.
        stable: What reaches the detector.
        row: Rows of the particles that are measured there and have a track, (D,).
        seen: What is measured of them there over what is true, (D,).
        error: Uncertainty of it, (D,).

    Returns:
        Those of all tracks, (K,), and those of the particles over the true ones, (D,).
    """
    real = np.flatnonzero(tracks.stable >= 0)
    track_of = np.full(len(stable.event), -1)
    track_of[tracks.stable[real]] = real
    track = track_of[row]
    true = np.sqrt(stable.px[row] ** 2 + stable.py[row] ** 2 + stable.pz[row] ** 2)
    least = np.maximum(seen, error)  # what is below its own uncertainty is not seen
    both = combined(momentum[track], tracks.sigma_q_over_p[track] * true, true * least, error)
    result = momentum.copy()
    result[track] = both
    return result, both / true
