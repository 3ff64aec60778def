"""Labels of jets from the heavy hadrons and leptons in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salt_like.simulation.ancestry import without_hadrons
from salt_like.simulation.kinematics import azimuth, pseudorapidity
from salt_like.simulation.neighbours import nearest_jet
from salt_like.simulation.record import Floats, Hadrons, Integers, Jets, Particles
from salt_like.simulation.species import BOTTOM, CHARM, TAU

FLAVOURS = ("ujets", "cjets", "bjets", "taujets")
LABELS = (0, CHARM, BOTTOM, TAU)  # HadronConeExclTruthLabelID of each of these
LEPTON_RADIUS = 0.4
LEPTON_MINIMUM_PT = 5.0


@dataclass(frozen=True)
class Labels:
    """What is true of each jet.

    Args:
        label: 5, 4, 15 or 0 (HadronConeExclTruthLabelID), (J,).
        flavour: The same as an index into `FLAVOURS`, (J,).
        hadron: Row in `Hadrons` of the hadron or tau that gives the label, the hardest one of its kind, -1 for none,
            (J,).
        bottom, charm: Numbers of b and c hadrons, those from b hadrons included, (J,).
        prompt_leptons: Number of electrons and muons that come from no hadron, (J,).
    """

    label: Integers
    flavour: Integers
    hadron: Integers
    bottom: Integers
    charm: Integers
    prompt_leptons: Integers


def labels(particles: Particles, jets: Jets, hadrons: Hadrons) -> Labels:
    """Label the jets: b if there is a b hadron, else c, else tau, else light.

    Args:
        particles: The record of the hard collisions.
        jets: The jets.
        hadrons: The hadrons and taus with their jets.

    Returns:
        One row per jet.
    """
    number = len(jets.event)
    inside = np.flatnonzero(hadrons.jet >= 0)
    jet, flavour = hadrons.jet[inside], hadrons.flavour[inside]
    rank = np.select([flavour == BOTTOM, flavour == CHARM], [0, 1], 2)
    best = np.lexsort((-hadrons.pt[inside], rank, jet))[::-1]
    hadron = np.full(number, -1)
    hadron[jet[best]] = inside[best]  # of several the last one stays: the hardest of the first rank
    label = np.zeros(number, np.int64)
    label[hadron >= 0] = hadrons.flavour[hadron[hadron >= 0]]
    return Labels(
        label=label,
        flavour=np.select([label == value for value in LABELS], list(range(len(LABELS)))),
        hadron=hadron,
        bottom=np.bincount(jet[flavour == BOTTOM], minlength=number),
        charm=np.bincount(jet[flavour == CHARM], minlength=number),
        prompt_leptons=prompt_leptons(particles, jets),
    )


def of_hadron(values: Floats, hadron: Integers) -> Floats:
    """Values of the labelling hadrons.

    Args:
        values: One per hadron, (Q,).
        hadron: Rows, -1 for none, (J,).

    Returns:
        NaN where there is no hadron, (J,).
    """
    result = np.full(len(hadron), np.nan)
    result[hadron >= 0] = values[hadron[hadron >= 0]]
    return result


def prompt_leptons(particles: Particles, jets: Jets) -> Integers:
    """Number of undecayed electrons and muons above 5 GeV that descend from no hadron, in the nearest jet, (J,)."""
    lepton = np.isin(np.abs(particles.pdg), (11, 13)) & (particles.status > 0)
    row = np.flatnonzero(lepton & (np.hypot(particles.px, particles.py) >= LEPTON_MINIMUM_PT))
    row = row[without_hadrons(particles, row)]
    px, py, pz = particles.px[row], particles.py[row], particles.pz[row]
    jet = nearest_jet(particles.event[row], pseudorapidity(px, py, pz), azimuth(px, py), jets, LEPTON_RADIUS)
    return np.bincount(jet[jet >= 0], minlength=len(jets.event))
