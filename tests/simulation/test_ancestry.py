from __future__ import annotations

import numpy as np
import pytest
from made_records import Record, random_particles

from salt_like.simulation.ancestry import barcode, nearest_ancestor


def climb(mothers, marked, row):
    row = mothers[row]
    while row >= 0 and not marked[row]:
        row = mothers[row]
    return row


@pytest.mark.parametrize("seed", range(5))
def test_same_as_climbing(seed):
    generator = np.random.default_rng(seed)
    particles = random_particles(generator)
    marked = generator.random(len(particles.pdg)) < 0.1
    expected = [climb(particles.mother1, marked, row) for row in range(len(marked))]
    assert nearest_ancestor(particles.mother1, marked).tolist() == expected


def test_long_chain_and_mothers_that_stand_later():
    mothers = np.arange(-1, 4999)
    marked = np.zeros(5000, bool)
    marked[[0, 4998]] = True
    found = nearest_ancestor(mothers, marked)
    assert found[0] == -1
    assert (found[1:4999] == 0).all()
    assert found[4999] == 4998
    assert nearest_ancestor(np.array([2, 0, -1]), np.array([False, False, True])).tolist() == [2, 2, -1]


def test_given_mothers_are_left_alone():
    mothers = np.array([-1, 0, 1])
    nearest_ancestor(mothers, np.zeros(3, bool))
    assert mothers.tolist() == [-1, 0, 1]
    assert nearest_ancestor(mothers[:0], np.zeros(0, bool)).shape == (0,)


def test_circle():
    with pytest.raises(ValueError, match="descends from itself"):
        nearest_ancestor(np.array([1, 2, 0]), np.zeros(3, bool))


def test_barcodes_count_from_1_in_each_event():
    record = Record(4)
    for event in (0, 0, 2, 2, 2, 3):
        record.add(211, event=event)
    particles = record.particles()
    assert barcode(particles, np.array([0, 1, 2, 4, 5, -1])).tolist() == [1, 2, 1, 3, 1, -1]
    assert barcode(Record().particles(), np.array([-1, -1])).tolist() == [-1, -1]
