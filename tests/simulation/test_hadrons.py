from __future__ import annotations

import math

import numpy as np
import pytest
from made_records import Record, jets_at, random_jets, random_particles

from salt_like.simulation.hadrons import hadrons


def chain(record, pt=40.0, eta=0.0, phi=0.0, event=0):
    """B* → B gamma, B → D pi, D → K pi."""
    excited = record.add(-513, pt=pt, eta=eta, phi=phi, event=event)
    bottom = record.add(-511, excited, pt=pt, eta=eta, phi=phi, event=event)
    record.add(22, excited, pt=0.1, event=event)
    place = tuple(value * 2.0 for value in (math.cos(phi), math.sin(phi), math.sinh(eta)))
    charm = record.add(411, bottom, pt=0.5 * pt, eta=eta, phi=phi, at=place, event=event)
    record.add(-211, bottom, pt=0.5 * pt, eta=eta, phi=phi, at=place, event=event)
    later = tuple(value * 1.5 for value in place)
    record.add(-321, charm, pt=0.3 * pt, eta=eta, phi=phi, at=later, event=event)
    record.add(211, charm, pt=0.2 * pt, eta=eta, phi=phi, at=later, event=event)
    return bottom, charm


def test_chain():
    record = Record()
    bottom, charm = chain(record, pt=40.0, eta=0.5, phi=0.3)
    found = hadrons(record.particles(), jets_at((60.0, 0.45, 0.3)))
    assert found.particle.tolist() == [bottom, charm]
    assert found.flavour.tolist() == [5, 4]
    assert found.pdg.tolist() == [-511, 411]
    assert found.parent.tolist() == [-1, bottom]
    assert found.jet.tolist() == [0, 0]
    assert found.pt == pytest.approx([40.0, 20.0])
    assert found.eta == pytest.approx([0.5, 0.5])
    assert found.phi == pytest.approx([0.3, 0.3])
    assert found.lxy == pytest.approx([2.0, 1.0])
    # c tau = L m / p = (Lxy cosh eta) m / (pT cosh eta)
    assert found.decay == pytest.approx([2.0 * 5.28 / 40.0, 1.0 * 1.87 / 20.0])
    assert found.energy == pytest.approx(np.sqrt((found.pt * np.cosh(0.5)) ** 2 + found.mass**2))


def tau(record, *decay, pt=30.0):
    row = record.add(15, record.add(-24), pt=pt)
    record.add(16, row, pt=0.3 * pt, at=(0.5, 0, 0))
    for pdg in decay:
        record.add(pdg, row, pt=0.3 * pt, at=(0.5, 0, 0))
    return row


@pytest.mark.parametrize(
    ("decay", "counts"),
    [((-211,), True), ((-211, 211, -211), True), ((-211, 111), True), ((13, -14), False), ((11, -12), False)],
)
def test_only_hadronic_taus(decay, counts):
    record = Record()
    row = tau(record, *decay)
    found = hadrons(record.particles(), jets_at((30.0, 0.0, 0.0)))
    assert found.particle.tolist() == [row] * counts
    assert found.flavour.tolist() == [15] * counts
    assert found.decay == pytest.approx([0.5 * 1.777 / 30.0] * counts)


def test_electrons_of_a_pion_do_not_make_a_tau_leptonic():
    record = Record()
    row = tau(record, -211)
    pion = record.add(111, row)
    for pdg in (11, -11, 22):
        record.add(pdg, pion)
    assert hadrons(record.particles(), jets_at()).particle.tolist() == [row]


def test_soft_or_far_hadrons_belong_to_no_jet():
    record = Record()
    for pt, eta in ((4.9, 0.0), (5.1, 0.0), (50.0, 0.31), (50.0, 0.29)):
        record.add(511, pt=pt, eta=eta)
    assert hadrons(record.particles(), jets_at((50.0, 0.0, 0.0))).jet.tolist() == [-1, 0, -1, 0]


def test_nearest_jet_only():
    record = Record(2)
    record.add(511, eta=0.1)
    record.add(421, eta=0.2)
    record.add(421, eta=0.3)
    record.add(421, eta=0.1, event=1)
    found = hadrons(record.particles(), jets_at((60.0, 0.4, 0.0), (50.0, 0.0, 0.0)))
    assert found.jet.tolist() == [1, 0, 0, -1]  # 0.2 is equally far from both


def test_what_did_not_decay():
    record = Record()
    record.add(511)
    found = hadrons(record.particles(), jets_at())
    assert np.isnan(found.lxy).all()
    assert np.isnan(found.decay).all()


def test_nothing():
    found = hadrons(Record(3).particles(), jets_at((50.0, 0.0, 0.0), event=[1]))
    assert len(found.event) == 0


def weak_flavour(particles, row):
    def open_flavour(pdg):
        digits = [abs(pdg) // 10**place % 10 for place in (1, 2, 3)]
        if abs(pdg) == 15:
            return 15
        if abs(pdg) < 100 or (digits[0] == digits[1] and digits[2] == 0):
            return 0
        return 5 if 5 in digits else 4 if 4 in digits else 0

    flavour = open_flavour(particles.pdg[row])
    daughters = [other for other in range(len(particles.pdg)) if particles.mother1[other] == row]
    if any(open_flavour(particles.pdg[other]) == flavour for other in daughters):
        return 0
    if flavour == 15 and any(abs(particles.pdg[other]) in (11, 13) for other in daughters):
        return 0
    return flavour


@pytest.mark.parametrize("seed", range(5))
def test_same_as_a_loop(seed):
    generator = np.random.default_rng(seed)
    particles, jets = random_particles(generator), random_jets(generator)
    found = hadrons(particles, jets)
    flavours = [weak_flavour(particles, row) for row in range(len(particles.pdg))]
    assert found.particle.tolist() == [row for row, flavour in enumerate(flavours) if flavour]
    assert found.flavour.tolist() == [flavour for flavour in flavours if flavour]
    for number, row in enumerate(found.particle):
        children = np.flatnonzero(particles.mother1 == row)
        if len(children):
            last = children[-1]  # all daughters of a real decay stand at one place, here they do not
            way = [getattr(particles, axis)[last] - getattr(particles, axis)[row] for axis in "xyz"]
            momentum = math.sqrt(particles.px[row] ** 2 + particles.py[row] ** 2 + particles.pz[row] ** 2)
            assert found.lxy[number] == pytest.approx(math.hypot(way[0], way[1]))
            expected = math.sqrt(sum(value * value for value in way)) * particles.mass[row] / momentum
            assert found.decay[number] == pytest.approx(expected)
        above = particles.mother1[row]
        while above >= 0 and flavours[above] not in (4, 5):
            above = particles.mother1[above]
        assert found.parent[number] == above
