"""From charged particles to tracks: who is found, what is measured, and what never existed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from salt_like.simulation.detector_settings import TrackerSettings
from salt_like.simulation.helix import Perigee, perigee
from salt_like.simulation.kinematics import wrapped
from salt_like.simulation.record import Floats, Integers, Mask, Stable, Tracks

ELECTRON, MUON = 11, 13


class Hits(NamedTuple):
    """Where the layers were hit: pixel layers (K, layers), strips (K, 2 layers)."""

    pixel: Mask
    strip: Mask


class Errors(NamedTuple):
    """Uncertainties of the parameters of tracks, (K,) each; mm, rad, 1/GeV."""

    d0: Floats
    z0: Floats
    phi: Floats
    theta: Floats
    q_over_p: Floats


class _Found(NamedTuple):
    """Tracks of one kind before they are put into the order of events, (K,) each."""

    event: Integers
    stable: Integers
    measured: Perigee
    errors: Errors
    hits: Hits
    lepton: Integers


def track(stable: Stable, settings: TrackerSettings, rng: np.random.Generator) -> Tracks:
    """Reconstruct tracks and the primary vertex of every event.

    Parameters are those of the exact helix of the particle with respect to the reconstructed primary vertex, smeared
    independently of each other. Reported uncertainties are the widths of the smearing, with the uncertainty of the
    vertex added in quadrature; a few tracks have wider errors than reported.

    Args:
        stable: What reaches the detector.
        settings: Numbers of the tracker.
        rng: Source of all random numbers.

    Returns:
        Tracks, real ones and fakes mixed, event by event.
    """
    row = _accepted(stable, settings)
    hits = _hits(np.hypot(stable.x[row], stable.y[row]), settings, rng)
    found = rng.random(len(row)) < efficiency(stable, row, hits, settings)
    row, hits = row[found], Hits(hits.pixel[found], hits.strip[found])
    hard = np.bincount(stable.event[row[stable.collision[row] == 0]], minlength=len(stable.vertex))
    vertex, vertex_error = reconstructed_vertex(stable.vertex, hard, settings, rng)
    real = _measured(stable, row, hits, vertex, vertex_error, settings, rng)
    return _joined(real, _fakes(real, vertex_error, settings, rng), vertex, settings)


def _accepted(stable: Stable, settings: TrackerSettings) -> Integers:
    """Rows of charged particles that are roughly within the acceptance; the final one is that of what is measured."""
    row = np.flatnonzero(stable.charge)
    px, py, pz = stable.px[row], stable.py[row], stable.pz[row]
    pt_squared = px * px + py * py
    inside = pt_squared > (0.9 * settings.minimum_pt) ** 2
    inside &= pz * pz < np.sinh(settings.maximum_eta + 0.01) ** 2 * pt_squared
    return np.asarray(row[inside])


def _hits(radius: Floats, settings: TrackerSettings, rng: np.random.Generator) -> Hits:
    """Hits of particles produced at a radius (K,): none in layers inside of it."""
    pixel, strip = np.array(settings.pixel_radii), np.repeat(settings.strip_radii, 2)
    crossed = radius[:, None] < np.concatenate([pixel, strip])
    hit = crossed & (rng.random(crossed.shape, np.float32) < settings.hit_efficiency)
    return Hits(hit[:, : len(pixel)], hit[:, len(pixel) :])


def efficiency(stable: Stable, row: Integers, hits: Hits, settings: TrackerSettings) -> Floats:
    """Probability that each charged particle becomes a track, (K,); 0 with too few hits.

    Args:
        stable: What reaches the detector.
        row: Rows of the particles, (K,).
        hits: Their hits.
        settings: Numbers of the tracker.
    """
    pdg = np.abs(stable.pdg[row])
    pt = np.hypot(stable.px[row], stable.py[row])
    eta = np.arcsinh(stable.pz[row] / pt)
    plateau = np.where(pdg == ELECTRON, settings.electron_efficiency, settings.hadron_efficiency)
    plateau = np.where(pdg == MUON, settings.muon_efficiency, plateau)
    inner = np.searchsorted(np.array(settings.pixel_radii), np.hypot(stable.x[row], stable.y[row]))
    found = plateau * (1.0 - settings.efficiency_loss_low_pt * np.exp(-np.maximum(pt - 0.5, 0.0)))
    found *= 1.0 - settings.efficiency_loss_eta * (eta / 2.5) ** 2
    found *= (1.0 - settings.efficiency_loss_pixel) ** inner
    number = hits.pixel.sum(1) + hits.strip.sum(1)
    return np.asarray(np.where(number >= settings.minimum_hits, found, 0.0))


def reconstructed_vertex(
    true: Floats, tracks: Integers, settings: TrackerSettings, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Position of the primary vertices and its uncertainty, mm, (E, 3) each; always the vertex of the hard collision.

    Args:
        true: True positions in mm, (E, 3).
        tracks: Number of tracks of each hard collision, (E,).
        settings: Numbers of the tracker.
        rng: Source of random numbers.
    """
    transverse, longitudinal = settings.vertex_transverse, settings.vertex_longitudinal
    error = np.array([transverse, transverse, longitudinal]) / np.sqrt(np.maximum(tracks, 1))[:, None]
    return true + error * rng.standard_normal(true.shape), error


def uncertainties(pt: Floats, theta: Floats, hits: Hits, settings: TrackerSettings) -> Errors:
    """Resolution of tracks without that of the vertex: a term of the layers and one of multiple scattering.

    Errors at the vertex grow with the radius of the first layer that was hit.

    Args:
        pt: Transverse momentum in GeV, (K,).
        theta: Polar angle, (K,).
        hits: Hits.
        settings: Numbers of the tracker.
    """
    sin = np.sin(theta)
    root = np.sqrt(sin)
    radii = np.array([*settings.pixel_radii, settings.strip_radii[0]])
    is_hit = np.concatenate([hits.pixel, np.ones((len(pt), 1), bool)], 1)
    lever = radii[np.argmax(is_hit, 1)] / radii[0]
    d0 = lever * np.hypot(settings.d0_floor, settings.d0_scattering / (pt * root))
    z0 = lever * np.hypot(settings.z0_floor, settings.z0_scattering / (pt * root)) / sin
    phi = np.hypot(settings.phi_floor, settings.angle_scattering / (pt * root))
    angle = np.hypot(settings.theta_floor * sin * sin, settings.angle_scattering * root / pt)
    momentum = np.hypot(settings.momentum_scattering / root, settings.momentum_curvature * pt)
    return Errors(d0, z0, phi, angle, momentum * sin / pt)


def _with_vertex(errors: Errors, theta: Floats, vertex_error: Floats) -> Errors:
    """The same with the uncertainty of the vertex (K, 3), which moves the perigee along the track as well."""
    along = vertex_error[:, 0] / np.tan(theta)
    z0 = np.sqrt(errors.z0**2 + vertex_error[:, 2] ** 2 + along**2)
    return errors._replace(d0=np.hypot(errors.d0, vertex_error[:, 0]), z0=z0)


def _measured(
    stable: Stable,
    row: Integers,
    hits: Hits,
    vertex: Floats,
    vertex_error: Floats,
    settings: TrackerSettings,
    rng: np.random.Generator,
) -> _Found:
    """Smeared parameters of the particles that were found."""
    event = stable.event[row]
    true = perigee(
        stable.x[row],
        stable.y[row],
        stable.z[row],
        stable.px[row],
        stable.py[row],
        stable.pz[row],
        stable.charge[row],
        vertex[event, 0],
        vertex[event, 1],
        vertex[event, 2],
        settings.solenoid,
    )
    errors = uncertainties(np.sin(true.theta) / np.abs(true.q_over_p), true.theta, hits, settings)
    wide = np.where(rng.random(len(row)) < settings.tail_fraction, settings.tail_width, 1.0)
    shift = rng.standard_normal((5, len(row))) * wide
    measured = Perigee(*(value + error * move for value, error, move in zip(true, errors, shift, strict=True)))
    measured = measured._replace(phi=wrapped(measured.phi), theta=np.clip(measured.theta, 1e-3, np.pi - 1e-3))
    lepton = identified(stable.pdg[row], measured, settings, rng)
    return _Found(event, row, measured, _with_vertex(errors, true.theta, vertex_error[event]), hits, lepton)


def identified(pdg: Integers, measured: Perigee, settings: TrackerSettings, rng: np.random.Generator) -> Integers:
    """Particle number of identified electrons and muons by the measured charge, else 0, (K,).

    Args:
        pdg: True particle numbers, 0 for fakes, (K,).
        measured: Parameters of the tracks.
        settings: Numbers of the tracker.
        rng: Source of random numbers.
    """
    pt = np.sin(measured.theta) / np.abs(measured.q_over_p)
    chance = rng.random((2, len(pdg)))
    result = np.zeros(len(pdg), np.int64)
    electron = np.where(np.abs(pdg) == ELECTRON, settings.electron_identified, settings.electron_misidentified)
    result[(chance[0] < electron) & (pt > settings.electron_minimum_pt)] = ELECTRON
    muon = np.where(np.abs(pdg) == MUON, settings.muon_identified, settings.muon_misidentified)
    result[(chance[1] < muon) & (pt > settings.muon_minimum_pt)] = MUON
    return np.asarray(np.where(measured.q_over_p > 0.0, -result, result))


def _fakes(real: _Found, vertex_error: Floats, settings: TrackerSettings, rng: np.random.Generator) -> _Found:
    """Combinations of hits: near to one track of the event, with a curvature between its own and that of another."""
    events = len(vertex_error)
    number = np.bincount(real.event, minlength=events)
    first = np.cumsum(number) - number
    fakes = rng.poisson(settings.fake_fraction / (1.0 - settings.fake_fraction) * number)
    event = np.repeat(np.arange(events), fakes)
    total = len(event)
    one, other = first[event] + (rng.random((2, total)) * number[event]).astype(np.int64)
    like = real.measured
    inverse_pt = np.abs(like.q_over_p) / np.sin(like.theta)
    part = rng.random(total)
    sign = rng.choice((-1.0, 1.0), total)
    eta = -np.log(np.tan(like.theta[one] / 2.0)) + settings.fake_angle * rng.standard_normal(total)
    theta = 2.0 * np.arctan(np.exp(-eta))
    curvature = part * inverse_pt[one] + (1.0 - part) * inverse_pt[other]
    measured = Perigee(
        d0=rng.laplace(0.0, settings.fake_d0, total),
        z0=like.z0[one] + rng.laplace(0.0, settings.fake_z0, total),
        phi=wrapped(like.phi[one] + settings.fake_angle * rng.standard_normal(total)),
        theta=theta,
        q_over_p=sign * curvature * np.sin(theta),
    )
    layers, strips = len(settings.pixel_radii), 2 * len(settings.strip_radii)
    hit = rng.random((total, layers + strips)) < settings.fake_hit_efficiency
    short = np.flatnonzero(hit.sum(1) < settings.minimum_hits)
    hit[short, layers + strips - settings.minimum_hits :] = True
    hits = Hits(hit[:, :layers], hit[:, layers:])
    errors = _with_vertex(uncertainties(1.0 / curvature, theta, hits, settings), theta, vertex_error[event])
    lepton = identified(np.zeros(total, np.int64), measured, settings, rng)
    return _Found(event, np.full(total, -1), measured, errors, hits, lepton)


def _joined(real: _Found, fake: _Found, vertex: Floats, settings: TrackerSettings) -> Tracks:
    """Both kinds, within the acceptance as measured, event by event."""
    event = np.concatenate([real.event, fake.event])
    d0, z0, phi, theta, q_over_p = map(np.concatenate, zip(real.measured, fake.measured, strict=True))
    pt = np.sin(theta) / np.abs(q_over_p)
    eta = -np.log(np.tan(theta / 2.0))
    kept = (pt > settings.minimum_pt) & (np.abs(eta) < settings.maximum_eta) & (np.abs(d0) < settings.maximum_d0)
    order = np.flatnonzero(kept)
    order = order[in_order_of_events(event[order])]
    errors = Errors(*(np.concatenate(pair)[order] for pair in zip(real.errors, fake.errors, strict=True)))
    pixel = np.concatenate([real.hits.pixel, fake.hits.pixel])[order]
    strip = np.concatenate([real.hits.strip, fake.hits.strip])[order]
    return Tracks(
        event=event[order],
        stable=np.concatenate([real.stable, fake.stable])[order],
        charge=np.where(q_over_p[order] > 0.0, 1, -1),
        pt=pt[order],
        eta=eta[order],
        phi=phi[order],
        d0=d0[order],
        z0=z0[order],
        sigma_d0=errors.d0,
        sigma_z0=errors.z0,
        sigma_phi=errors.phi,
        sigma_theta=errors.theta,
        sigma_q_over_p=errors.q_over_p,
        pixel_hits=pixel.sum(1),
        strip_hits=strip.sum(1),
        innermost_hits=pixel[:, 0].astype(np.int64),
        next_to_innermost_hits=pixel[:, 1].astype(np.int64),
        lepton=np.concatenate([real.lepton, fake.lepton])[order],
        vertex=vertex,
    )


def in_order_of_events(event: Integers) -> Integers:
    """Rows event by event, those of the same event in the order they have."""
    # 16 bits are sorted without comparing; a chunk has at most 10,000 events
    return np.argsort(event.astype(np.int16), kind="stable")
