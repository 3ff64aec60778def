"""What passes between the steps of the simulation: flat arrays of a chunk of events, one row per thing.

Rows of one kind stand event by event; ``event`` is the number of the event within the chunk, from 0, and never
decreases. Units are those of the generator and the detector: GeV, mm, rad; the writer converts to the units of the
file. Indices into another record are row numbers, -1 where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Particles:
    """The full generator record of the hard collisions of a chunk, decays included.

    Args:
        event: Event of each particle, (P,).
        pdg: Particle number (PDG), (P,).
        status: Status of Pythia, positive for particles that did not decay, (P,).
        mother1: Row of the first mother, -1 for none, (P,).
        mother2: Row of the last mother as Pythia defines it, -1 for none, (P,).
        px, py, pz, energy, mass: Momentum in GeV, (P,).
        x, y, z: Where it was produced, in mm, relative to the hard collision, (P,).
        weights: Weight of each event, 1 where the process is not biased, (E,).
    """

    event: Integers
    pdg: Integers
    status: Integers
    mother1: Integers
    mother2: Integers
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    mass: Floats
    x: Floats
    y: Floats
    z: Floats
    weights: Floats

    @property
    def events(self) -> int:
        """Number of events, also of those without particles."""
        return len(self.weights)


@dataclass(frozen=True)
class Stable:
    """What reaches the detector: undecayed particles of the hard collision and of the pile-up around it.

    Args:
        event: Event of each particle, (S,).
        collision: 0 for the hard collision, 1, 2, … for pile-up, (S,).
        particle: Row in `Particles`, -1 for pile-up, (S,).
        pdg: Particle number (PDG), (S,).
        charge: Electric charge in units of e, (S,).
        px, py, pz, energy: Momentum in GeV, (S,).
        x, y, z: Where it was produced in the detector's frame, beam spot and shift of its collision included, mm, (S,).
        vertex: Position of the hard collision of each event in the detector's frame in mm, (E, 3).
        collisions: Number of pile-up collisions of each event, (E,).
    """

    event: Integers
    collision: Integers
    particle: Integers
    pdg: Integers
    charge: Integers
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    x: Floats
    y: Floats
    z: Floats
    vertex: Floats
    collisions: Integers


@dataclass(frozen=True)
class Tracks:
    """Reconstructed tracks, at their perigee to the reconstructed primary vertex of their event.

    Args:
        event: Event of each track, (K,).
        stable: Row in `Stable` of the particle that made it, -1 for a fake, (K,).
        charge: Measured charge, (K,).
        pt, eta, phi: Momentum at the perigee, GeV and rad, (K,).
        d0: Signed transverse distance of closest approach to the primary vertex, mm, (K,).
        z0: Longitudinal distance at that point, mm, (K,).
        sigma_d0, sigma_z0, sigma_phi, sigma_theta, sigma_q_over_p: Uncertainties in mm, rad and 1/GeV, (K,).
        pixel_hits, strip_hits, innermost_hits, next_to_innermost_hits: Numbers of hits, (K,).
        lepton: Particle number (PDG) of an identified electron or muon, -11 for a positron, else 0, (K,).
        vertex: Reconstructed position of the hard collision of each event in the detector's frame in mm, (E, 3).
    """

    event: Integers
    stable: Integers
    charge: Integers
    pt: Floats
    eta: Floats
    phi: Floats
    d0: Floats
    z0: Floats
    sigma_d0: Floats
    sigma_z0: Floats
    sigma_phi: Floats
    sigma_theta: Floats
    sigma_q_over_p: Floats
    pixel_hits: Integers
    strip_hits: Integers
    innermost_hits: Integers
    next_to_innermost_hits: Integers
    lepton: Integers
    vertex: Floats

    @property
    def theta(self) -> Floats:
        """Polar angle in rad."""
        return np.asarray(2.0 * np.arctan(np.exp(-self.eta)))


@dataclass(frozen=True)
class Flows:
    """Reconstructed constituents of jets: charged ones from tracks, neutral ones from the calorimeter.

    Args:
        event: Event of each constituent, (C,).
        track: Row in `Tracks`, -1 for neutral ones, (C,).
        stable: Row in `Stable` of the (leading) particle, -1 for a fake, (C,).
        photon: True for electromagnetic neutral ones, (C,).
        px, py, pz, energy: Smeared momentum in GeV, (C,).
    """

    event: Integers
    track: Integers
    stable: Integers
    photon: Mask
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats


@dataclass(frozen=True)
class Clusters:
    """What a sequential recombination of particles into jets gives, of a chunk of events.

    Args:
        event: Event of each jet, highest transverse momentum first within its event, (J,).
        px, py, pz, energy: Sum of the momenta of its constituents in GeV, (J,).
        constituent: Rows of the particles that were given, of all constituents of all jets, jet by jet, (M,).
        jet: Jet of each of these, (M,).
    """

    event: Integers
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    constituent: Integers
    jet: Integers


class Cluster(Protocol):
    """Anti-kt jets of a chunk of events: the one thing that the detector needs of the engines."""

    def __call__(
        self,
        event: Integers,
        px: Floats,
        py: Floats,
        pz: Floats,
        energy: Floats,
        *,
        radius: float,
        pt_min: float,
    ) -> Clusters:
        """The jets above ``pt_min`` (GeV) of particles (N,) that stand event by event."""
        ...


@dataclass(frozen=True)
class Jets:
    """Jets clustered from `Flows`, calibrated, highest transverse momentum first within their event.

    Args:
        event: Event of each jet, (J,).
        px, py, pz, energy: Calibrated momentum in GeV, (J,).
        flow: Rows in `Flows` of all constituents of all jets, jet by jet, (M,).
        flow_jet: Jet of each of these, (M,).
        truth: Row in `TruthJets` of the matched one, -1 for none, (J,).
    """

    event: Integers
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    flow: Integers
    flow_jet: Integers
    truth: Integers


@dataclass(frozen=True)
class TruthJets:
    """Jets clustered from undecayed particles of the hard collision alone, before the detector.

    Args:
        event: Event of each jet, (G,).
        px, py, pz, energy: Momentum in GeV, (G,).
    """

    event: Integers
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats


@dataclass(frozen=True)
class Hadrons:
    """Weakly decaying heavy hadrons and taus, each associated with at most one jet, the nearest.

    Args:
        event: Event of each hadron, (Q,).
        particle: Row in `Particles`, (Q,).
        pdg: Particle number, (Q,).
        flavour: 5 (b), 4 (c) or 15 (tau), (Q,).
        pt, eta, phi, mass, energy: Momentum in GeV, (Q,).
        lxy: Transverse flight length in mm, (Q,).
        decay: Proper decay length c tau of this hadron, mm, (Q,).
        jet: Row in `Jets` of the nearest jet within the cone, -1 for none, (Q,).
        parent: Row in `Particles` of the closest of the b and c hadrons that it descends from, -1 for none, (Q,).
    """

    event: Integers
    particle: Integers
    pdg: Integers
    flavour: Integers
    pt: Floats
    eta: Floats
    phi: Floats
    mass: Floats
    energy: Floats
    lxy: Floats
    decay: Floats
    jet: Integers
    parent: Integers
