"""Event weights: what they cost."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import FLAVOURS, WEIGHT, Block, Layout
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.sums import ALL, At, Counts, Index
from salt_like.simulation.check.verdict import Band, Row, exact, judged


class Weights(Part):
    """Effective numbers of entries, negative weights and weights that are no number."""

    section, what, needs = "Event weights", "event weights", (WEIGHT,)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.weighted, self.plain = Counts(len(FLAVOURS) + 1), Counts(len(FLAVOURS) + 1, 2)
        self.broken = self.zero = 0
        self.largest = 0.0

    def fill(self, block: Block) -> None:
        flavour = np.where(block.flavour < 0, len(FLAVOURS), block.flavour)
        weight = block[WEIGHT].astype(np.float64)
        self.broken += int((~np.isfinite(weight)).sum())
        self.zero += int((weight == 0).sum())
        self.largest = max(self.largest, float(np.abs(block.at.weight).max(initial=0.0)))
        self.weighted.fill(block.at, flavour)
        self.plain.fill(At(block.at.group, np.ones(len(block))), flavour, (block.at.weight < 0).astype(np.int64))

    def rows(self) -> list[Row]:
        """What the weights are worth."""
        rows = [
            exact("weights that are no number", self.broken, expected.NOTHING),
            exact("weights of 0", self.zero, expected.NOTHING),
        ]
        named: list[tuple[str, Index]] = [("", ALL), *((f" of {name} jets", i) for i, name in enumerate(FLAVOURS))]
        for suffix, flavour in named:
            jets = self.plain.total(flavour, ALL)
            share = self.weighted.effective(flavour) / jets if jets else np.nan
            band = Band(100 * expected.EFFECTIVE.low, 100, expected.EFFECTIVE.why)
            if jets:
                rows.append(exact(f"effective number{suffix} / number", round(100 * share, 3), band, "%"))
        negative = self.plain.share((ALL, 1), (ALL, ALL))
        rows.append(judged("share of negative weights", negative, Band(0, 100 * expected.NEGATIVE.high), "%", 100))
        total = abs(self.weighted.total(ALL))
        top = 100 * self.largest / total if total else np.nan
        band = Band(expected.TOP_WEIGHT.low, 100 * expected.TOP_WEIGHT.high, expected.TOP_WEIGHT.why)
        few = self.plain.total(ALL, ALL) * expected.TOP_WEIGHT.high < 20
        return [*rows, exact("largest weight / sum", round(top, 4), None if few else band, "%")]
