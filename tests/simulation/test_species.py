from __future__ import annotations

import numpy as np
import pytest
from made_records import Record

from salt_like.simulation.species import KINDS, heavy_flavour, is_hadron, kind, weakly_decaying


@pytest.mark.parametrize(
    ("numbers", "flavour"),
    [
        ([511, -521, 531, 541, 5122, 5232, 5332, 5222, 5224, 513, 10511, 20523, 535, -5132, 5142], 5),
        ([411, -421, 431, 4122, 4232, 4332, 4422, 413, 10413, 20433, 100411, -4112], 4),
        # onia, octets of charmonium, light hadrons, diquarks, quarks, leptons, remnants and supersymmetry
        ([443, 553, 100553, 10551, 20443, 9900443, 9940003, 9950005, 441, 551], 0),
        ([211, 130, 310, 3122, 2212, 333, 990, 9902110, 22, 24, 25, 15, 5, 4, 21, 5101, 5503, 4203], 0),
        ([1000005, 2000004, 1000512, 1000010020, 4000005], 0),
    ],
)
def test_heavy_flavour(numbers, flavour):
    numbers = np.array(numbers)
    assert heavy_flavour(numbers).tolist() == [flavour] * len(numbers)
    assert heavy_flavour(-numbers).tolist() == [flavour] * len(numbers)


def test_hadrons():
    yes = np.array([211, -2212, 130, 310, 443, 511, 5122, 9900443, 9902210, 100443])
    no = np.array([5, 21, 22, 11, 13, 15, 24, 90, 990, 2101, 2203, 1000010020, 1000021, 2000001, 9940003])
    assert is_hadron(yes).all()
    assert not is_hadron(no).any()


def test_kinds():
    numbers = np.array([211, -211, 321, 2212, 3122, -11, 13, 22, 310, 12, 3222])
    names = ["pion", "pion", "kaon", "other", "lambda", "electron", "muon", "photon", "kaon", "other", "other"]
    assert [KINDS[label] for label in kind(numbers)] == names


def test_excited_hadrons_onia_and_copies_do_not_count():
    record = Record()
    beam = record.add(2212, status=-12)
    quark = record.add(5, beam)
    excited = record.add(513, quark)
    bottom = record.add(511, excited)
    record.add(22, excited)
    star = record.add(-413, bottom)
    charm = record.add(-421, star)
    record.add(-211, star)
    onium = record.add(443, bottom)
    record.add(13, onium)
    record.add(-13, onium)
    record.add(321, charm)
    lepton = record.add(15, beam)
    copy = record.add(15, lepton)
    record.add(16, copy)
    record.add(-211, copy)
    weak = weakly_decaying(record.particles())
    assert {row: weak[row] for row in np.flatnonzero(weak)} == {bottom: 5, charm: 4, copy: 15}


def test_charm_that_decays_before_bottom():
    record = Record()
    both = record.add(541)
    strange = record.add(531, both)
    record.add(211, both)
    record.add(431, strange)
    assert weakly_decaying(record.particles()).tolist() == [0, 5, 0, 4]
