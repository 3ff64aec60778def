"""Pile-up taken out of neutral constituents."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.detector_settings import CalorimeterSettings
from salt_like.simulation.record import Floats, Integers


def density(pt: Floats, event: Integers, patch: Integers, patches: int, area: float, events: int) -> Floats:
    """Median over patches of transverse momentum per area, as in arXiv:0707.1378, GeV, (E,).

    Args:
        pt: Transverse momentum of each constituent in GeV, (N,).
        event: Event of each, (N,).
        patch: Patch of each, (N,).
        patches: Number of patches, those without a constituent included.
        area: Area of a patch.
        events: Number of events E.
    """
    total = np.bincount(event * patches + patch, weights=pt, minlength=events * patches)
    return np.asarray(np.median(total.reshape(events, patches), 1) / area)


def subtracted(
    event: Integers, eta: Floats, phi: Floats, pt: Floats, events: int, settings: CalorimeterSettings
) -> Floats:
    """Which part of each neutral constituent remains.

    In every patch of the plane of η and φ the softest constituents are removed until density times area is gone, the
    last of them in part. So a patch keeps what it has above the density, or nothing; jets of these constituents need no
    further correction, neither of their momentum nor of their mass. Near to constituent subtraction (arXiv:1403.3108),
    with patches instead of ghosts.

    Args:
        event: Event of each constituent, (N,).
        eta, phi: Direction, (N,).
        pt: Transverse momentum in GeV, (N,).
        events: Number of events E.
        settings: Numbers of the patches.

    Returns:
        From 0 for removed to 1 for untouched, (N,).
    """
    patch, patches, area = _patches(eta, phi, settings.density_patch, settings.maximum_eta)
    rho = density(pt, event, patch, patches, area, events)
    patch, patches, area = _patches(eta, phi, settings.patch, settings.maximum_eta)
    key = event * patches + patch
    order = np.argsort(key + pt / (1.0 + pt))  # by patch, and within it the softest first
    sorted_key, sorted_pt = key[order], pt[order]
    start = np.flatnonzero(np.diff(sorted_key, prepend=-1))
    length = np.diff(start, append=len(order))
    reached = np.cumsum(sorted_pt)
    reached -= np.repeat(reached[start] - sorted_pt[start], length)
    left = np.empty(len(pt))
    left[order] = np.clip(reached - rho[event[order]] * area, 0.0, sorted_pt) / sorted_pt
    return left


def _patches(eta: Floats, phi: Floats, width: float, maximum_eta: float) -> tuple[Integers, int, float]:
    """Patch of each direction, their number and their area; the width is adapted so that a whole number fits."""
    rows, columns = max(round(2.0 * maximum_eta / width), 1), max(round(2.0 * np.pi / width), 1)
    row = np.clip((eta + maximum_eta) / (2.0 * maximum_eta) * rows, 0, rows - 1).astype(np.int64)
    column = np.clip((phi + np.pi) / (2.0 * np.pi) * columns, 0, columns - 1).astype(np.int64)
    return row * columns + column, rows * columns, 2.0 * maximum_eta / rows * 2.0 * np.pi / columns
