from __future__ import annotations

import math

import numpy as np
import pytest

from salt_like.simulation.vertices import vertex_index

NOT_KNOWN = (np.nan, np.nan, np.nan)


def index_of(*points, jet=None):
    jet = np.zeros(len(points), np.int64) if jet is None else np.array(jet)
    return vertex_index(jet, np.array(points, float).reshape(-1, 3)).tolist()


def test_a_chain_with_primary_tracks_pile_up_and_a_kaon():
    bottom, charm, kaon = (2.0, 0.0, 1.0), (3.0, 0.2, 1.5), (20.0, 1.0, 9.0)
    points = [kaon, (0, 0, 0), charm, NOT_KNOWN, bottom, kaon, bottom, (0, 0, 0.05)]
    assert index_of(*points) == [3, 0, 2, -2, 1, 3, 1, 0]


def test_below_a_tenth_of_a_millimetre_is_one_vertex():
    assert index_of((1, 0, 0), (1, 0, 0.099)) == [1, 1]
    assert index_of((1, 0, 0), (1, 0, 0.101)) == [1, 2]
    assert index_of((0.099, 0, 0), (-0.06, 0.06, -0.06)) == [0, 1]


def test_steps_connect():
    assert index_of((1.0, 0, 0), (1.16, 0, 0), (1.08, 0, 0)) == [1, 1, 1]
    assert index_of((0.15, 0, 0), (0.08, 0, 0)) == [0, 0]
    assert index_of((0.15, 0, 0)) == [1]


def test_jets_do_not_share_vertices():
    points = [(5, 0, 0), (1, 0, 0), (1.05, 0, 0), (5, 0, 0), (9, 0, 0), (0.09, 0, 0)]
    assert index_of(*points, jet=[3, 3, 7, 7, 7, 9]) == [2, 1, 1, 2, 3, 0]


def test_distance_orders_by_the_closest_point():
    # a chain from 2.0 to 2.16 on one side, and 2.05 on the other side
    points = [(-2.05, 0, 0), (2.16, 0, 0), (2.08, 0, 0), (2.0, 0, 0)]
    assert index_of(*points) == [2, 1, 1, 1]


def test_nothing():
    assert vertex_index(np.zeros(0, np.int64), np.zeros((0, 3))).shape == (0,)
    assert index_of(NOT_KNOWN, NOT_KNOWN) == [-2, -2]


def test_forty_vertices_fit_into_a_byte():
    result = index_of(*[(float(number), 0, 0) for number in range(1, 41)])
    assert result == list(range(1, 41))


def slow(points):
    """Breadth-first search from the collision, then from the closest point that is left."""
    left = [row for row, point in enumerate(points) if not math.isnan(point[0])]
    result = [-2] * len(points)
    number, border = 0, [(0.0, 0.0, 0.0)]
    while True:
        while border:
            place = border.pop()
            for row in [row for row in left if math.dist(points[row], place) < 0.1]:
                left.remove(row)
                result[row] = number
                border.append(points[row])
        if not left:
            return result
        number += 1
        closest = min(left, key=lambda row: math.dist(points[row], (0, 0, 0)))
        left.remove(closest)
        result[closest] = number
        border = [points[closest]]


@pytest.mark.parametrize("seed", range(8))
def test_same_as_a_search(seed):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(0, 15, 12)
    jet = np.repeat(np.arange(12) * 2, sizes)
    points = generator.normal(size=(len(jet), 3)) * 0.12
    points[generator.random(len(jet)) < 0.2] = np.nan
    expected = [index for number in range(12) for index in slow(points[jet == 2 * number].tolist())]
    assert vertex_index(jet, points).tolist() == expected
    assert max(expected) > 2
