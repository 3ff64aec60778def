"""Collisions beside the hard one, and where all of them are in the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salt_like.atomic import write_atomically
from salt_like.simulation.record import Floats, Integers, Mask, Particles, Stable
from salt_like.simulation.settings import BeamSettings

# a fifth of the points that Pythia takes at least for its tables, as every block of the pool makes them, in 1.3 s, not
# 5.3; the charged particles of 12,000 collisions are as many as with all points, within 1.3 %
COMMANDS = ("SoftQCD:inelastic = on", "MultipartonInteractions:nSample = force=20000")
NEUTRINOS = (12, 14, 16)
# what is kept of pile-up: a bit more than the detector sees
LARGEST_ETA = 3.5
LEAST_PT = 0.1  # GeV

Short = NDArray[np.float32]


@dataclass(frozen=True)
class Pool:
    """Undecayed particles of a number of inelastic collisions, one collision after the other.

    Args:
        counts: Number of particles of each collision, (C,).
        pdg, charge: What they are, (P,).
        px, py, pz, energy: Momentum in GeV, (P,).
        x, y, z: Where they were produced, relative to their collision, in mm, (P,).
    """

    counts: Integers
    pdg: Integers
    charge: Integers
    px: Short
    py: Short
    pz: Short
    energy: Short
    x: Short
    y: Short
    z: Short

    def save(self, path: Path) -> None:
        """Write it to a file, all or nothing."""
        with write_atomically(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def joined(cls, blocks: Sequence[Pool]) -> Pool:
        """One pool of several, in their order."""
        return cls(**{one.name: np.concatenate([getattr(block, one.name) for block in blocks]) for one in fields(cls)})

    @classmethod
    def load(cls, path: Path) -> Pool:
        """Read what `save` wrote."""
        with path.open("rb") as opened, np.load(opened) as file:
            return cls(**{one.name: file[one.name] for one in fields(cls)})


def reaches_detector(particles: Particles) -> Mask:
    """Undecayed and no neutrino, (P,)."""
    return np.asarray((particles.status > 0) & ~np.isin(np.abs(particles.pdg), NEUTRINOS))


def make_pool(particles: Particles, charge: Integers) -> Pool:
    """Keep of inelastic collisions what may be seen.

    Args:
        particles: The collisions.
        charge: Electric charge of each particle in units of e, (P,).
    """
    pt = np.hypot(particles.px, particles.py)
    central = (np.abs(particles.pz) < np.sinh(LARGEST_ETA) * pt) & (pt > LEAST_PT)
    kept = np.flatnonzero(reaches_detector(particles) & central)
    counts = np.bincount(particles.event[kept], minlength=particles.events)

    def short(values: Floats) -> Short:
        return values[kept].astype(np.float32)

    return Pool(
        counts=counts,
        pdg=particles.pdg[kept],
        charge=charge[kept],
        px=short(particles.px),
        py=short(particles.py),
        pz=short(particles.pz),
        energy=short(particles.energy),
        x=short(particles.x),
        y=short(particles.y),
        z=short(particles.z),
    )


def overlay(
    particles: Particles,
    charge: Integers,
    pool: Pool | None,
    mean: float,
    beam: BeamSettings,
    random: np.random.Generator,
) -> Stable:
    """Put hard collisions at random points of the beam spot, and a random number of others around each.

    Every collision of the pool is turned by a random angle around the beam and mirrored at random, which leaves the
    physics as it is, before it is used again.

    Args:
        particles: The hard collisions.
        charge: Electric charge of each of their particles in units of e, (P,).
        pool: What the other collisions are taken from; may be missing where their mean number is 0.
        mean: Mean number of collisions beside the hard one.
        beam: How far the collisions are spread.
        random: The random numbers.
    """
    vertex = _beam_spot(particles.events, beam, random)
    hard = np.flatnonzero(reaches_detector(particles))
    event = particles.event[hard]
    columns: dict[str, NDArray[np.generic]] = {
        "event": event,
        "collision": np.zeros(len(hard), np.int64),
        "particle": hard,
        "pdg": particles.pdg[hard],
        "charge": charge[hard],
        **{name: getattr(particles, name)[hard] for name in ("px", "py", "pz", "energy")},
        **{name: getattr(particles, name)[hard] + vertex[event, axis] for axis, name in enumerate("xyz")},
    }
    collisions = np.zeros(particles.events, np.int64)
    if pool is not None and mean > 0:
        collisions = random.poisson(mean, particles.events)
        others = _others(pool, collisions, beam, random)
        columns = {name: np.concatenate([columns[name], others[name]]) for name in columns}
        order = np.argsort(columns["event"].astype(np.int16), kind="stable")  # sorts 16 bits without comparing
        columns = {name: values[order] for name, values in columns.items()}
    return Stable(**columns, vertex=vertex, collisions=collisions)  # type: ignore[arg-type]


def _beam_spot(number: int, beam: BeamSettings, random: np.random.Generator) -> Floats:
    """Points of collision in the detector's frame, (number, 3), in mm."""
    return random.normal(size=(number, 3)) * [beam.width, beam.width, beam.length]


def _others(
    pool: Pool, collisions: Integers, beam: BeamSettings, random: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    """Particles of the pile-up, one collision after the other."""
    total = int(collisions.sum())
    drawn = random.integers(len(pool.counts), size=total)
    angle = random.uniform(0, 2 * np.pi, total)
    mirrored_y, mirrored_z = random.choice((-1.0, 1.0), (2, total))
    place = _beam_spot(total, beam, random)
    event = np.repeat(np.arange(len(collisions)), collisions)
    number = np.arange(total) - np.repeat(np.cumsum(collisions) - collisions, collisions) + 1

    counts = pool.counts[drawn]
    of = np.repeat(np.arange(total), counts)  # collision of each particle
    start = (np.cumsum(pool.counts) - pool.counts)[drawn]
    row = np.arange(len(of)) + np.repeat(start - (np.cumsum(counts) - counts), counts)
    cos, sin = np.cos(angle)[of], np.sin(angle)[of]

    def turned(x: Short, y: Short) -> tuple[Floats, Floats]:
        x_of, y_of = x[row].astype(np.float64), y[row] * mirrored_y[of]
        return cos * x_of - sin * y_of, sin * x_of + cos * y_of

    px, py = turned(pool.px, pool.py)
    x, y = turned(pool.x, pool.y)
    return {
        "event": event[of],
        "collision": number[of],
        "particle": np.full(len(of), -1),
        "pdg": pool.pdg[row],
        "charge": pool.charge[row],
        "px": px,
        "py": py,
        "pz": pool.pz[row] * mirrored_z[of],
        "energy": pool.energy[row].astype(np.float64),
        "x": x + place[of, 0],
        "y": y + place[of, 1],
        "z": pool.z[row] * mirrored_z[of] + place[of, 2],
    }
