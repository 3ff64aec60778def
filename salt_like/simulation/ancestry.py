"""Who descends from whom, for all particles of a chunk at once."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.record import Integers, Mask, Particles

ROUNDS = 64  # each doubles how far back one looks


def nearest_ancestor(mothers: Integers, marked: Mask) -> Integers:
    """The closest marked ancestor of every particle; a particle is not its own ancestor.

    Pointers to ancestors are replaced by the pointers of those ancestors until they end at a marked one, so the number
    of rounds is the logarithm of the number of generations.

    Args:
        mothers: Row of the mother of each particle, -1 for none, (P,).
        marked: True for what is looked for, (P,).

    Returns:
        Row of the ancestor, -1 for none, (P,).

    Raises:
        ValueError: A particle descends from itself.
    """
    target = np.array(mothers, np.int64)
    searching = np.flatnonzero(target >= 0)
    for _ in range(ROUNDS):
        searching = searching[~marked[target[searching]]]
        if not len(searching):
            return target
        target[searching] = target[target[searching]]
        searching = searching[target[searching] >= 0]
    raise ValueError("the record of particles has one that descends from itself")


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
