"""Tracks: how many, how well measured, and how far from the primary vertex."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import BOTTOM, FLAVOURS, LABEL, LIGHT, Block, Layout
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.sums import ALL, Counts, Distribution, Floats, Integers
from salt_like.simulation.check.verdict import Band, Row, exact, judged

ORIGIN = "tracks.ftagTruthOriginLabel"
PRIMARY_ORIGIN, HEAVY_ORIGINS = 2, (3, 4, 5)
PULL_EDGES = np.linspace(-10.0, 10.0, 401)
PULL_PT = np.array([0.5, 1.0, 2.0, 5.0, 10.0, np.inf])  # GeV
SIGNIFICANCE_EDGES = np.linspace(-20.0, 40.0, 601)
SIGMA_PT = np.array([0.5, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0, 150.0])  # GeV
SIGMA_EDGES = np.geomspace(1e-3, 10.0, 801)  # mm
RELATIVE_EDGES = np.geomspace(1e-4, 10.0, 501)
CLOSE_EDGES = np.linspace(0.0, 2.0, 2001)
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


class Multiplicity(Part):
    """Constituents per jet of a stream."""

    section = "Multiplicities"
    stream = ""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.limit = layout.header(self.stream).capacity
        self.counted = layout.has(f"jets.n_{self.stream}")
        self.numbers = Distribution(np.arange(self.limit + 2) - 0.5, len(FLAVOURS) + 1)
        self.wrong = 0

    def fill(self, block: Block) -> None:
        number = block.real(self.stream).sum(1)
        self.numbers.fill(
            block.at, number.astype(np.float64), np.where(block.flavour < 0, len(FLAVOURS), block.flavour)
        )
        if self.counted:
            self.wrong += int((np.minimum(block[f"jets.n_{self.stream}"], self.limit) != number).sum())

    def rows(self) -> list[Row]:
        """Means, jets without any and jets at the limit."""
        bands = expected.TRACKS if self.stream == "tracks" else {}
        rows = [
            judged(f"{self.stream} per {name} jet", self.numbers.of(i).mean(), bands.get(name))
            for i, name in enumerate(FLAVOURS)
        ]
        every = self.numbers.of(ALL)
        none, full = every.share(-0.5, 0.5), every.share(self.limit - 0.5)
        band = Band(0, 100 * expected.NO_TRACKS.high), Band(0, 100 * expected.AT_LIMIT[self.stream].high)
        rows.append(judged(f"jets without {self.stream}", none, band[0], "%", 100))
        rows.append(judged(f"jets with {self.limit} {self.stream} or more", full, band[1], "%", 100))
        if self.counted:
            name = f"jets with another n_{self.stream} than they have"
            rows.append(exact(name, self.wrong, expected.NOTHING, note="above the limit it counts all"))
        return rows


class TrackNumbers(Multiplicity):
    """Tracks per jet."""

    what, needs, stream = "tracks per jet", (LABEL, "tracks"), "tracks"


class FlowNumbers(Multiplicity):
    """Flow constituents per jet."""

    what, needs, stream = "flows per jet", (LABEL, "flows"), "flows"


class Pulls(Part):
    """Impact parameters of primary tracks in units of their uncertainty."""

    section, what = "Tracks", "pulls of primary tracks"
    needs = (
        ORIGIN,
        "tracks.pt",
        *("tracks.d0", "tracks.d0Uncertainty", "tracks.z0SinTheta", "tracks.z0SinThetaUncertainty"),
    )

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.pulls = {name: Distribution(PULL_EDGES, len(PULL_PT) - 1) for name in ("d0", "z0SinTheta")}

    def fill(self, block: Block) -> None:
        primary = block[ORIGIN] == PRIMARY_ORIGIN
        at, bins = block.of("tracks")[primary], bin_of(block["tracks.pt"][primary], PULL_PT)
        for name, pulls in self.pulls.items():
            pulls.fill(at, over(block[f"tracks.{name}"], block[f"tracks.{name}Uncertainty"])[primary], bins)

    def rows(self) -> list[Row]:
        """Widths, medians and tails."""
        rows = []
        for name, pulls in self.pulls.items():
            every = pulls.of(ALL)
            rows.append(judged(f"width of {name}/{SIGMA}", every.width(), expected.PULL))
            rows.append(judged(f"median of {name}/{SIGMA}", every.median(), expected.PULL_MEDIAN))
            tail = Band(0, 100 * expected.PULL_TAIL.high, expected.PULL_TAIL.why)
            rows.append(judged(f"share of |{name}/{SIGMA}| > 5", every.share_beyond(5.0), tail, "%", 100))
            rows += [
                judged(f"width of {name}/{SIGMA}, {interval(PULL_PT, i)} GeV", pulls.of(i).width(), expected.PULL_BINS)
                for i in range(len(PULL_PT) - 1)
            ]
        return rows


class Significance(Part):
    """Lifetime-signed significance of the transverse impact parameter by flavour."""

    section, what = "Tracks", "signed d0 significance of the flavours"
    needs = (LABEL, "tracks.IP3D_signed_d0_significance")

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.by_flavour = Distribution(SIGNIFICANCE_EDGES, len(FLAVOURS))
        self.positive = Counts(2, 2)
        self.agreeing = Counts(2)

    def fill(self, block: Block) -> None:
        signed, at = block["tracks.IP3D_signed_d0_significance"], block.of("tracks")
        flavour = block.flavour_of("tracks")
        self.by_flavour.fill(at, signed, flavour)
        if self.layout.has(ORIGIN):
            origin = block[ORIGIN]
            primary = (origin == PRIMARY_ORIGIN) & (flavour == LIGHT)
            heavy = np.isin(origin, HEAVY_ORIGINS) & (flavour == BOTTOM)
            self.positive.fill(at, np.select([primary, heavy], [0, 1], -1), (signed > 0).astype(np.int64))
        if self.layout.has("tracks.d0", "tracks.d0Uncertainty"):
            plain = np.abs(over(block["tracks.d0"], block["tracks.d0Uncertainty"]))
            same = np.abs(np.abs(signed) - plain) <= 0.01 * plain + 0.01
            self.agreeing.fill(at, same.astype(np.int64))

    def rows(self) -> list[Row]:
        """Shares of displaced tracks, and whether signs and sizes make sense."""
        rows = []
        for i, name in enumerate(FLAVOURS):
            band = expected.ABOVE_THREE.get(name)
            band = Band(100 * band.low, 100 * band.high, band.why) if band else None
            rows.append(
                judged(f"tracks with S(d0) > 3 in {name} jets", self.by_flavour.of(i).share(3.0), band, "%", 100)
            )
        if self.layout.has(ORIGIN):
            named = (
                ("primary tracks of light jets", expected.SIGNED_PRIMARY),
                ("b and c tracks of b jets", expected.SIGNED_HEAVY),
            )
            for i, (name, band) in enumerate(named):
                rows.append(judged(f"share of S(d0) > 0, {name}", self.positive.share((i, 1), (i, ALL)), band))
        if self.layout.has("tracks.d0", "tracks.d0Uncertainty"):
            agreeing = self.agreeing.share((1,), (ALL,))
            rows.append(judged(f"tracks with |S(d0)| = |d0|/{SIGMA} within 1 %", agreeing, expected.SAME_SIGNIFICANCE))
        return rows


class Resolution(Part):
    """Uncertainties of the impact parameters against transverse momentum."""

    section, what, needs = "Tracks", f"{SIGMA}(d0) against pT", ("tracks.pt", "tracks.d0Uncertainty")

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.d0 = Distribution(SIGMA_EDGES, len(SIGMA_PT) - 1)
        self.z0 = Distribution(SIGMA_EDGES, len(SIGMA_PT) - 1)
        self.momentum, self.product = Distribution(RELATIVE_EDGES), Distribution(CLOSE_EDGES)
        self.has_z0 = layout.has("tracks.z0SinThetaUncertainty")
        self.has_momentum = layout.has("tracks.qOverP", "tracks.qOverPUncertainty")
        self.has_direction = layout.has("tracks.qOverP", "tracks.deta", "jets.eta")

    def fill(self, block: Block) -> None:
        at, pt = block.of("tracks"), block["tracks.pt"]
        bins = bin_of(pt, SIGMA_PT)
        self.d0.fill(at, block["tracks.d0Uncertainty"], bins)
        if self.has_z0:
            self.z0.fill(at, block["tracks.z0SinThetaUncertainty"], bins)
        if self.has_momentum:
            inverse = np.abs(block["tracks.qOverP"])
            self.momentum.fill(at, over(block["tracks.qOverPUncertainty"], inverse))
        if self.has_direction:
            eta = block["jets.eta"][block.jet("tracks")] + block["tracks.deta"]
            self.product.fill(at, pt * np.abs(block["tracks.qOverP"]) * np.cosh(eta))

    def rows(self) -> list[Row]:
        """Medians at both ends."""
        low, high = 0, slice(int(np.searchsorted(SIGMA_PT, 30.0)), None)
        rows = [
            judged(f"median {SIGMA}(d0), 0.5 to 0.6 GeV", self.d0.of(low).median(), expected.SIGMA_D0_LOW, "µm", 1000),
            judged(f"median {SIGMA}(d0), above 30 GeV", self.d0.of(high).median(), expected.SIGMA_D0_HIGH, "µm", 1000),
        ]
        if self.has_z0:
            name = f"median {SIGMA}(z0 sin θ), above 30 GeV"
            rows.append(judged(name, self.z0.of(high).median(), expected.SIGMA_Z0_HIGH, "µm", 1000))
        if self.has_momentum:
            rows.append(judged(f"median {SIGMA}(q/p) / |q/p|", self.momentum.of().median(), expected.MOMENTUM))
        if self.has_direction:
            rows.append(judged("median of pT · |q/p| · cosh η", self.product.of().median(), expected.SAME_MOMENTUM))
        return rows


def bin_of(values: Floats, edges: Floats) -> Integers:
    """The bin of each value, -1 outside, (n,)."""
    index = np.searchsorted(edges, values, side="right") - 1
    return np.asarray(np.where(index < len(edges) - 1, index, -1), np.int64)


def over(values: Floats, uncertainties: Floats) -> Floats:
    """A quotient, NaN where the denominator is not positive, (n,)."""
    return np.asarray(values / np.where(uncertainties > 0, uncertainties, np.nan))


def interval(edges: Floats, index: int) -> str:
    """A bin in words."""
    low, high = edges[index], edges[index + 1]
    return f"above {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
