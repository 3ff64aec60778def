"""Jets of constituents, and of particles before the detector."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.calibration import Calibration
from salt_like.simulation.calorimeter import INVISIBLE
from salt_like.simulation.detector_settings import JetSettings
from salt_like.simulation.kinematics import azimuth, pseudorapidity, wrapped
from salt_like.simulation.neighbours import pairs
from salt_like.simulation.record import Cluster, Clusters, Flows, Integers, Jets, Mask, Stable, TruthJets

LOWEST = 0.5  # of the least calibrated momentum: what is clustered before calibration


def truth_jets(stable: Stable, prompt: Mask, settings: JetSettings, cluster: Cluster) -> TruthJets:
    """Jets of the undecayed particles of the hard collision, without neutrinos and prompt leptons.

    Muons and electrons of hadron decays are part of them, as their tracks are of the reconstructed jets.

    Args:
        stable: What reaches the detector.
        prompt: Particles that are no part of jets, (S,).
        settings: Numbers of the jets.
        cluster: Anti-kt clustering.
    """
    row = np.flatnonzero((stable.collision == 0) & ~prompt)
    row = row[~np.isin(np.abs(stable.pdg[row]), INVISIBLE)]
    reach = settings.maximum_eta + settings.matching_distance
    eta = pseudorapidity(stable.px[row], stable.py[row], stable.pz[row])
    row = row[np.abs(eta) < reach + 2.0 * settings.radius]
    found = cluster(
        stable.event[row],
        stable.px[row],
        stable.py[row],
        stable.pz[row],
        stable.energy[row],
        radius=settings.radius,
        pt_min=settings.truth_minimum_pt,
    )
    near = np.abs(pseudorapidity(found.px, found.py, found.pz)) < reach
    return TruthJets(found.event[near], found.px[near], found.py[near], found.pz[near], found.energy[near])


def jets(
    flows: Flows, truth: TruthJets, settings: JetSettings, cluster: Cluster, calibration: Calibration | None = None
) -> Jets:
    """Jets of the constituents, calibrated, within the acceptance, and matched to true ones.

    A jet's momentum, energy and mass are those of the sum of its constituents times one factor.

    Args:
        flows: Constituents, pile-up subtracted.
        truth: True jets of the same chunk.
        settings: Numbers of the jets.
        cluster: Anti-kt clustering.
        calibration: The factor; that of the default detector unless given.
    """
    raw = uncalibrated(flows, settings, cluster)
    pt = np.hypot(raw.px, raw.py)
    eta = pseudorapidity(raw.px, raw.py, raw.pz)
    factor = (calibration or Calibration()).factor(pt, np.abs(eta))
    kept = np.flatnonzero((factor * pt > settings.minimum_pt) & (np.abs(eta) < settings.maximum_eta))
    kept = kept[np.lexsort((-(factor * pt)[kept], raw.event[kept]))]
    number = np.full(len(pt), -1)
    number[kept] = np.arange(len(kept))
    jet = number[raw.jet]
    member = np.flatnonzero(jet >= 0)
    member = member[np.argsort(jet[member], kind="stable")]
    scale = factor[kept]
    result = Jets(
        event=raw.event[kept],
        px=raw.px[kept] * scale,
        py=raw.py[kept] * scale,
        pz=raw.pz[kept] * scale,
        energy=raw.energy[kept] * scale,
        flow=raw.constituent[member],
        flow_jet=jet[member],
        truth=np.full(len(kept), -1),
    )
    result.truth[:] = matched(result, truth, settings.matching_distance)
    return result


def uncalibrated(flows: Flows, settings: JetSettings, cluster: Cluster) -> Clusters:
    """Jets as they are clustered, down to half of the least momentum of a calibrated one."""
    inside = np.abs(pseudorapidity(flows.px, flows.py, flows.pz)) < settings.maximum_eta + settings.radius
    row = np.flatnonzero(inside)
    found = cluster(
        flows.event[row],
        flows.px[row],
        flows.py[row],
        flows.pz[row],
        flows.energy[row],
        radius=settings.radius,
        pt_min=LOWEST * settings.minimum_pt,
    )
    return Clusters(found.event, found.px, found.py, found.pz, found.energy, row[found.constituent], found.jet)


def matched(jets: Jets | Clusters, truth: TruthJets, distance: float) -> Integers:
    """The true jet of each jet: each is the other's nearest, and nearer than ``distance``; -1 for none, (J,)."""
    jet, true = pairs(jets.event, truth.event)
    eta = pseudorapidity(jets.px, jets.py, jets.pz)[jet] - pseudorapidity(truth.px, truth.py, truth.pz)[true]
    phi = wrapped(azimuth(jets.px, jets.py)[jet] - azimuth(truth.px, truth.py)[true])
    gap = np.hypot(eta, phi)
    order = np.flatnonzero(gap < distance)
    order = order[np.argsort(-gap[order], kind="stable")]
    nearest_true = np.full(len(jets.event), -1)
    nearest_true[jet[order]] = true[order]  # of several the last one stays: the nearest
    nearest_jet = np.full(len(truth.event), -1)
    nearest_jet[true[order]] = jet[order]
    back = np.where(nearest_true >= 0, np.append(nearest_jet, -1)[nearest_true], -1)
    return np.asarray(np.where(back == np.arange(len(back)), nearest_true, -1))
