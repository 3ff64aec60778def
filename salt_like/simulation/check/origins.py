"""Truth of tracks: where they come from and which of them share a vertex."""

from __future__ import annotations

import numpy as np

from salt_like.data.conventions import LABEL_CLASSES
from salt_like.evaluation.table import with_error
from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import BOTTOM, CHARM, FLAVOURS, LABEL, LIGHT, TAU, Block, Layout
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.sums import ALL, Counts, Distribution, Index
from salt_like.simulation.check.tracks import HEAVY_ORIGINS, ORIGIN, PRIMARY_ORIGIN
from salt_like.simulation.check.verdict import Band, Grid, Row, exact, judged

ORIGINS = ("pile-up", "fake", "primary", "from b", "from b → c", "from c", "from tau", "other")
PILEUP_ORIGIN, FAKE_ORIGIN, TAU_ORIGIN = 0, 1, 6
VERTEX, TYPE = "tracks.ftagTruthVertexIndex", "tracks.ftagTruthTypeLabel"
LEPTON_TYPES = (5, 6)  # electron, muon
MOST_TRACKS = 20


class Origins(Part):
    """Shares of the origins, overall and by flavour."""

    section, what, needs = "Origins and vertices", "origins of tracks", (LABEL, ORIGIN)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.counts = Counts(len(FLAVOURS) + 1, len(ORIGINS))
        self.unknown = 0
        collisions = layout.attributes.get("pileup")
        self.collisions = float(collisions) if isinstance(collisions, (int, float, np.number)) else None

    def fill(self, block: Block) -> None:
        origin, flavour = block[ORIGIN], block.flavour_of("tracks")
        self.counts.fill(block.of("tracks"), np.where(flavour < 0, len(FLAVOURS), flavour), origin)
        self.unknown += int(((origin < 0) | (origin >= len(ORIGINS))).sum())

    def rows(self) -> list[Row]:
        """Shares that are expected."""
        heavy, of_b = slice(HEAVY_ORIGINS[0], HEAVY_ORIGINS[-1] + 1), slice(3, 5)
        wanted: tuple[tuple[str, Index, Index, Band], ...] = (
            ("fakes among tracks", ALL, FAKE_ORIGIN, expected.FAKES),
            ("pile-up among tracks", ALL, PILEUP_ORIGIN, expected.pileup(self.collisions)),
            ("primary among tracks", ALL, PRIMARY_ORIGIN, expected.PRIMARY),
            ("b and c origin in light jets", LIGHT, heavy, expected.HEAVY_IN_LIGHT),
            ("b origin in b jets", BOTTOM, of_b, expected.HEAVY_IN_B),
            ("c origin in c jets", CHARM, 5, expected.CHARM_IN_C),
            ("tau origin in tau jets", TAU, TAU_ORIGIN, expected.TAU_IN_TAU),
        )
        rows = []
        for name, flavour, origin, band in wanted:
            share = self.counts.share((flavour, origin), (flavour, ALL))
            rows.append(judged(name, share, Band(100 * band.low, 100 * band.high, band.why), "%", 100))
        note = f"known: {', '.join(LABEL_CLASSES['ftagTruthOriginLabel'].values())}"
        return [*rows, exact("tracks of unknown origin", self.unknown, expected.NOTHING, note=note)]

    def grids(self) -> list[Grid]:
        """Shares of the origins by flavour."""
        cells = []
        for i, name in enumerate(ORIGINS):
            shares = [self.counts.share((f, i), (f, ALL)) for f in (ALL, *range(len(FLAVOURS)))]
            cells.append([name, *(with_error(100 * one.value, 100 * one.error) for one in shares)])
        return [Grid("Origins of tracks, %", ("origin", "all jets", *FLAVOURS), cells)]


class Vertices(Part):
    """Truth vertices: 0 is the collision, negative belongs nowhere, positive is a decay."""

    section, what, needs = "Origins and vertices", "truth vertices", (LABEL, ORIGIN, VERTEX)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.wrong = {"primary tracks with another vertex than 0": 0, "pile-up or fake tracks with a vertex": 0}
        self.wrong["other tracks without a vertex"] = 0
        self.sizes = Distribution(np.arange(MOST_TRACKS + 2) - 0.5, len(FLAVOURS))
        self.per_jet = Distribution(np.arange(MOST_TRACKS + 2) - 0.5, len(FLAVOURS))
        self.at_primary = Counts(2)

    def fill(self, block: Block) -> None:
        origin, vertex, jet = block[ORIGIN], block[VERTEX], block.jet("tracks")
        nowhere = (origin == PILEUP_ORIGIN) | (origin == FAKE_ORIGIN)
        wrong = [
            (origin == PRIMARY_ORIGIN) & (vertex != 0),
            nowhere & (vertex >= 0),
            (origin > PRIMARY_ORIGIN) & (vertex < 0),
        ]
        for name, one in zip(self.wrong, wrong, strict=True):
            self.wrong[name] += int(one.sum())
        heavy = np.isin(origin, HEAVY_ORIGINS)
        self.at_primary.fill(block.of("tracks")[heavy], (vertex[heavy] == 0).astype(np.int64))
        self._count(block, jet[heavy & (vertex > 0)], vertex[heavy & (vertex > 0)])

    def _count(self, block: Block, jet: np.ndarray, vertex: np.ndarray) -> None:
        pairs, size = np.unique(np.stack([jet, vertex], 1), axis=0, return_counts=True)
        owner = pairs[:, 0].astype(np.int64)
        self.sizes.fill(block.at[owner], size.astype(np.float64), block.flavour[owner])
        number = np.bincount(owner, minlength=len(block)).astype(np.float64)
        self.per_jet.fill(block.at, number, block.flavour)

    def rows(self) -> list[Row]:
        """Contradictions, and numbers of tracks and vertices."""
        rows = [exact(name, number, expected.NOTHING) for name, number in self.wrong.items()]
        at_primary = self.at_primary.share((1,), (ALL,))
        band = Band(0, 100 * expected.HEAVY_AT_PRIMARY.high, expected.HEAVY_AT_PRIMARY.why)
        rows.append(judged("b and c tracks in the primary vertex", at_primary, band, "%", 100))
        for flavour in (CHARM, BOTTOM):
            name = f"tracks per b or c vertex in {FLAVOURS[flavour]} jets"
            rows.append(judged(name, self.sizes.of(flavour).mean(), expected.PER_VERTEX))
        name = "b and c vertices with tracks per b jet"
        return [*rows, judged(name, self.per_jet.of(BOTTOM).mean(), expected.VERTICES_B)]


class HadronicTaus(Part):
    """Whether jets of leptonic tau decays carry the tau label."""

    section, what, needs = "Origins and vertices", "leptons in tau jets", (LABEL, ORIGIN, TYPE)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.counts = Counts(2)

    def fill(self, block: Block) -> None:
        lepton = (block[ORIGIN] == TAU_ORIGIN) & np.isin(block[TYPE], LEPTON_TYPES)
        has = np.bincount(block.jet("tracks"), lepton, len(block)) > 0
        tau = block.flavour == TAU
        self.counts.fill(block.at[tau], has[tau].astype(np.int64))

    def rows(self) -> list[Row]:
        """Share of tau jets with an electron or muon of the tau."""
        share = self.counts.share((1,), (ALL,))
        band = Band(0, 100 * expected.LEPTONIC.high, expected.LEPTONIC.why)
        return [judged("tau jets with an electron or muon from the tau", share, band, "%", 100)]
