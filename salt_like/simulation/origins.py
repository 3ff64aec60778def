"""Where tracks come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salt_like.simulation.ancestry import barcode, nearest_ancestor
from salt_like.simulation.record import Floats, Integers, Particles, Stable, Tracks
from salt_like.simulation.species import BOTTOM, CHARM, LONG_LIVED, TAU, flying, kind, weakly_decaying

ORIGINS = ("pileup", "fake", "primary", "fromB", "fromBC", "fromC", "fromTau", "otherSecondary")
PI0 = 111
PILEUP, FAKE, PRIMARY, FROM_B, FROM_BC, FROM_C, FROM_TAU, OTHER_SECONDARY = range(len(ORIGINS))


@dataclass(frozen=True)
class Origins:
    """What is true of each track.

    Args:
        origin: Index into `ORIGINS`, (K,).
        kind: Index into `species.KINDS`, 0 for pile-up and fakes, (K,).
        parent: Barcode of the closest of the b and c hadrons and taus that it descends from, -1 for none, (K,).
        position: Where it, or the pi0 that decayed into it, was produced relative to the hard collision in mm, NaN for
            pile-up and fakes, (K, 3).
    """

    origin: Integers
    kind: Integers
    parent: Integers
    position: Floats


def origins(particles: Particles, stable: Stable, tracks: Tracks) -> Origins:
    """Origin, kind, parent and place of production of all tracks.

    What descends from a b hadron and a c hadron is fromBC; then come fromB, fromC and fromTau, whatever else is among
    the ancestors: a pion from K0S from B is fromB. Only hadrons that decay away from where they were made count, so
    the pion of B** → B pi is primary, and that of B_c → B_s pi is not. Other secondary are daughters of light
    particles that live long (K0S, Lambda, …); conversions and interactions with material are not simulated.

    Args:
        particles: The record of the hard collisions.
        stable: What reached the detector.
        tracks: The tracks.

    Returns:
        One row per track.
    """
    particle = np.full(len(tracks.event), -1)
    real = tracks.stable >= 0
    particle[real] = stable.particle[tracks.stable[real]]
    known = np.flatnonzero(particle >= 0)
    row = particle[known]

    origin = np.where(real, PILEUP, FAKE)
    origin[known] = ancestry_class(particles, row)
    kinds = np.zeros(len(tracks.event), np.int64)
    kinds[known] = kind(particles.pdg[row])
    parent = np.full(len(tracks.event), -1)
    parent[known] = barcode(particles, nearest_ancestor(particles.mother1, weakly_decaying(particles) > 0, row))
    position = np.full((len(tracks.event), 3), np.nan)
    # a pi0 of a TeV flies a tenth of a millimetre, along its jet: its e+ e- belong to where it was made
    mother = particles.mother1[row]
    made = np.where((mother >= 0) & (particles.pdg[mother] == PI0), mother, row)
    position[known] = np.stack((particles.x, particles.y, particles.z), 1)[made]
    return Origins(origin, kinds, parent, position)


def ancestry_class(particles: Particles, row: Integers) -> Integers:
    """Index into `ORIGINS` of particles by their ancestors.

    Args:
        particles: The record.
        row: Rows in it, (A,).

    Returns:
        Class of each, neither pile-up nor fake, (A,).
    """
    weak = flying(particles)
    long_lived = np.isin(np.abs(particles.pdg), LONG_LIVED)
    bottom, charm, tau, light = (
        nearest_ancestor(particles.mother1, marked, row) >= 0
        for marked in (weak == BOTTOM, weak == CHARM, weak == TAU, long_lived)
    )
    conditions = [bottom & charm, bottom, charm, tau, light]
    return np.asarray(np.select(conditions, [FROM_BC, FROM_B, FROM_C, FROM_TAU, OTHER_SECONDARY], PRIMARY))
