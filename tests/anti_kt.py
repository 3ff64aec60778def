"""Anti-kt by its definition (arXiv:0802.1189), every pair at every step: slow, and independent of FastJet."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.record import Clusters


def cluster(event, px, py, pz, energy, *, radius, pt_min) -> Clusters:
    momentum = np.stack([px, py, pz, energy], 1)
    jets = []
    for number in np.unique(event):
        rows = np.flatnonzero(event == number)
        found = _event(momentum[rows], radius)
        kept = [(np.hypot(p[0], p[1]), p, rows[members]) for p, members in found if np.hypot(p[0], p[1]) > pt_min]
        jets += [(number, p, members) for _, p, members in sorted(kept, key=lambda jet: -jet[0])]
    sums = np.array([p for _, p, _ in jets]).reshape(-1, 4)
    members = [inside for *_, inside in jets]
    jet = np.repeat(np.arange(len(jets)), [len(inside) for inside in members])
    constituent = np.concatenate([np.zeros(0, np.int64), *members]).astype(np.int64)
    return Clusters(np.array([number for number, *_ in jets], np.int64), *sums.T, constituent, jet)


def _event(momentum, radius):
    pseudojets = [(p, [row]) for row, p in enumerate(momentum)]
    jets = []
    while pseudojets:
        p = np.array([one for one, _ in pseudojets])
        pt = np.hypot(p[:, 0], p[:, 1])
        rapidity = 0.5 * np.log((p[:, 3] + p[:, 2]) / (p[:, 3] - p[:, 2]))
        phi = np.arctan2(p[:, 1], p[:, 0])
        turn = (phi[:, None] - phi + np.pi) % (2 * np.pi) - np.pi
        between = np.minimum(pt[:, None] ** -2, pt**-2) * ((rapidity[:, None] - rapidity) ** 2 + turn**2) / radius**2
        np.fill_diagonal(between, pt**-2)  # the distance to the beam
        one, other = np.unravel_index(np.argmin(between), between.shape)
        if one == other:
            jets.append(pseudojets.pop(one))
        else:
            high, low = pseudojets.pop(max(one, other)), pseudojets.pop(min(one, other))
            pseudojets.append((high[0] + low[0], high[1] + low[1]))
    return jets
