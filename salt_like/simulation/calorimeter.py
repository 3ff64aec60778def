"""From particles and tracks to the constituents of jets, in the manner of particle flow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from salt_like.simulation.combination import with_showers
from salt_like.simulation.detector_settings import CalorimeterSettings, DetectorSettings
from salt_like.simulation.helix import CURVATURE
from salt_like.simulation.kinematics import wrapped
from salt_like.simulation.record import Floats, Flows, Integers, Mask, Stable, Tracks
from salt_like.simulation.subtraction import subtracted
from salt_like.simulation.tracker import MUON, in_order_of_events

PION_MASS = 0.13957
INVISIBLE = (12, 14, 16)
ELECTROMAGNETIC = (11, 22)


class Deposits(NamedTuple):
    """Energy in the calorimeter, of single particles or of whole cells, (D,) each.

    The direction is that from the reconstructed primary vertex, the energy is in GeV; ``tracked`` is the part of it
    that tracks account for.
    """

    event: Integers
    stable: Integers
    eta: Floats
    phi: Floats
    energy: Floats
    tracked: Floats

    def rows(self, rows: Integers | Mask) -> Deposits:
        """Some of them."""
        return Deposits(
            self.event[rows], self.stable[rows], self.eta[rows], self.phi[rows], self.energy[rows], self.tracked[rows]
        )

    def followed_by(self, others: Deposits) -> Deposits:
        """These and then the others."""
        return Deposits(
            np.concatenate([self.event, others.event]),
            np.concatenate([self.stable, others.stable]),
            np.concatenate([self.eta, others.eta]),
            np.concatenate([self.phi, others.phi]),
            np.concatenate([self.energy, others.energy]),
            np.concatenate([self.tracked, others.tracked]),
        )


def flows(stable: Stable, tracks: Tracks, prompt: Mask, settings: DetectorSettings, rng: np.random.Generator) -> Flows:
    """Constituents: tracks of the primary vertex, and what the calorimeter has beyond the tracks, less pile-up.

    Charged pile-up is known by its z0, as far as that goes; neutral pile-up is subtracted patch by patch. Charged
    particles without a track count as neutral. What charged particles account for is subtracted from the cells of the
    hadron calorimeter, whose fluctuations remain: the confusion of particle flow. The momentum of a charged particle is
    that of its track, combined with what the calorimeter has of it: above some 300 GeV tracks are too straight.

    Args:
        stable: What reaches the detector.
        tracks: Tracks of the same chunk.
        prompt: Particles that are no part of jets, (S,).
        settings: Numbers of the detector.
        rng: Source of all random numbers.

    Returns:
        Constituents event by event, charged ones before neutral ones.
    """
    calorimeter = settings.calorimeter
    charged = _charged(tracks, prompt, calorimeter)
    with_track = np.zeros(len(stable.event), bool)
    with_track[tracks.stable[tracks.stable >= 0]] = True
    electromagnetic, hadronic = _entering(stable, prompt, settings)
    deposits = deposited(stable, electromagnetic[~with_track[electromagnetic]], with_track, tracks.vertex, settings)
    photons = _photons(_cells(deposits, calorimeter.photon_cell)[0], calorimeter, rng)
    deposits = deposited(stable, hadronic, with_track, tracks.vertex, settings)
    hadrons, momentum = _hadrons(deposits, stable, tracks, calorimeter, rng)
    electrons = electromagnetic[with_track[electromagnetic]]
    error = _photon_resolution(stable.energy[electrons], calorimeter) / stable.energy[electrons]
    momentum, _ = with_showers(momentum, tracks, stable, electrons, _around_one(error, rng), error)
    muons = np.flatnonzero(with_track & (np.abs(stable.pdg) == MUON))
    error = np.full(len(muons), calorimeter.muon_momentum)
    momentum, _ = with_showers(momentum, tracks, stable, muons, _around_one(error, rng), error)
    neutral = photons.followed_by(hadrons)
    is_photon = np.repeat([True, False], [len(photons.event), len(hadrons.event)])
    pt = neutral.energy / np.cosh(neutral.eta)
    left = subtracted(neutral.event, neutral.eta, neutral.phi, pt, len(tracks.vertex), calorimeter)
    left[left * pt < calorimeter.neutral_minimum_pt] = 0.0
    return _joined(tracks, momentum, charged, neutral, is_photon, left)


def _charged(tracks: Tracks, prompt: Mask, settings: CalorimeterSettings) -> Integers:
    """Rows of the tracks that become constituents."""
    near = np.abs(tracks.z0 * np.sin(tracks.theta)) < settings.charged_z0
    real = tracks.stable >= 0
    near[real] &= ~prompt[tracks.stable[real]]
    momentum = tracks.pt * np.cosh(tracks.eta)
    # nothing is behind a fake: where the calorimeter would tell more than the track it is none
    near &= real | (tracks.sigma_q_over_p * momentum**2 < _hadron_resolution(momentum, settings))
    return np.flatnonzero(near)


def _entering(stable: Stable, prompt: Mask, settings: DetectorSettings) -> tuple[Integers, Integers]:
    """Rows of what leaves energy: photons and electrons, and hadrons; with and without a track."""
    pt_squared = stable.px * stable.px + stable.py * stable.py
    inside = stable.pz * stable.pz < np.sinh(settings.calorimeter.maximum_eta) ** 2 * pt_squared
    # charged ones that turn back before they reach the barrel are lost
    least = 0.5 * CURVATURE * settings.tracker.solenoid * settings.calorimeter.radius
    inside &= (pt_squared > least**2) | (stable.charge == 0.0)
    inside &= (stable.energy > settings.calorimeter.minimum_energy) & ~prompt
    row = np.flatnonzero(inside)
    pdg = np.abs(stable.pdg[row])
    is_light = (pdg == ELECTROMAGNETIC[0]) | (pdg == ELECTROMAGNETIC[1])
    is_silent = (pdg >= min(INVISIBLE)) & (pdg <= max(INVISIBLE))  # muons stand between the neutrinos
    return row[is_light], row[~is_light & ~is_silent]


def deposited(stable: Stable, row: Integers, with_track: Mask, vertex: Floats, settings: DetectorSettings) -> Deposits:
    """Where particles reach the face of the barrel or of an end-cap.

    Args:
        stable: What reaches the detector.
        row: Rows of the particles, (D,).
        with_track: Particles that have a track, (S,).
        vertex: Reconstructed primary vertices in mm, (E, 3).
        settings: Numbers of the detector.
    """
    calorimeter = settings.calorimeter
    event, x, y, z = stable.event[row], stable.x[row], stable.y[row], stable.z[row]
    pt = np.sqrt(stable.px[row] ** 2 + stable.py[row] ** 2)
    cos, sin, slope = stable.px[row] / pt, stable.py[row] / pt, stable.pz[row] / pt
    along = x * cos + y * sin
    room = np.maximum(calorimeter.radius**2 - x * x - y * y, 0.0)
    path = np.sqrt(along * along + room) - along  # transverse: to the barrel along a straight line
    end = np.copysign(calorimeter.half_length, slope) - z
    with np.errstate(divide="ignore"):
        to_end = np.maximum(end / slope, 0.0)
    charged = np.flatnonzero(stable.charge[row])
    half_bend = -0.5 * CURVATURE * settings.tracker.solenoid * stable.charge[row[charged]] / pt[charged]
    arc = np.arcsin(np.clip(path[charged] * np.abs(half_bend), 0.0, 1.0)) / np.abs(half_bend)
    path = np.minimum(path, to_end)
    arc = np.minimum(arc, to_end[charged])
    z = z + path * slope
    z[charged] += (arc - path[charged]) * slope[charged]
    turn = arc * half_bend
    path[charged] = np.sin(turn) / half_bend
    turned = cos[charged], sin[charged]
    cos[charged] = turned[0] * np.cos(turn) - turned[1] * np.sin(turn)
    sin[charged] = turned[1] * np.cos(turn) + turned[0] * np.sin(turn)
    x, y, z = x + path * cos - vertex[event, 0], y + path * sin - vertex[event, 1], z - vertex[event, 2]
    eta, phi = np.arcsinh(z / np.sqrt(x * x + y * y)), np.arctan2(y, x)
    energy = stable.energy[row]
    return Deposits(event, row, eta, phi, energy, energy * with_track[row])


def _cells(deposits: Deposits, width: float) -> tuple[Deposits, Integers]:
    """Sums of the deposits of each cell, at the mean direction, and the cell of each deposit (D,).

    The particle of a cell is the largest one without a track.
    """
    columns = int(np.ceil(2.0 * np.pi / width))
    cell_phi = np.floor((deposits.phi + np.pi) / (2.0 * np.pi) * columns).astype(np.int64).clip(0, columns - 1)
    cell_eta = np.floor(deposits.eta / width).astype(np.int64) + 4096
    key = (deposits.event * 8192 + cell_eta) * columns + cell_phi
    order = np.argsort(key, kind="stable")
    event, stable, eta, phi, energy, tracked = ordered = deposits.rows(order)
    start = np.flatnonzero(np.diff(key[order], prepend=-1))
    if not len(start):
        return ordered, order
    cell = np.repeat(np.arange(len(start)), np.diff(start, append=len(order)))
    total = np.add.reduceat(energy, start)
    merit = energy - 0.999 * tracked
    leading = np.empty(len(start), np.int64)
    largest = merit == np.maximum.reduceat(merit, start)[cell]
    leading[cell[largest]] = stable[largest]
    mean_eta, mean_phi = np.add.reduceat(eta * energy, start) / total, np.add.reduceat(phi * energy, start) / total
    cells = Deposits(event[start], leading, mean_eta, mean_phi, total, np.add.reduceat(tracked, start))
    return cells, cell[np.argsort(order)]


def _photons(cells: Deposits, settings: CalorimeterSettings, rng: np.random.Generator) -> Deposits:
    """Smeared energies and directions of electromagnetic cells above the threshold."""
    sigma = _photon_resolution(cells.energy, settings)
    energy = cells.energy + sigma * rng.standard_normal(len(sigma))
    kept = energy > settings.photon_threshold
    return _moved(cells, energy, kept, settings.photon_position, rng)


def _hadrons(
    deposits: Deposits, stable: Stable, tracks: Tracks, settings: CalorimeterSettings, rng: np.random.Generator
) -> tuple[Deposits, Floats]:
    """The same of hadronic cells, less what charged particles account for, and the momenta of all tracks (K,).

    What is measured in a cell is shared by its particles as they left it there.
    """
    cells, cell = _cells(deposits, settings.hadron_cell)
    sigma = _hadron_resolution(cells.energy, settings)
    energy = cells.energy + sigma * rng.standard_normal(len(sigma))
    charged = np.flatnonzero(deposits.tracked)
    cell = cell[charged]
    seen, error = (energy / cells.energy)[cell], (sigma / cells.energy)[cell]
    momentum = tracks.pt * np.cosh(tracks.eta)
    momentum, ratio = with_showers(momentum, tracks, stable, deposits.stable[charged], seen, error)
    left = energy - np.bincount(cell, deposits.tracked[charged] * ratio, len(energy))
    least = np.where(cells.tracked > 0.0, settings.hadron_significance * sigma, 0.0)
    kept = left > np.maximum(least, settings.hadron_threshold)
    return _moved(cells, left, kept, settings.hadron_position, rng), momentum


def _photon_resolution(energy: Floats, settings: CalorimeterSettings) -> Floats:
    return _resolution(energy, settings.photon_stochastic, settings.photon_constant, settings.photon_noise)


def _hadron_resolution(energy: Floats, settings: CalorimeterSettings) -> Floats:
    return _resolution(energy, settings.hadron_stochastic, settings.hadron_constant, settings.hadron_noise)


def _resolution(energy: Floats, stochastic: float, constant: float, noise: float) -> Floats:
    return np.sqrt(stochastic**2 * energy + (constant * energy) ** 2 + noise**2)


def _around_one(error: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(1.0 + error * rng.standard_normal(len(error)))


def _moved(cells: Deposits, energy: Floats, kept: Mask, position: float, rng: np.random.Generator) -> Deposits:
    shift = position * rng.standard_normal((2, int(kept.sum())))
    some = cells.rows(kept)
    return some._replace(eta=some.eta + shift[0], phi=wrapped(some.phi + shift[1]), energy=energy[kept])


def _joined(
    tracks: Tracks, momentum: Floats, charged: Integers, neutral: Deposits, is_photon: Mask, left: Floats
) -> Flows:
    """Tracks (C,) with their momenta (K,), and cells (N,) of which a part ``left`` (N,) remains, event by event."""
    kept = np.flatnonzero(left > 0.0)
    energy = neutral.energy[kept] * left[kept]
    eta = np.concatenate([tracks.eta[charged], neutral.eta[kept]])
    phi = np.concatenate([tracks.phi[charged], neutral.phi[kept]])
    energy = np.concatenate([momentum[charged], energy])
    pt = energy / np.cosh(eta)
    energy[: len(charged)] = np.hypot(energy[: len(charged)], PION_MASS)
    event = np.concatenate([tracks.event[charged], neutral.event[kept]])
    order = in_order_of_events(event)
    return Flows(
        event=event[order],
        track=np.concatenate([charged, np.full(len(kept), -1)])[order],
        stable=np.concatenate([tracks.stable[charged], neutral.stable[kept]])[order],
        photon=np.concatenate([np.zeros(len(charged), bool), is_photon[kept]])[order],
        px=(pt * np.cos(phi))[order],
        py=(pt * np.sin(phi))[order],
        pz=(pt * np.sinh(eta))[order],
        energy=energy[order],
    )
