"""What the numbers of particles say: quarks inside, flavour, kind. Numbering of the Particle Data Group."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.record import Integers, Mask, Particles

BOTTOM, CHARM, TAU = 5, 4, 15
LIGHTEST_HEAVY = 400  # all hadrons with charm or bottom have a larger number
BEAM = -12  # status of incoming protons
# light particles that fly millimetres or more before they decay: mu, pi, K, K0L, K0S, Sigma, Lambda, Xi, Omega
LONG_LIVED = (13, 211, 321, 130, 310, 3112, 3222, 3122, 3312, 3322, 3334)
# in the order of `ftagTruthTypeLabel`
KINDS = ("noTruth", "other", "pion", "kaon", "lambda", "electron", "muon", "photon")
KIND_OF = {111: 2, 211: 2, 130: 3, 310: 3, 311: 3, 321: 3, 3122: 4, 11: 5, 13: 6, 22: 7}


def is_hadron(pdg: Integers) -> Mask:
    """True for mesons and baryons, onia included; false for diquarks, pomerons and supersymmetry. Shape as given."""
    number = np.abs(pdg)
    ordinary = ((number > 100) & (number < 1_000_000)) | ((number >= 9_000_000) & (number < 10_000_000))
    first, second, third = _quarks(number)
    return np.asarray(ordinary & (third > 0) & (second > 0) & (np.maximum(np.maximum(first, second), third) <= BOTTOM))


def heavy_flavour(pdg: Integers) -> Integers:
    """5 for hadrons with open bottom, else 4 for open charm, else 0 (also for onia); shape as given."""
    number = np.abs(pdg)
    first, second, third = _quarks(number)
    onium = (first == 0) & (second == third)
    opened = is_hadron(pdg) & ~onium
    bottom = (first == BOTTOM) | (second == BOTTOM) | (third == BOTTOM)
    charm = (first == CHARM) | (second == CHARM) | (third == CHARM)
    return np.asarray(np.where(opened & bottom, BOTTOM, np.where(opened & charm, CHARM, 0)))


def weakly_decaying(particles: Particles) -> Integers:
    """Which particles are heavy hadrons at the end of their strong and electromagnetic decays, or taus.

    A hadron counts when none of its daughters is a hadron of its flavour: the B of B* → B gamma, not the B*. A
    tau counts when none of its daughters is a tau.

    Args:
        particles: The record.

    Returns:
        5, 4 or 15 for those, else 0, (P,).
    """
    number = np.abs(particles.pdg)
    flavour = np.where(number == TAU, TAU, 0)
    heavy = np.flatnonzero(number > LIGHTEST_HEAVY)  # few of all
    flavour[heavy] = heavy_flavour(particles.pdg[heavy])
    child = np.flatnonzero((flavour > 0) & (particles.mother1 >= 0))
    mother = particles.mother1[child]
    again = mother[flavour[mother] == flavour[child]]
    flavour[again] = 0
    return np.asarray(flavour)


def flying(particles: Particles) -> Integers:
    """Which particles are heavy hadrons or taus whose decay is displaced.

    These are the ones that decay weakly and those that keep their flavour when they do, such as B_c → B_s pi and
    B_c → B_s* pi.

    Args:
        particles: The record.

    Returns:
        5, 4 or 15 for those, else 0, (P,).
    """
    result = weakly_decaying(particles)
    heavy = np.flatnonzero(np.abs(particles.pdg) > LIGHTEST_HEAVY)
    flavour = np.zeros_like(result)
    flavour[heavy] = heavy_flavour(particles.pdg[heavy])
    child = heavy[particles.mother1[heavy] >= 0]
    mother = particles.mother1[child]
    apart = [(place[child] != place[mother]) for place in (particles.x, particles.y, particles.z)]
    far = mother[np.logical_or.reduce(apart) & (flavour[child] > 0) & (flavour[mother] == flavour[child])]
    result[far] = flavour[far]
    return result


def kind(pdg: Integers) -> Integers:
    """Class of `ftagTruthTypeLabel`, an index into `KINDS`; shape as given."""
    result = np.ones(pdg.shape, np.int64)
    for number, label in KIND_OF.items():
        result[np.abs(pdg) == number] = label
    return result


def _quarks(number: Integers) -> tuple[Integers, Integers, Integers]:
    """Digits of the quarks in positive particle numbers; the first is 0 for mesons."""
    return number // 1000 % 10, number // 100 % 10, number // 10 % 10
