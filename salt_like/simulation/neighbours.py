"""Pairs within events, and the nearest jet."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.kinematics import azimuth, pseudorapidity, wrapped
from salt_like.simulation.record import Floats, Integers, Jets


def pairs(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    """All pairs of rows of two records that stand in the same event.

    Args:
        first: Event of each row of the one record, (A,).
        second: Event of each row of the other, never decreasing, (B,).

    Returns:
        Row in the one and row in the other record, the one's rows in order, (M,) each.
    """
    start = np.searchsorted(second, first, side="left")
    number = np.searchsorted(second, first, side="right") - start
    row = np.repeat(np.arange(len(first)), number)
    before = np.cumsum(number) - number
    return row, np.arange(len(row)) - np.repeat(before - start, number)


def nearest_jet(event: Integers, eta: Floats, phi: Floats, jets: Jets, radius: float) -> Integers:
    """The one jet that something belongs to.

    Args:
        event: Event of each thing, (A,).
        eta, phi: Its direction, rad, (A,).
        jets: The jets; of two at the same distance the first (harder) one is taken.
        radius: Largest distance in eta and phi that still counts.

    Returns:
        Row in `jets` of the nearest one within the radius, -1 for none, (A,).
    """
    thing, jet = pairs(event, jets.event)
    jet_eta = pseudorapidity(jets.px, jets.py, jets.pz)
    jet_phi = azimuth(jets.px, jets.py)
    distance = np.hypot(eta[thing] - jet_eta[jet], wrapped(phi[thing] - jet_phi[jet]))
    near = distance <= radius
    thing, jet, distance = thing[near], jet[near], distance[near]
    best = np.lexsort((jet, distance, thing))[::-1]
    result = np.full(len(event), -1)
    result[thing[best]] = jet[best]  # of several the last one stays: the nearest
    return result
