from __future__ import annotations

import numpy as np
import pytest
from made_records import Record, random_particles

from salt_like.simulation.ancestry import barcode, nearest_ancestor, without_hadrons


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
    row = generator.integers(0, len(marked), 300)
    expected = [climb(particles.mother1, marked, one) for one in row]
    assert nearest_ancestor(particles.mother1, marked, row).tolist() == expected


def test_long_chain_and_mothers_that_stand_later():
    mothers = np.arange(-1, 4999)
    marked = np.zeros(5000, bool)
    marked[[0, 4998]] = True
    assert nearest_ancestor(mothers, marked, np.array([0, 1, 4998, 4999])).tolist() == [-1, 0, 0, 4998]
    alone = nearest_ancestor(np.arange(-1, 4999), np.zeros(5000, bool), np.array([4999]))
    assert alone.tolist() == [-1]
    found = nearest_ancestor(np.array([2, 0, -1]), np.array([False, False, True]), np.arange(3))
    assert found.tolist() == [2, 2, -1]


def test_given_mothers_are_left_alone():
    mothers = np.array([-1, 0, 1])
    nearest_ancestor(mothers, np.zeros(3, bool), np.arange(3))
    assert mothers.tolist() == [-1, 0, 1]
    assert nearest_ancestor(mothers, np.zeros(3, bool), np.zeros(0, np.int64)).shape == (0,)
    assert nearest_ancestor(mothers[:0], np.zeros(0, bool), np.zeros(0, np.int64)).shape == (0,)


def test_circle():
    with pytest.raises(ValueError, match="descends from itself"):
        nearest_ancestor(np.array([1, 2, 0]), np.zeros(3, bool), np.array([1]))


def test_hadrons_among_the_ancestors():
    record = Record()
    proton = record.add(2212, status=-12)
    boson = record.add(24, proton)
    lepton = record.add(-15, boson)
    muon = record.add(-13, lepton)
    pion = record.add(211, lepton)
    decayed = record.add(-13, pion)
    rows = np.array([proton, boson, lepton, muon, pion, decayed])
    assert without_hadrons(record.particles(), rows).tolist() == [True, True, True, True, True, False]


def test_barcodes_count_from_1_in_each_event():
    record = Record(4)
    for event in (0, 0, 2, 2, 2, 3):
        record.add(211, event=event)
    particles = record.particles()
    assert barcode(particles, np.array([0, 1, 2, 4, 5, -1])).tolist() == [1, 2, 1, 3, 1, -1]
    assert barcode(Record().particles(), np.array([-1, -1])).tolist() == [-1, -1]
