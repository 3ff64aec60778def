from __future__ import annotations

import numpy as np
import pytest
from made_records import Record, jets_at, random_jets, random_particles

from salt_like.simulation.hadrons import hadrons
from salt_like.simulation.labels import FLAVOURS, labels, of_hadron

AXIS = (60.0, 0.0, 0.0)


def labelled(record, *axes, event=None):
    particles, jets = record.particles(), jets_at(*axes, event=event)
    found = hadrons(particles, jets)
    return labels(particles, jets, found), found


@pytest.mark.parametrize(
    ("numbers", "label", "name"),
    [
        ((), 0, "ujets"),
        ((421,), 4, "cjets"),
        ((421, 15), 4, "cjets"),
        ((15, -421, 511), 5, "bjets"),
        ((15,), 15, "taujets"),
        ((443,), 0, "ujets"),
        ((553,), 0, "ujets"),
    ],
)
def test_bottom_then_charm_then_tau(numbers, label, name):
    record = Record()
    for number in numbers:
        record.add(number)
    result, _ = labelled(record, AXIS)
    assert result.label.tolist() == [label]
    assert FLAVOURS[result.flavour[0]] == name


def test_order_of_the_classes():
    assert FLAVOURS == ("ujets", "cjets", "bjets", "taujets")


def test_hardest_hadron_of_the_kind_and_counts():
    record = Record()
    record.add(421, pt=50.0)
    record.add(511, pt=20.0)
    hardest = record.add(521, pt=30.0)
    record.add(511, pt=25.0)
    record.add(421, record.add(511, pt=8.0), pt=6.0)
    record.add(511, pt=4.0)
    result, found = labelled(record, AXIS)
    assert found.particle[result.hadron[0]] == hardest
    assert (result.bottom[0], result.charm[0]) == (4, 2)


def test_each_jet_has_its_own():
    record = Record(3)
    record.add(511, eta=1.0)
    record.add(421, eta=-1.0)
    record.add(421, eta=0.5)  # outside of every jet
    record.add(15, eta=0.0, event=2)
    result, _ = labelled(record, (60.0, 0.0, 0.0), (50.0, -1.0, 0.0), (40.0, 1.0, 0.0), AXIS, event=[0, 0, 0, 2])
    assert result.label.tolist() == [0, 4, 5, 15]
    assert result.bottom.tolist() == [0, 0, 1, 0]
    assert result.charm.tolist() == [0, 1, 0, 0]
    assert result.hadron.tolist() == [-1, 1, 0, 3]


def test_leptonic_tau_gives_a_light_jet_with_a_prompt_lepton():
    record = Record()
    row = record.add(15, record.add(-24))
    record.add(13, row, pt=8.0)
    record.add(-14, row)
    result, _ = labelled(record, AXIS)
    assert result.label.tolist() == [0]
    assert result.prompt_leptons.tolist() == [1]


def test_prompt_leptons():
    record = Record()
    beam = record.add(2212, status=-12)
    boson = record.add(24, beam)
    record.add(-13, boson, eta=0.39)
    record.add(11, boson, pt=4.9)  # soft
    record.add(-13, boson, eta=0.41)  # far
    record.add(13, record.add(-511), pt=30.0)  # of a hadron
    record.add(13, record.add(15, record.add(-511)), pt=30.0)
    record.add(12, boson)
    copy = record.add(-11, boson, eta=0.1)
    record.add(-11, copy, eta=0.1)
    result, _ = labelled(record, AXIS)
    assert result.prompt_leptons.tolist() == [2]


def test_values_of_hadrons():
    values = of_hadron(np.array([3.0, 5.0]), np.array([1, -1, 0]))
    np.testing.assert_array_equal(values, [5.0, np.nan, 3.0])
    np.testing.assert_array_equal(of_hadron(np.zeros(0), np.array([-1])), [np.nan])


@pytest.mark.parametrize("seed", range(6))
def test_same_as_a_loop(seed):
    generator = np.random.default_rng(seed)
    particles, jets = random_particles(generator, size=200), random_jets(generator)
    found = hadrons(particles, jets)
    result = labels(particles, jets, found)
    for jet in range(len(jets.event)):
        mine = [row for row in range(len(found.event)) if found.jet[row] == jet]
        label = next((each for each in (5, 4, 15) if each in found.flavour[mine]), 0)
        best = max((row for row in mine if found.flavour[row] == label), key=lambda row: found.pt[row], default=-1)
        assert (result.label[jet], result.hadron[jet]) == (label, best)
        assert result.bottom[jet] == sum(found.flavour[row] == 5 for row in mine)
        assert result.charm[jet] == sum(found.flavour[row] == 4 for row in mine)


def test_no_jets():
    record = Record()
    record.add(511)
    result, _ = labelled(record)
    assert all(len(values) == 0 for values in (result.label, result.flavour, result.hadron, result.prompt_leptons))
