"""Jet energy and mass against the truth jet."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import Block, Layout
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.sums import ALL, Counts, Distribution, estimate, ratio
from salt_like.simulation.check.tracks import bin_of, interval, over
from salt_like.simulation.check.verdict import Band, Row, exact, judged

TRUTH_PT, TRUTH_MASS = "jets.ptFromTruthJet", "jets.truthMass"
EDGES = np.array([20.0, 30.0, 50.0, 100.0, 200.0, 400.0, np.inf])  # GeV
RESPONSE_EDGES = np.linspace(0.0, 4.0, 801)
BIASED_BELOW = 30.0  # GeV; there the threshold of the jets shapes the response
FEWEST_MATCHED = 100
SLOPE_PT = (30.0, 60.0)  # GeV, where pile-up weighs most


class Response(Part):
    """Reconstructed over true transverse momentum."""

    section, what, needs = "Jet energy", "response to transverse momentum", ("jets.pt", TRUTH_PT)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.response = Distribution(RESPONSE_EDGES, len(EDGES) - 1)
        self.matched = Counts(2)
        self.slope = np.zeros((len(self.matched.sums), 5))
        self.highest = {"jets.pt": 0.0, TRUTH_PT: 0.0}
        self.has_pileup = layout.has("jets.n_pileup")

    def fill(self, block: Block) -> None:
        truth = block[TRUTH_PT]
        response = over(block["jets.pt"], truth)
        self.matched.fill(block.at, (truth > 0).astype(np.int64))
        self.response.fill(block.at, response, bin_of(truth, EDGES))
        for key, highest in self.highest.items():
            self.highest[key] = max(highest, float(np.nanmax(block[key], initial=0.0)))
        if self.has_pileup:
            chosen = (truth > SLOPE_PT[0]) & (truth < SLOPE_PT[1])
            x, y = block["jets.n_pileup"][chosen].astype(np.float64), response[chosen]
            for i, one in enumerate((np.ones(len(x)), x, y, x * x, x * y)):
                weights = block.at.weight[chosen] * one
                self.slope[:, i] += np.bincount(block.at.group[chosen], weights, len(self.slope))

    def rows(self) -> list[Row]:
        """Median and resolution by true transverse momentum, and what is left of pile-up."""
        matched = self.matched.share((1,), (ALL,))
        band = Band(100 * expected.MATCHED.low, 100, expected.MATCHED.why)
        rows = [judged("jets with a truth jet", matched, band, "%", 100)]
        for i, low in enumerate(EDGES[:-1]):
            view, where = self.response.of(i), f"{interval(EDGES, i)} GeV"
            biased = low < BIASED_BELOW
            note = "shaped by the threshold of the jets" if biased else ""
            response = None if biased else expected.RESPONSE
            allowed = None if biased else expected.RESOLUTION[min(200, int(low))]
            rows.append(judged(f"pT response, {where}", view.median(), response, note=note))
            rows.append(judged(f"pT resolution, {where}", view.width(relative=True), allowed, note=note))
        if self.matched.total(1) >= FEWEST_MATCHED:
            shares = self.highest["jets.pt"] / self.highest[TRUTH_PT]
            note = f"{self.highest['jets.pt']:.0f} GeV and {self.highest[TRUTH_PT]:.0f} GeV"
            rows.append(exact("highest pT of a jet / of a truth jet", round(shares, 2), expected.HIGHEST, note=note))
        if self.has_pileup:
            entries = self.response.of(slice(1, 3)).entries
            slope = estimate(self.slope, _slope, entries)
            name = f"pT response per pile-up collision, {SLOPE_PT[0]:g} to {SLOPE_PT[1]:g} GeV"
            rows.append(judged(name, slope, expected.PILEUP_SLOPE, "%", 100))
        return rows


class Mass(Part):
    """Reconstructed over true mass."""

    section, what = "Jet energy", "response to mass"
    needs = ("jets.pt", "jets.mass", TRUTH_PT, TRUTH_MASS)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.response = Distribution(RESPONSE_EDGES, len(EDGES) - 1)
        self.same = Counts(2)

    def fill(self, block: Block) -> None:
        response = over(block["jets.mass"], block[TRUTH_MASS])
        momentum = over(block["jets.pt"], block[TRUTH_PT])
        self.response.fill(block.at, response, bin_of(block[TRUTH_PT], EDGES))
        known = np.isfinite(response) & np.isfinite(momentum)
        same = np.abs(response - momentum) < 0.005 * momentum
        self.same.fill(block.at[known], same[known].astype(np.int64))

    def rows(self) -> list[Row]:
        """Median and resolution by true transverse momentum, and whether the mass is made up."""
        band = Band(0, 100 * expected.SAME_RESPONSE.high, expected.SAME_RESPONSE.why)
        rows = [judged("mass response equal to pT response", self.same.share((1,), (ALL,)), band, "%", 100)]
        for i, low in enumerate(EDGES[:-1]):
            view, where = self.response.of(i), f"{interval(EDGES, i)} GeV"
            biased = low < BIASED_BELOW
            rows.append(judged(f"mass response, {where}", view.median(), None if biased else expected.MASS_RESPONSE))
            resolution = view.width(relative=True)
            rows.append(judged(f"mass resolution, {where}", resolution, None if biased else expected.MASS_RESOLUTION))
        return rows


class LuminousRegion(Part):
    """Where the collisions were, along the beam."""

    section, what, needs = "Collisions", "length of the luminous region", ("jets.primaryVertexZ",)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.z = Distribution(np.linspace(-300.0, 300.0, 301))
        self.collisions = Distribution(np.linspace(-0.5, 400.5, 402))

    def fill(self, block: Block) -> None:
        self.z.fill(block.at, block["jets.primaryVertexZ"])
        if self.layout.has("jets.n_pileup"):
            self.collisions.fill(block.at, block["jets.n_pileup"].astype(np.float64))

    def rows(self) -> list[Row]:
        """Spread along the beam, and number of pile-up collisions."""
        rows = [judged("width of primaryVertexZ", self.z.of().width(), expected.VERTEX_SPREAD, "mm")]
        if self.layout.has("jets.n_pileup"):
            rows.append(judged("mean number of pile-up collisions", self.collisions.of().mean()))
        return rows


def _slope(sums: np.ndarray) -> float:
    """Slope of a straight line over its mean."""
    number, x, y, xx, xy = sums
    return ratio(ratio(number * xy - x * y, number * xx - x * x), ratio(y, number))
