"""Angles of momenta."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.record import Floats


def azimuth(px: Floats, py: Floats) -> Floats:
    """Azimuthal angle in (-pi, pi], shape as given."""
    return np.asarray(np.arctan2(py, px))


def pseudorapidity(px: Floats, py: Floats, pz: Floats) -> Floats:
    """Pseudorapidity, shape as given; infinite along the beam, 0 for no momentum."""
    transverse = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(pz == 0.0, 0.0, pz / transverse)
    return np.asarray(np.arcsinh(ratio))


def wrapped(phi: Floats) -> Floats:
    """The same angle in [-pi, pi), shape as given."""
    return np.asarray((phi + np.pi) % (2.0 * np.pi) - np.pi)


def invariant_mass(px: Floats, py: Floats, pz: Floats, energy: Floats) -> Floats:
    """Mass in the unit of the momentum, 0 where rounding makes its square negative."""
    return np.asarray(np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0)))
