from __future__ import annotations

import numpy as np
import pytest
from made_records import Record, random_particles, stable_of, tracks_at

from salt_like.simulation.origins import ORIGINS, ancestry_class, origins
from salt_like.simulation.species import heavy_flavour, weakly_decaying


def test_order_of_the_classes():
    assert ORIGINS == ("pileup", "fake", "primary", "fromB", "fromBC", "fromC", "fromTau", "otherSecondary")


@pytest.mark.parametrize(
    ("ancestors", "origin"),
    [
        ((), "primary"),
        ((113,), "primary"),
        ((2212, 5), "primary"),
        ((513,), "fromB"),  # no daughter with bottom: it is the last one
        ((511,), "fromB"),
        ((511, 113), "fromB"),
        ((511, 443), "fromB"),
        ((511, 310), "fromB"),
        ((511, 15), "fromB"),
        ((511, -413, -421), "fromBC"),
        ((511, -421, 310), "fromBC"),
        ((421,), "fromC"),
        ((431, 15), "fromC"),
        ((443,), "primary"),
        ((553,), "primary"),
        ((24, 15), "fromTau"),
        ((24, 15, 310), "fromTau"),
        ((310,), "otherSecondary"),
        ((113, 3122), "otherSecondary"),
        ((3312, 3122), "otherSecondary"),
        ((211,), "otherSecondary"),
        ((111,), "primary"),
        ((3212,), "primary"),
    ],
)
def test_ancestors(ancestors, origin):
    record = Record()
    mother = -1
    for pdg in ancestors:
        mother = record.add(pdg, mother)
    leaf = record.add(-211, mother)
    assert ORIGINS[ancestry_class(record.particles(), np.array([leaf]))[0]] == origin


def test_pions_of_excited_hadrons_are_primary():
    record = Record()
    excited = record.add(10511)
    bottom = record.add(521, excited)
    pion = record.add(-211, excited)
    star = record.add(413)
    charm = record.add(421, star)
    slow = record.add(211, star)
    of_bottom, of_charm = record.add(211, bottom), record.add(211, charm)
    classes = ancestry_class(record.particles(), np.array([pion, slow, of_bottom, of_charm]))
    assert [ORIGINS[one] for one in classes] == [
        "primary", "primary", "fromB", "fromC"
    ]  # fmt: skip


def test_hadrons_that_keep_their_flavour_in_a_displaced_decay():
    record = Record()
    both = record.add(541)
    strange = record.add(531, both, at=(0.3, 0.0, 0.0))
    pion, of_strange = record.add(211, both, at=(0.3, 0.0, 0.0)), record.add(211, strange, at=(1.0, 0.0, 0.0))
    other = record.add(541)
    star = record.add(533, other, at=(0.3, 0.0, 0.0))
    record.add(531, star, at=(0.3, 0.0, 0.0))
    muon = record.add(13, other, at=(0.3, 0.0, 0.0))
    excited = record.add(543)
    record.add(541, excited)
    prompt = record.add(211, excited)
    classes = ancestry_class(record.particles(), np.array([pion, of_strange, muon, prompt]))
    assert [ORIGINS[one] for one in classes] == ["fromB", "fromB", "fromB", "primary"]


def test_pairs_of_electrons_from_a_flying_pi0_come_from_where_it_was_made():
    record = Record()
    at, away = (0.0, 0.0, 0.02), (0.5, 0.0, 0.4)
    electron = record.add(11, record.add(111, at=at), at=away)
    lonely = record.add(211, at=away)
    record.add(111)  # the last row: of a particle without mother it is not the mother
    particles = record.particles()
    tracks = tracks_at(*[(5.0, 0.0, 0.0)] * 2, stable=[0, 1])
    position = origins(particles, stable_of(particles, [electron, lonely]), tracks).position
    np.testing.assert_array_equal(position, [at, away])


def test_tracks():
    record = Record(2)
    record.add(211)
    first = record.add(511, event=1)
    charm = record.add(-421, first, event=1)
    place = (0.1, 0.2, 0.3)
    kaon = record.add(321, charm, event=1, at=place)
    electron = record.add(11, first, event=1)
    lepton = record.add(-15, charm, event=1)
    pion = record.add(211, lepton, event=1)
    particles = record.particles()
    stable = stable_of(particles, [0, kaon, electron, pion], pileup=1)
    tracks = tracks_at(*[(5.0, 0.0, 0.0)] * 6, stable=[0, 4, -1, 2, 1, 3])
    result = origins(particles, stable, tracks)
    names = ["primary", "pileup", "fake", "fromB", "fromBC", "fromBC"]
    assert [ORIGINS[label] for label in result.origin] == names
    assert result.kind.tolist() == [2, 0, 0, 5, 3, 2]
    # barcodes count from 1 within the event: the B is 1, the D is 2, the tau is 5
    assert result.parent.tolist() == [-1, -1, -1, 1, 2, 5]
    np.testing.assert_array_equal(result.position[4], place)
    assert np.isnan(result.position).all(1).tolist() == [False, True, True, False, False, False]


def loop_flying(particles):
    """Flavour of what decays away from where it was made or, having no daughter of its flavour, weakly."""
    weak = weakly_decaying(particles)
    result = weak.copy()
    place = np.stack((particles.x, particles.y, particles.z), 1)
    for child, mother in enumerate(particles.mother1):
        flavour, same = heavy_flavour(particles.pdg[[mother, child]])
        displaced = mother >= 0 and not np.array_equal(place[child], place[mother])
        if displaced and flavour and same == flavour:
            result[mother] = flavour
    return result


@pytest.mark.parametrize("seed", range(6))
def test_same_as_a_loop(seed):
    generator = np.random.default_rng(seed)
    particles = random_particles(generator)
    heavy, classes = loop_flying(particles), ancestry_class(particles, np.arange(len(particles.pdg)))
    for row in range(len(particles.pdg)):
        above, seen, numbers = particles.mother1[row], set(), set()
        while above >= 0:
            seen.add(heavy[above])
            numbers.add(abs(particles.pdg[above]))
            above = particles.mother1[above]
        if 5 in seen:
            expected = "fromBC" if 4 in seen else "fromB"
        elif 4 in seen:
            expected = "fromC"
        elif 15 in seen:
            expected = "fromTau"
        else:
            expected = "otherSecondary" if numbers & {310, 3122, 211, 321, 13} else "primary"
        assert ORIGINS[classes[row]] == expected


def test_nothing():
    particles = Record(2).particles()
    empty = origins(particles, stable_of(particles, []), tracks_at())
    assert len(empty.origin) == 0
    alone = origins(particles, stable_of(particles, [], pileup=1), tracks_at((1.0, 0, 0), (1.0, 0, 0), stable=[0, -1]))
    assert [ORIGINS[label] for label in alone.origin] == ["pileup", "fake"]
