"""Which tracks come from one point."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from salt_like.simulation.neighbours import pairs
from salt_like.simulation.record import Floats, Integers

MERGED = 0.1  # mm
NO_VERTEX = -2


def vertex_index(jet: Integers, position: Floats, merged: float = MERGED) -> Integers:
    """Number the true vertices of jets.

    Points closer than `merged` are one vertex, and so are points that are connected by such steps, the hard collision
    among them. The vertex of the hard collision is 0; the others are numbered 1, 2, … within their jet by the distance
    of their closest point from the collision. Each track counts, so numbers never exceed the tracks of a jet.

    Args:
        jet: Jet of each track, never decreasing, (T,).
        position: Where it was produced relative to the hard collision in mm, NaN for pile-up and fakes, (T, 3).
        merged: Largest distance within a vertex in mm.

    Returns:
        Index of each track, -2 for pile-up and fakes, (T,).
    """
    result = np.full(len(jet), NO_VERTEX)
    known = np.flatnonzero(~np.isnan(position).any(1))
    if not len(known):
        return result
    place, owner = position[known], jet[known]
    jets, group = np.unique(owner, return_inverse=True)
    component = _components(group, place, len(jets), merged)
    collision = component[len(known) :]  # the last nodes are the collisions, one per jet
    component = component[: len(known)]

    # the closest point of each component speaks for it
    distance = np.sqrt((place**2).sum(1))
    order = np.lexsort((distance, component))
    _, first = np.unique(component[order], return_index=True)
    speaker = order[first]
    secondary = speaker[component[speaker] != collision[group[speaker]]]
    secondary = secondary[np.lexsort((distance[secondary], group[secondary]))]
    number = np.zeros(component.max() + 1, np.int64)
    start = np.searchsorted(group[secondary], group[secondary])
    number[component[secondary]] = np.arange(len(secondary)) - start + 1
    result[known] = number[component]
    return result


def _components(group: Integers, place: Floats, groups: int, merged: float) -> Integers:
    """Connected component of each of T points and of the origin of each of G groups, (T + G,)."""
    first, second = pairs(group, group)
    near = np.sqrt(((place[first] - place[second]) ** 2).sum(1)) < merged
    first, second = first[near], second[near]
    central = np.flatnonzero(np.sqrt((place**2).sum(1)) < merged)
    source = np.concatenate((first, central))
    target = np.concatenate((second, len(group) + group[central]))
    size = len(group) + groups
    graph = coo_matrix((np.ones(len(source), np.int8), (source, target)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)
