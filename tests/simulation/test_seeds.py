from __future__ import annotations

from salt_like.simulation.seeds import DETECTOR, EVENTS, POOL, random_of


def test_streams_of_random_numbers_share_nothing():
    keys = [(seed, use, index) for seed in (0, 1, 2) for use in (EVENTS, DETECTOR, POOL) for index in range(20)]
    drawn = {random_of(*key).integers(2**63) for key in keys}
    assert len(drawn) == len(keys)


def test_streams_of_random_numbers_stay_the_same():
    # a change here is a change of every sample that was ever made with a seed
    assert random_of(1, EVENTS, 3).integers(2**63) == 8512617903631762630
