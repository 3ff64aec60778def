from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_records import random_particles

from salt_like.simulation.pileup import LARGEST_ETA, LEAST_PT, Pool, make_pool, overlay, reaches_detector
from salt_like.simulation.settings import BeamSettings

BEAM = BeamSettings(width=0.01, length=42.0)


def particles_of(rng, number, per_event=30):
    """Undecayed particles in every direction, among them neutrinos and decayed ones."""
    event = np.repeat(np.arange(number), per_event)
    rows = len(event)
    pt, eta, phi = rng.exponential(0.5, rows), rng.uniform(-6, 6, rows), rng.uniform(-np.pi, np.pi, rows)
    mass = 0.14
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    made = random_particles(rng, 1)  # every column of it is replaced
    columns = {
        "event": event,
        "pdg": rng.choice([211, -211, 22, 12, -14, 130], rows),
        "status": rng.choice([83, -83], rows),
        "mother1": np.full(rows, -1),
        "mother2": np.full(rows, -1),
        "px": px,
        "py": py,
        "pz": pz,
        "energy": np.sqrt(px**2 + py**2 + pz**2 + mass**2),
        "mass": np.full(rows, mass),
        "x": rng.normal(0, 2, rows),
        "y": rng.normal(0, 2, rows),
        "z": rng.normal(0, 2, rows),
        "weights": np.ones(number),
    }
    return replace(made, **columns)


def charge_of(particles):
    return np.where(np.abs(particles.pdg) == 211, np.sign(particles.pdg), 0)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def pool(rng):
    particles = particles_of(rng, 50)
    return make_pool(particles, charge_of(particles))


def test_pool_keeps_what_may_be_seen(rng, tmp_path):
    particles = particles_of(rng, 50)
    pool = make_pool(particles, charge_of(particles))
    pt = np.hypot(particles.px, particles.py)
    seen = (particles.status > 0) & ~np.isin(particles.pdg, (12, -14))
    seen &= (pt > LEAST_PT) & (np.abs(np.arcsinh(particles.pz / pt)) < LARGEST_ETA)
    assert 0 < seen.sum() < len(seen) / 2
    assert np.array_equal(pool.pdg, particles.pdg[seen])
    assert np.array_equal(pool.counts, np.bincount(particles.event[seen], minlength=50))
    assert np.allclose(pool.px, particles.px[seen])
    pool.save(tmp_path / "pool.npz")
    again = Pool.load(tmp_path / "pool.npz")
    assert all(np.array_equal(getattr(pool, name), getattr(again, name)) for name in vars(pool))


def test_events_stand_in_order_with_the_hard_collision_first(rng, pool):
    particles = particles_of(rng, 20)
    stable = overlay(particles, charge_of(particles), pool, 5.0, BEAM, rng)
    assert np.all(np.diff(stable.event) >= 0)
    assert np.all(np.diff(stable.collision)[np.diff(stable.event) == 0] >= 0)
    hard = stable.collision == 0
    assert np.array_equal(stable.particle[hard], np.flatnonzero(reaches_detector(particles)))
    assert np.all(stable.particle[~hard] == -1)
    assert np.array_equal(stable.pdg[hard], particles.pdg[stable.particle[hard]])
    assert np.array_equal(stable.energy[hard], particles.energy[stable.particle[hard]])
    place = stable.vertex[stable.event[hard]]
    assert np.allclose(stable.x[hard] - place[:, 0], particles.x[stable.particle[hard]])
    assert np.allclose(stable.z[hard] - place[:, 2], particles.z[stable.particle[hard]])
    for event in range(20):
        there = stable.collision[stable.event == event]
        assert there.max(initial=0) <= stable.collisions[event]


def test_number_of_collisions_and_beam_spot(rng, pool):
    particles = particles_of(rng, 4000, per_event=1)
    stable = overlay(particles, charge_of(particles), pool, 6.0, BEAM, rng)
    assert stable.collisions.mean() == pytest.approx(6.0, abs=4 * np.sqrt(6 / 4000))
    assert stable.collisions.var() == pytest.approx(6.0, rel=0.12)
    spread = stable.vertex.std(0)
    assert spread == pytest.approx([0.01, 0.01, 42.0], rel=0.06)
    assert np.abs(stable.vertex.mean(0)) == pytest.approx(0, abs=3)


def test_pile_up_is_turned_and_mirrored_but_not_changed(rng):
    one = particles_of(rng, 1, per_event=400)
    pool = make_pool(one, charge_of(one))
    particles = particles_of(rng, 300, per_event=1)
    stable = overlay(particles, charge_of(particles), pool, 3.0, replace(BEAM, width=0.0, length=0.0), rng)
    rows = np.flatnonzero(stable.collision > 0)
    size = len(pool.pdg)
    shape = (len(rows) // size, size)
    assert shape[0] == stable.collisions.sum()
    px, py, pz = (getattr(stable, name)[rows].reshape(shape) for name in ("px", "py", "pz"))
    assert np.allclose(np.hypot(px, py), np.hypot(pool.px, pool.py), rtol=1e-5)
    assert np.allclose(np.abs(pz), np.abs(pool.pz))
    x, y = stable.x[rows].reshape(shape), stable.y[rows].reshape(shape)
    assert np.allclose(x * px + y * py, pool.x * pool.px + pool.y * pool.py, atol=1e-4)
    handed = (x * py - y * px) / (pool.x * pool.py - pool.y * pool.px)
    assert np.allclose(np.abs(handed), 1, atol=1e-2)
    kinds = {tuple(np.sign([handed[i, 0], pz[i, 0] * pool.pz[0]])) for i in range(len(px))}
    assert kinds == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    angle = np.arctan2(py[:, 0], px[:, 0])
    assert np.abs(np.exp(1j * angle).mean()) < 4 / np.sqrt(len(angle))


def test_without_pile_up(rng, pool):
    particles = particles_of(rng, 5)
    for stable in (
        overlay(particles, charge_of(particles), None, 0.0, BEAM, rng),
        overlay(particles, charge_of(particles), pool, 0.0, BEAM, rng),
    ):
        assert not stable.collision.any()
        assert not stable.collisions.any()
        assert len(stable.event) == reaches_detector(particles).sum()
