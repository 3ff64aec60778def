"""Who descends from whom, for all particles of a chunk at once."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.record import Integers, Mask, Particles
from salt_like.simulation.species import BEAM, is_hadron


def nearest_ancestor(mothers: Integers, marked: Mask, row: Integers) -> Integers:
    """The closest marked ancestor of some particles; a particle is not its own ancestor.

    All climb together, a generation at a time, until each has found one or has no more mother: 40 steps for hard
    collisions with their showers. For the few particles of which it is asked this is faster than to double the steps,
    for which the pointers of all particles are needed.

    Args:
        mothers: Row of the mother of each particle, -1 for none, (P,).
        marked: True for what is looked for, (P,).
        row: Particles whose ancestor is wanted, (A,).

    Returns:
        Row of the ancestor, -1 for none, (A,).

    Raises:
        ValueError: A particle descends from itself.
    """
    result = mothers[row]
    searching = np.flatnonzero(result >= 0)
    for _ in range(len(mothers)):
        searching = searching[~marked[result[searching]]]
        if not len(searching):
            return result
        result[searching] = mothers[result[searching]]
        searching = searching[result[searching] >= 0]
    if len(searching):
        raise ValueError("the record of particles has one that descends from itself")
    return result


def without_hadrons(particles: Particles, row: Integers) -> Mask:
    """True for particles that descend from no hadron but the colliding protons: from W, Z or their taus.

    Args:
        particles: The record.
        row: Rows in it, (A,).

    Returns:
        Mask, (A,).
    """
    hadron = is_hadron(particles.pdg) & (particles.status != BEAM)
    return nearest_ancestor(particles.mother1, hadron, row) < 0


def barcode(particles: Particles, row: Integers) -> Integers:
    """Number of particles within their event, from 1: what identifies a particle in the file.

    Args:
        particles: The record.
        row: Rows in it, -1 for none, any shape.

    Returns:
        Barcodes, -1 where there is no particle, shape as `row`.
    """
    if not len(particles.event):
        return np.full(np.shape(row), -1)
    first = np.searchsorted(particles.event, particles.event[row])
    return np.asarray(np.where(row >= 0, row - first + 1, -1))
