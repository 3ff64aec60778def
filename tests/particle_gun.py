"""Particles shot into the detector, one after the other, with all that is known about them."""

from __future__ import annotations

import dataclasses

import numpy as np

from salt_like.simulation.record import Stable

CHARGES = {211: 1, 321: 1, 11: -1, 13: -1, 22: 0, 130: 0, 2112: 0, 12: 0}
MASSES = {211: 0.13957, 321: 0.494, 11: 0.000511, 13: 0.1057, 22: 0.0, 130: 0.498, 2112: 0.9396, 12: 0.0}


def shot(pdg, pt, eta=0.0, phi=0.0, *, number=None, events=1, at=(0.0, 0.0, 0.0), collision=0, vertex=None):
    """Particles of the given momenta (arrays or numbers), spread evenly over the events."""
    columns = np.broadcast_arrays(*(np.asarray(each) for each in (pdg, pt, eta, phi, collision, *at)))
    number = columns[0].size if number is None else number
    pdg, pt, eta, phi, collision, x, y, z = (np.resize(each.reshape(-1), number) for each in columns)
    kind = np.abs(pdg)
    charge = np.sign(pdg) * np.array([CHARGES[one] for one in kind], float)
    mass = np.array([MASSES[one] for one in kind], float)
    event = np.arange(number) * events // max(number, 1)
    return Stable(
        event=event,
        collision=collision,
        particle=np.where(collision == 0, np.arange(number), -1),
        pdg=pdg,
        charge=charge.astype(float),
        px=pt * np.cos(phi),
        py=pt * np.sin(phi),
        pz=pt * np.sinh(eta),
        energy=np.hypot(pt * np.cosh(eta), mass),
        x=x,
        y=y,
        z=z,
        vertex=np.zeros((events, 3)) if vertex is None else np.asarray(vertex, float),
        collisions=np.zeros(events, np.int64),
    )


def with_settings(settings, **numbers):
    """The same settings with other numbers; of parts where ``part=dict(...)`` is given."""
    changes = {
        name: with_settings(getattr(settings, name), **value) if isinstance(value, dict) else value
        for name, value in numbers.items()
    }
    return dataclasses.replace(settings, **changes)
