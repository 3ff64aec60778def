"""The factor from the momentum of a jet's constituents to that of the true jet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salt_like.simulation.record import Floats

ETA = (0.0, 0.8, 1.5, 2.0)
PT = (12.0, 16.0, 20.0, 25.0, 30.0, 40.0, 60.0, 100.0, 200.0, 500.0)
FACTORS = (
    (1.029, 1.023, 1.018, 1.012, 1.006, 1.0, 0.994, 0.989, 0.991, 0.997),
    (1.029, 1.018, 1.008, 1.004, 1.003, 1.001, 0.994, 0.992, 0.993, 0.996),
    (1.012, 1.006, 1.006, 1.009, 1.004, 0.998, 0.994, 0.992, 0.993, 0.999),
    (0.998, 0.996, 0.99, 0.986, 0.986, 0.983, 0.988, 0.992, 0.992, 0.996),
)


@dataclass(frozen=True)
class Calibration:
    """Factors at knots of transverse momentum, linear in its logarithm between them, constant beyond.

    The default is that of the default detector, by `derived` from 9000 dijet, 1200 top quark pair and 600 Z' events
    with 20 collisions of pile-up on average, its last column from 6800 Z' events of 0.8 to 5 TeV; statistical errors
    are 0.6 % up to 30 GeV and 0.3 % above. Another detector needs another table.
    ``pytest -m slow tests/simulation/test_detector_events.py`` derives this one again, up to some 300 GeV.

    Args:
        eta: Lower edges of bins of absolute pseudorapidity, from 0.
        pt: Transverse momenta before calibration in GeV, increasing, (K,).
        factors: Factor for each bin of pseudorapidity and each momentum, (bins, K).
    """

    eta: tuple[float, ...] = ETA
    pt: tuple[float, ...] = PT
    factors: tuple[tuple[float, ...], ...] = FACTORS

    def factor(self, pt: Floats, absolute_eta: Floats) -> Floats:
        """Factors of jets with these momenta before calibration (GeV) and absolute pseudorapidities, (J,) each."""
        row = np.searchsorted(np.array(self.eta), absolute_eta, side="right") - 1
        result = np.ones(len(pt))
        for number, factors in enumerate(self.factors):
            here = row == number
            result[here] = np.interp(np.log(pt[here]), np.log(self.pt), factors)
        return result


def derived(
    pt: Floats,
    true_pt: Floats,
    absolute_eta: Floats,
    eta: tuple[float, ...] = ETA,
    knots: tuple[float, ...] = PT,
) -> Calibration:
    """Calibrate by numerical inversion (arXiv:1112.6426).

    The median response is found in bins of the *true* momentum, where it does not depend on the spectrum; the momentum
    before calibration that belongs to a bin is the response times the mean true momentum.

    Args:
        pt: Transverse momentum before calibration of jets that have a true jet, in GeV, (J,).
        true_pt: That of their true jets in GeV, (J,).
        absolute_eta: Their absolute pseudorapidity, (J,).
        eta: Lower edges of bins of it.
        knots: Momenta at which the calibration is given, and edges of the bins of true momentum, in GeV.

    Returns:
        The calibration; bins of fewer than 20 jets are left out.
    """
    rows = []
    for low, high in zip(eta, [*eta[1:], np.inf], strict=True):
        here = (absolute_eta >= low) & (absolute_eta < high)
        raw, factors = [], []
        for least, most in zip(knots, [*knots[1:], np.inf], strict=True):
            chosen = here & (true_pt >= least) & (true_pt < most)
            if chosen.sum() >= 20:
                response = float(np.median(pt[chosen] / true_pt[chosen]))
                raw.append(response * true_pt[chosen].mean())
                factors.append(1.0 / response)
        at_knots = np.interp(np.log(knots), np.log(raw), factors) if raw else np.ones(len(knots))
        rows.append(tuple(round(float(factor), 3) for factor in at_knots))
    return Calibration(eta, knots, tuple(rows))
