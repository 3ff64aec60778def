"""Heavy hadrons and taus, and the jets they belong to."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.ancestry import nearest_ancestor
from salt_like.simulation.kinematics import azimuth, pseudorapidity
from salt_like.simulation.neighbours import nearest_jet
from salt_like.simulation.record import Floats, Hadrons, Integers, Jets, Mask, Particles
from salt_like.simulation.species import BOTTOM, CHARM, TAU, weakly_decaying

RADIUS = 0.3
MINIMUM_PT = 5.0


def hadrons(particles: Particles, jets: Jets, radius: float = RADIUS, minimum_pt: float = MINIMUM_PT) -> Hadrons:
    """Find the weakly decaying hadrons with open bottom or charm and the taus that decay to hadrons.

    All of them are returned, those from the decay of another one too (`parent`). One belongs to the nearest jet
    within the radius and to no other; a soft one belongs to none.

    Args:
        particles: The record of the hard collisions.
        jets: The jets.
        radius: Largest distance to the jet in eta and phi.
        minimum_pt: What belongs to a jet has at least this transverse momentum, GeV.

    Returns:
        The hadrons and taus in the order of the record.
    """
    weak = weakly_decaying(particles)
    leptonic = has_daughter(particles, np.isin(np.abs(particles.pdg), (11, 13)))
    row = np.flatnonzero((weak > 0) & ~((weak == TAU) & leptonic))
    px, py, pz = particles.px[row], particles.py[row], particles.pz[row]
    eta, phi, pt = pseudorapidity(px, py, pz), azimuth(px, py), np.hypot(px, py)
    jet = nearest_jet(particles.event[row], eta, phi, jets, radius)
    flight = flights(particles, row)
    momentum = np.hypot(pt, pz)
    with np.errstate(divide="ignore", invalid="ignore"):
        decay = np.sqrt((flight**2).sum(1)) * particles.mass[row] / momentum
    parent = nearest_ancestor(particles.mother1, (weak == BOTTOM) | (weak == CHARM), row)
    return Hadrons(
        event=particles.event[row],
        particle=row,
        pdg=particles.pdg[row],
        flavour=weak[row],
        pt=pt,
        eta=eta,
        phi=phi,
        mass=particles.mass[row],
        energy=particles.energy[row],
        lxy=np.hypot(flight[:, 0], flight[:, 1]),
        decay=decay,
        jet=np.where(pt >= minimum_pt, jet, -1),
        parent=parent,
    )


def has_daughter(particles: Particles, which: Mask) -> Mask:
    """True for particles that have one of `which`, (P,), among their direct daughters, (P,)."""
    mother = particles.mother1[which]
    result = np.zeros(len(particles.pdg), np.bool_)
    result[mother[mother >= 0]] = True
    return result


def flights(particles: Particles, row: Integers) -> Floats:
    """From where particles were produced to where they decayed.

    Args:
        particles: The record.
        row: Rows in it, (Q,).

    Returns:
        The way in mm, NaN for what did not decay, (Q, 3).
    """
    children = np.flatnonzero(particles.mother1 >= 0)
    child = np.full(len(particles.pdg), -1)
    child[particles.mother1[children]] = children
    place = np.stack((particles.x, particles.y, particles.z), 1)
    way = place[child[row]] - place[row]
    way[child[row] < 0] = np.nan
    return np.asarray(way)
