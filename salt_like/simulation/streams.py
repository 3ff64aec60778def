"""From records to the structured arrays of the file: `jets`, `tracks`, `flows` and `truth_hadrons`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.simulation import association
from salt_like.simulation.ancestry import barcode
from salt_like.simulation.association import TrackSelection
from salt_like.simulation.kinematics import azimuth, invariant_mass, pseudorapidity, wrapped
from salt_like.simulation.labels import labels, of_hadron
from salt_like.simulation.layout import DTYPES, LENGTHS
from salt_like.simulation.origins import origins
from salt_like.simulation.record import Floats, Flows, Hadrons, Integers, Jets, Particles, Stable, Tracks, TruthJets
from salt_like.simulation.vertices import vertex_index

MEV = 1000.0

Structured = NDArray[Any]


@dataclass(frozen=True)
class Slots:
    """Which constituent stands where, jet by jet.

    Args:
        row: Row of the constituent in its record, (T,).
        jet: Jet it belongs to, never decreasing, (T,).
        slot: Place within the jet, from 0, (T,).
    """

    row: Integers
    jet: Integers
    slot: Integers


def slots(row: Integers, jet: Integers, rank: Floats, length: int) -> Slots:
    """Order the constituents of each jet and keep the first ones.

    Args:
        row: Rows of constituents that belong to jets, (M,).
        jet: Their jets, (M,).
        rank: What they are ordered by, largest first; ties stay in the order of the record, (M,).
        length: How many a jet may keep.

    Returns:
        At most `length` per jet.
    """
    order = np.lexsort((row, -rank, jet))
    row, jet = row[order], jet[order]
    slot = np.arange(len(jet)) - np.searchsorted(jet, jet)
    kept = slot < length
    return Slots(row[kept], jet[kept], slot[kept])


def streams(
    particles: Particles,
    stable: Stable,
    tracks: Tracks,
    flows: Flows,
    jets: Jets,
    truth_jets: TruthJets,
    hadrons: Hadrons,
    event_numbers: Integers,
    process: int,
    selection: TrackSelection | None = None,
) -> dict[str, Structured]:
    """Write down a chunk of events in the layout of the file.

    Values are in MeV, mm and rad. Slots without a constituent are 0 in every field, `valid` too. Truth that has no
    meaning is NaN: transverse momentum and flight length of hadrons of light jets, momentum and mass of a truth jet
    that was not found. The particle number of the hadron of a light jet, an integer, is 0.

    Args:
        particles, stable, tracks, flows, jets, truth_jets, hadrons: The records of the chunk.
        event_numbers: Number of each event in the file, (E,).
        process: Number of the process.
        selection: Tracks that enter jets.

    Returns:
        `jets` (J,), `tracks` (J, 40), `flows` (J, 50) and `truth_hadrons` (J, 5) with the types of `layout.DTYPES`.
    """
    jet_of_track = association.jet_of(tracks, jets, selection or TrackSelection())
    summary = _jets(particles, stable, tracks, jets, truth_jets, hadrons, jet_of_track)
    summary["eventNumber"] = event_numbers[jets.event]
    summary["process"] = np.full(len(jets.event), process)
    return {
        "jets": _structured("jets", summary),
        "tracks": _tracks(particles, stable, tracks, jets, jet_of_track),
        "flows": _flows(flows, jets),
        "truth_hadrons": _hadrons(particles, jets, hadrons),
    }


def _jets(
    particles: Particles,
    stable: Stable,
    tracks: Tracks,
    jets: Jets,
    truth_jets: TruthJets,
    hadrons: Hadrons,
    jet_of_track: Integers,
) -> dict[str, NDArray[Any]]:
    number = len(jets.event)
    label = labels(particles, jets, hadrons)
    lepton_pt, lepton = _soft_lepton(tracks, jet_of_track, number)
    pt, eta = np.hypot(jets.px, jets.py), pseudorapidity(jets.px, jets.py, jets.pz)
    true_mass = invariant_mass(truth_jets.px, truth_jets.py, truth_jets.pz, truth_jets.energy)
    return {
        "pt": pt * MEV,
        "eta": eta,
        "phi": azimuth(jets.px, jets.py),
        "mass": invariant_mass(jets.px, jets.py, jets.pz, jets.energy) * MEV,
        "energy": jets.energy * MEV,
        "abs_eta": np.abs(eta),
        "pt_btagJes": pt * MEV,
        "eta_btagJes": eta,
        "n_tracks": np.bincount(jet_of_track[jet_of_track >= 0], minlength=number),
        "n_flows": np.bincount(jets.flow_jet, minlength=number),
        "HadronConeExclTruthLabelID": label.label,
        "HadronConeExclTruthLabelPt": of_hadron(hadrons.pt * MEV, label.hadron),
        "HadronConeExclTruthLabelLxy": of_hadron(hadrons.lxy, label.hadron),
        "HadronConeExclTruthLabelPdgId": np.nan_to_num(of_hadron(hadrons.pdg.astype(np.float64), label.hadron)),
        "flavour_label": label.flavour,
        "GhostBHadronsFinalCount": label.bottom,
        "GhostCHadronsFinalCount": label.charm,
        "n_truth_promptLepton": label.prompt_leptons,
        "softLeptonPt": lepton_pt * MEV,
        "softLeptonID": lepton,
        "ptFromTruthJet": of_hadron(np.hypot(truth_jets.px, truth_jets.py) * MEV, jets.truth),
        "truthMass": of_hadron(true_mass * MEV, jets.truth),
        "mcEventWeight": particles.weights[jets.event],
        "n_pileup": stable.collisions[jets.event],
        "primaryVertexZ": stable.vertex[jets.event, 2],
    }


def _soft_lepton(tracks: Tracks, jet_of_track: Integers, jets: int) -> tuple[Floats, Integers]:
    """Transverse momentum in GeV and type of the hardest identified lepton of each jet, 0 where there is none."""
    row = np.flatnonzero((tracks.lepton != 0) & (jet_of_track >= 0))
    first = slots(row, jet_of_track[row], tracks.pt[row], 1)
    pt, lepton = np.zeros(jets), np.zeros(jets, np.int64)
    pt[first.jet] = tracks.pt[first.row]
    lepton[first.jet] = tracks.lepton[first.row]
    return pt, lepton


def _tracks(particles: Particles, stable: Stable, tracks: Tracks, jets: Jets, jet_of_track: Integers) -> Structured:
    inside = np.flatnonzero(jet_of_track >= 0)
    significance = association.signed_significances(tracks, jets, inside, jet_of_track[inside])[0]
    place = slots(inside, jet_of_track[inside], np.abs(significance), LENGTHS["tracks"])
    row, jet = place.row, place.jet
    d0_significance, z0_significance = association.signed_significances(tracks, jets, row, jet)
    true = origins(particles, stable, tracks)
    momentum = tracks.pt[row] / np.sin(tracks.theta[row])
    columns = {
        "d0": tracks.d0[row],
        "z0SinTheta": association.z0_sin_theta(tracks)[row],
        **_direction(jets, jet, tracks.eta[row], tracks.phi[row]),
        "pt": tracks.pt[row] * MEV,
        "ptfrac": tracks.pt[row] / np.hypot(jets.px, jets.py)[jet],
        "qOverP": tracks.charge[row] / (momentum * MEV),
        "IP3D_signed_d0_significance": d0_significance,
        "IP3D_signed_z0_significance": z0_significance,
        "d0Uncertainty": tracks.sigma_d0[row],
        "z0SinThetaUncertainty": association.sigma_z0_sin_theta(tracks)[row],
        "phiUncertainty": tracks.sigma_phi[row],
        "thetaUncertainty": tracks.sigma_theta[row],
        "qOverPUncertainty": tracks.sigma_q_over_p[row] / MEV,
        "numberOfPixelHits": tracks.pixel_hits[row],
        "numberOfSCTHits": tracks.strip_hits[row],
        "numberOfInnermostPixelLayerHits": tracks.innermost_hits[row],
        "numberOfNextToInnermostPixelLayerHits": tracks.next_to_innermost_hits[row],
        "leptonID": tracks.lepton[row],
        "ftagTruthOriginLabel": true.origin[row],
        "ftagTruthVertexIndex": vertex_index(jet, true.position[row]),
        "ftagTruthTypeLabel": true.kind[row],
        "ftagTruthParentBarcode": true.parent[row],
    }
    return _padded("tracks", columns, place, len(jets.event))


def _flows(flows: Flows, jets: Jets) -> Structured:
    pt = np.hypot(flows.px, flows.py)
    place = slots(jets.flow, jets.flow_jet, pt[jets.flow], LENGTHS["flows"])
    row = place.row
    eta, phi = pseudorapidity(flows.px, flows.py, flows.pz), azimuth(flows.px, flows.py)
    columns = {
        "pt": pt[row] * MEV,
        "energy": flows.energy[row] * MEV,
        **_direction(jets, place.jet, eta[row], phi[row]),
        "isPhoton": flows.photon[row],
        "isCharged": flows.track[row] >= 0,
    }
    return _padded("flows", columns, place, len(jets.event))


def _hadrons(particles: Particles, jets: Jets, hadrons: Hadrons) -> Structured:
    inside = np.flatnonzero(hadrons.jet >= 0)
    place = slots(inside, hadrons.jet[inside], hadrons.pt[inside], LENGTHS["truth_hadrons"])
    row = place.row
    columns = {
        "pt": hadrons.pt[row] * MEV,
        "mass": hadrons.mass[row] * MEV,
        "energy": hadrons.energy[row] * MEV,
        "Lxy": hadrons.lxy[row],
        "properDecayLength": hadrons.decay[row],
        **_direction(jets, place.jet, hadrons.eta[row], hadrons.phi[row]),
        "pdgId": hadrons.pdg[row],
        "flavour": hadrons.flavour[row],
        "barcode": barcode(particles, hadrons.particle[row]),
        "parentBarcode": barcode(particles, hadrons.parent[row]),
    }
    return _padded("truth_hadrons", columns, place, len(jets.event))


def _direction(jets: Jets, jet: Integers, eta: Floats, phi: Floats) -> dict[str, Floats]:
    """Direction relative to the axis of the jet."""
    deta = eta - pseudorapidity(jets.px, jets.py, jets.pz)[jet]
    dphi = wrapped(phi - azimuth(jets.px, jets.py)[jet])
    return {"deta": deta, "dphi": dphi, "dr": np.hypot(deta, dphi)}


def _structured(stream: str, columns: Mapping[str, NDArray[Any]]) -> Structured:
    """One row per jet from one array per field."""
    result = np.zeros(len(columns["pt"]), DTYPES[stream])
    for name in DTYPES[stream].names or ():
        result[name] = columns[name]
    return result


def _padded(stream: str, columns: Mapping[str, NDArray[Any]], place: Slots, jets: int) -> Structured:
    """Constituents in their slots, zeros elsewhere."""
    result = np.zeros((jets, LENGTHS[stream]), DTYPES[stream])
    for name in DTYPES[stream].names or ():
        result[name][place.jet, place.slot] = True if name == "valid" else columns[name]
    return result
