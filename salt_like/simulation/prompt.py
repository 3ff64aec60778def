"""Leptons that are no part of any jet."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.ancestry import without_hadrons
from salt_like.simulation.record import Mask, Particles, Stable
from salt_like.simulation.species import TAU

PHOTON = 22
LEPTONS = (11, 13)


def prompt_leptons(particles: Particles, stable: Stable) -> Mask:
    """Electrons and muons that descend from no hadron, so from W, Z or a tau of these, and the photons they radiated.

    Neither the true nor the reconstructed jets are made of them.

    Args:
        particles: The generator record.
        stable: What reaches the detector.

    Returns:
        True for these, (S,).
    """
    pdg = np.abs(particles.pdg)
    lepton = np.isin(pdg, LEPTONS)
    charged = lepton | (pdg == TAU)
    radiated = (pdg == PHOTON) & (particles.mother1 >= 0) & charged[particles.mother1]
    prompt = np.zeros(len(pdg), bool)
    candidate = np.flatnonzero((lepton | radiated) & (particles.status > 0))
    prompt[candidate] = without_hadrons(particles, candidate)
    result = np.zeros(len(stable.event), bool)
    known = np.flatnonzero(stable.particle >= 0)
    result[known] = prompt[stable.particle[known]]
    return result
