"""Which jets there are, and what can be read off their kinematics."""

from __future__ import annotations

import json

import numpy as np

from salt_like.evaluation.table import with_error
from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import BOTTOM, CHARM, FLAVOURS, LABEL, LIGHT, Block, Layout
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.sums import ALL, At, Counts, Distribution, Estimate, auc, estimate
from salt_like.simulation.check.verdict import Band, Grid, Row, exact, judged

PT_EDGES = np.geomspace(5.0, 5000.0, 601)  # GeV; fine enough for the AUC, and merged for the figure
ETA_EDGES = np.linspace(0.0, 5.0, 101)
MOST_PROCESSES = 40


class Composition(Part):
    """Numbers of jets and shares of the flavours."""

    section, what, needs = "Jets", "flavour composition", (LABEL,)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.counts = Counts(len(FLAVOURS) + 1)  # the last one for jets of no known flavour
        self.jets = 0

    def fill(self, block: Block) -> None:
        self.jets += len(block)
        self.counts.fill(block.at, np.where(block.flavour < 0, len(FLAVOURS), block.flavour))

    def rows(self) -> list[Row]:
        """Shares of the flavours."""
        shares = [(name, self.counts.share((i,), (ALL,))) for i, name in enumerate((*FLAVOURS, "other"))]
        return [
            judged(f"share of {name} jets", share, None, "%", 100)
            for name, share in shares
            if share.value > 0 or name != "other"
        ]


class Processes(Part):
    """Which flavour comes from which process."""

    section, what, needs = "Jets", "processes of the flavours", (LABEL, "jets.process")

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.numbers: list[int] = []
        self.counts = Counts(MOST_PROCESSES, len(FLAVOURS))

    def fill(self, block: Block) -> None:
        process = block["jets.process"]
        for number in np.unique(process):
            if number not in self.numbers and len(self.numbers) < MOST_PROCESSES:
                self.numbers.append(int(number))
        index = np.full(len(block), -1)
        for i, number in enumerate(self.numbers):
            index[process == number] = i
        self.counts.fill(block.at, index, block.flavour)

    @property
    def names(self) -> list[str]:
        """Names of the processes where the file gives them (attribute ``processes``), else their numbers."""
        named = _named(self.layout.attributes.get("processes"))
        return [named.get(one, f"process {one}") for one in self.numbers]

    def distance(self, first: int, second: int) -> Estimate:
        """Half the sum of the differences of the shares of the processes in two flavours, 0 to 1."""

        def statistic(sums: np.ndarray) -> float:
            shares = [sums[:, one] / sums[:, one].sum() if sums[:, one].sum() else sums[:, one] for one in pair]
            return float(np.abs(shares[0] - shares[1]).sum() / 2) if all(map(np.any, shares)) else float("nan")

        pair = (first, second)
        entries = min(self.counts.effective(ALL, one) for one in pair)
        return estimate(self.counts.sums, statistic, entries)

    def rows(self) -> list[Row]:
        """Whether the process tells the flavour."""
        if len(self.numbers) < 2:
            return []
        note = "largest error when a flavour is told by its process"
        return [
            judged(
                f"processes of {FLAVOURS[one]} against light", self.distance(one, LIGHT), expected.PROCESS, note=note
            )
            for one in (CHARM, BOTTOM)
        ]

    def grids(self) -> list[Grid]:
        """Shares of the processes of each flavour, and of the flavours of each process."""
        order = np.argsort(self.numbers)
        by_process = [
            [self.names[i], *(_percent(self.counts.share((i, f), (i, ALL))) for f in range(len(FLAVOURS)))]
            for i in order
        ]
        by_flavour = [
            [self.names[i], *(_percent(self.counts.share((i, f), (ALL, f))) for f in range(len(FLAVOURS)))]
            for i in order
        ]
        return [
            Grid("Flavours of each process, %", ("process", *FLAVOURS), by_process),
            Grid("Processes of each flavour, %", ("process", *FLAVOURS), by_flavour),
        ]


class Spectra(Part):
    """Transverse momenta by flavour, with and without weights."""

    section, what, needs = "Jets", "transverse momenta of the flavours", (LABEL, "jets.pt")

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.weighted = Distribution(PT_EDGES, len(FLAVOURS))
        self.plain = Distribution(PT_EDGES, len(FLAVOURS))

    def fill(self, block: Block) -> None:
        self.weighted.fill(block.at, block["jets.pt"], block.flavour)
        self.plain.fill(At(block.at.group, np.ones(len(block))), block["jets.pt"], block.flavour)

    def rows(self) -> list[Row]:
        """Medians, and how far the transverse momentum alone tells the flavour."""
        rows = [
            judged(f"median pT of {name} jets", self.weighted.of(i).median(), None, "GeV")
            for i, name in enumerate(FLAVOURS)
        ]
        weights_matter = not np.array_equal(self.weighted.bins.sums, self.plain.bins.sums)
        rows += _aucs(self.weighted, "pT", ", weighted" if weights_matter else "", expected.AUC_PT)
        if weights_matter:
            rows += _aucs(self.plain, "pT", ", unweighted", expected.AUC_PT)
        return rows


class Pseudorapidity(Part):
    """Pseudorapidities by flavour."""

    section, what, needs = "Jets", "pseudorapidities of the flavours", (LABEL, "jets.eta")

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.eta = Distribution(ETA_EDGES, len(FLAVOURS))
        self.forward = Counts(2)
        self.highest = 0.0

    def fill(self, block: Block) -> None:
        eta = block["jets.eta"]
        self.eta.fill(block.at, np.abs(eta), block.flavour)
        self.forward.fill(block.at, (eta > 0).astype(np.int64))
        self.highest = max(self.highest, float(np.nanmax(np.abs(eta), initial=0.0)))

    def rows(self) -> list[Row]:
        """How far the pseudorapidity alone tells the flavour, and whether both sides are alike."""
        forward = self.forward.share((1,), (ALL,))
        return [
            *_aucs(self.eta, "|η|", "", expected.AUC_ETA),
            judged("share of jets with η > 0", forward, Band(48, 52, "both beams are alike"), "%", 100),
            exact("largest |η| of a jet", round(self.highest, 3)),
        ]


def _aucs(spectra: Distribution, what: str, suffix: str, band: Band) -> list[Row]:
    return [
        judged(f"AUC of {what} alone, {name} against light{suffix}", auc(spectra.of(i), spectra.of(LIGHT)), band)
        for i, name in ((CHARM, "c"), (BOTTOM, "b"))
    ]


def _named(stated: object) -> dict[int, str]:
    """Number → name from a JSON object name → number, nothing from anything else."""
    try:
        found = json.loads(stated) if isinstance(stated, str) else {}
    except ValueError:
        return {}
    return {number: name for name, number in found.items()} if isinstance(found, dict) else {}


def _percent(share: Estimate) -> str:
    return with_error(100 * share.value, 100 * share.error)
