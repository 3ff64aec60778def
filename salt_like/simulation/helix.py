"""The point of a helix nearest to a vertex."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from salt_like.simulation.record import Floats, Integers

# GeV per e, T and mm: a particle of unit charge turns by CURVATURE * field / pT in a mm of transverse path
CURVATURE = 0.299792458e-3


class Perigee(NamedTuple):
    """Parameters of a helix at its transverse perigee to a vertex, (K,) each.

    The perigee lies at ``vertex + (-d0 sin φ, d0 cos φ, z0)`` and φ is the direction of flight there: d0 is positive
    where the vertex lies to the right of the flight, seen against the field. It is the opposite of the sign of the
    angular momentum around the vertex.
    """

    d0: Floats
    z0: Floats
    phi: Floats
    theta: Floats
    q_over_p: Floats


def perigee(
    x: Floats,
    y: Floats,
    z: Floats,
    px: Floats,
    py: Floats,
    pz: Floats,
    charge: Floats | Integers,
    vertex_x: Floats,
    vertex_y: Floats,
    vertex_z: Floats,
    field: float = 2.0,
) -> Perigee:
    """The perigee of particles that were produced anywhere, exactly, of either charge; a straight line of neutral ones.

    All arguments broadcast to (K,).

    Args:
        x, y, z: A point of the helix, such as where the particle was produced, in mm.
        px, py, pz: Momentum at that point in GeV; the transverse momentum must not be 0.
        charge: Charge in units of e.
        vertex_x, vertex_y, vertex_z: The point to which the perigee is sought, in mm.
        field: Field along z in T.

    Returns:
        Distances in mm, angles in rad, φ in (-π, π], charge over momentum in 1/GeV. The perigee is the one within half
        a turn of the given point.
    """
    pt = np.hypot(px, py)
    cos, sin = px / pt, py / pt
    x, y = x - vertex_x, y - vertex_y
    # change of φ per transverse path; a positive particle turns clockwise around a field along z
    bend = -CURVATURE * field * charge / pt
    across = y * cos - x * sin
    # (distance from the axis of the helix)² = radius² (1 + bend * chord); no difference of large numbers follows, so
    # that straight lines are no special case
    chord = 2.0 * across + bend * (x * x + y * y)
    ratio = np.sqrt(np.maximum(1.0 + bend * chord, 0.0))
    d0 = chord / (1.0 + ratio)
    phi = np.arctan2(sin - bend * x, cos + bend * y)
    along = x * cos + y * sin
    turn = np.arctan2(bend * along, 1.0 + bend * across)
    is_straight = np.abs(turn) < 1e-7
    path = np.where(is_straight, along / (1.0 + bend * across), turn / np.where(is_straight, 1.0, bend))
    momentum = np.hypot(pt, pz)
    return Perigee(d0, z - vertex_z - path * pz / pt, phi, np.arctan2(pt, pz), charge / momentum)
