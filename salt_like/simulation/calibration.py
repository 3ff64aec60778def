"""The factor from the momentum of a jet's constituents to that of the true jet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salt_like.simulation.record import Floats


@dataclass(frozen=True)
class Calibration:
    """Factors at knots of transverse momentum, linear in its logarithm between them, constant beyond.

    Args:
        eta: Lower edges of bins of absolute pseudorapidity, from 0.
        pt: Transverse momenta before calibration in GeV, increasing, (K,).
        factors: Factor for each bin of pseudorapidity and each momentum, (bins, K).
    """

    eta: tuple[float, ...] = (0.0,)
    pt: tuple[float, ...] = (10.0,)
    factors: tuple[tuple[float, ...], ...] = ((1.0,),)

    def factor(self, pt: Floats, absolute_eta: Floats) -> Floats:
        """Factors of jets with these momenta before calibration (GeV) and absolute pseudorapidities, (J,) each."""
        row = np.searchsorted(np.array(self.eta), absolute_eta, side="right") - 1
        result = np.ones(len(pt))
        for number, factors in enumerate(self.factors):
            here = row == number
            result[here] = np.interp(np.log(pt[here]), np.log(self.pt), factors)
        return result
