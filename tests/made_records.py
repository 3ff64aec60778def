"""Records of the simulation by hand and at random."""

from __future__ import annotations

import math

import numpy as np

from salt_like.simulation.record import Flows, Jets, Particles, Stable, Tracks, TruthJets

MASSES = {511: 5.28, 521: 5.28, 411: 1.87, 421: 1.86, 15: 1.777, 211: 0.14, 321: 0.494, 11: 0.0005, 13: 0.106}


class Record:
    """Particles added one by one, mothers first; every method returns the row."""

    def __init__(self, events=1):
        self.rows, self.events = [], events

    def add(self, pdg, mother=-1, pt=10.0, eta=0.0, phi=0.0, at=(0.0, 0.0, 0.0), event=0, status=None, mass=None):
        mass = MASSES.get(abs(pdg), 0.0) if mass is None else mass
        momentum = (pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta))
        energy = math.sqrt(sum(value * value for value in momentum) + mass * mass)
        self.rows.append((event, pdg, status, mother, *momentum, energy, mass, *at))
        return len(self.rows) - 1

    def particles(self, weights=None):
        columns = list(zip(*self.rows, strict=True)) if self.rows else [()] * 12
        event, pdg, status, mother = columns[:4]
        decayed = set(mother)
        status = [(-91 if row in decayed else 91) if value is None else value for row, value in enumerate(status)]
        integers = [np.array(column, np.int64) for column in (event, pdg, status, mother)]
        floats = [np.array(column, float) for column in columns[4:]]
        none = np.full(len(self.rows), -1)
        weights = np.ones(self.events) if weights is None else np.array(weights, float)
        return Particles(*integers, none, *floats, weights)


def momenta(*directions):
    """Momentum and energy of massless things from (pt, eta, phi), four arrays."""
    pt, eta, phi = np.array(directions, float).reshape(-1, 3).T
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)


def jets_at(*directions, event=None, flow=(), flow_jet=(), truth=None):
    number = len(directions)
    event = np.zeros(number, np.int64) if event is None else np.array(event, np.int64)
    truth = np.full(number, -1) if truth is None else np.array(truth, np.int64)
    return Jets(event, *momenta(*directions), np.array(flow, np.int64), np.array(flow_jet, np.int64), truth)


def truth_jets_at(*directions, event=None):
    event = np.zeros(len(directions), np.int64) if event is None else np.array(event, np.int64)
    return TruthJets(event, *momenta(*directions))


def stable_of(particles, row, pileup=0, collisions=None):
    """The given rows of particles, then `pileup` others in event 0."""
    row = np.concatenate((np.array(row, np.int64), np.full(pileup, -1)))
    real = row >= 0
    event = np.where(real, particles.event[row], 0) if len(particles.event) else np.zeros(len(row), np.int64)
    pdg = np.where(real, particles.pdg[row], 211) if len(particles.event) else np.full(len(row), 211)
    zeros = np.zeros(len(row))
    events = particles.events
    return Stable(
        event, np.where(real, 0, 1), row, pdg, np.sign(pdg), zeros, zeros, zeros, zeros, zeros, zeros, zeros,
        np.tile([[0.1, 0.2, 30.0]], (events, 1)), np.full(events, 20) if collisions is None else np.array(collisions),
    )  # fmt: skip


def tracks_at(*directions, event=None, stable=None, charge=1, d0=0.0, z0=0.0, sigma=0.1, lepton=0):
    """Tracks from (pt, eta, phi)."""
    number = len(directions)
    pt, eta, phi = np.array(directions, float).reshape(-1, 3).T
    event = np.zeros(number, np.int64) if event is None else np.array(event, np.int64)

    def each(value, kind):
        return np.broadcast_to(np.array(value, kind), (number,)).copy()

    return Tracks(
        event=event,
        stable=np.full(number, -1) if stable is None else np.array(stable, np.int64),
        charge=each(charge, np.int64), pt=pt, eta=eta, phi=phi, d0=each(d0, float), z0=each(z0, float),
        sigma_d0=each(sigma, float), sigma_z0=each(sigma, float), sigma_phi=each(0.001, float),
        sigma_theta=each(0.002, float), sigma_q_over_p=each(0.003, float), pixel_hits=each(4, np.int64),
        strip_hits=each(8, np.int64), innermost_hits=each(1, np.int64), next_to_innermost_hits=each(2, np.int64),
        lepton=each(lepton, np.int64), vertex=np.zeros((max(event, default=0) + 1, 3)),
    )  # fmt: skip


def flows_at(*directions, event=None, track=None, photon=False):
    number = len(directions)
    return Flows(
        np.zeros(number, np.int64) if event is None else np.array(event, np.int64),
        np.full(number, -1) if track is None else np.array(track, np.int64),
        np.full(number, -1),
        np.broadcast_to(np.array(photon, np.bool_), (number,)),
        *momenta(*directions),
    )


SPECIES = np.array(
    [5, 21, 511, -521, 513, 533, 5122, 5222, 541, 411, -421, 413, 431, 4122, 443, 553, 15, -15, 310, 3122, 111, 113]
)  # fmt: skip
LEAVES = np.array([211, -211, 321, 11, -13, 22, 2212, 12])


def random_particles(generator, events=6, size=60):
    """Trees of any particles: mothers stand before their daughters, or are missing."""
    record = Record(events)
    for event in range(events):
        first = len(record.rows)
        for number in range(int(generator.integers(0, size))):
            mother = int(generator.integers(first, first + number)) if number and generator.random() < 0.85 else -1
            pdg = int(generator.choice(SPECIES if generator.random() < 0.6 else LEAVES))
            record.add(
                pdg, mother, pt=float(generator.exponential(10.0)), eta=float(generator.normal()),
                phi=float(generator.uniform(-math.pi, math.pi)), at=tuple(generator.normal(size=3) * 0.2), event=event,
            )  # fmt: skip
    return record.particles(generator.uniform(0.5, 2.0, events))


def random_jets(generator, events=6):
    number = generator.integers(0, 5, events)
    event = np.repeat(np.arange(events), number)
    directions = [
        (float(generator.uniform(20, 100)), float(generator.normal()), float(generator.uniform(-math.pi, math.pi)))
        for _ in event
    ]
    return jets_at(*directions, event=event)
