"""Heavy hadrons: which kinds, and how far they flew."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import BOTTOM, CHARM, LABEL, Block, Layout
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.sums import Counts, Distribution, Estimate, Floats, Index, Integers
from salt_like.simulation.check.verdict import Row, judged

BOTTOM_KINDS, CHARM_KINDS = ("B+", "B0", "Bs", "b baryons"), ("D0", "D+", "Ds", "c baryons")
PARTICLE = {521: "B+", 511: "B0", 531: "Bs", 421: "D0", 411: "D+", 431: "Ds"}
FLYING = {521: "B+", 511: "B0", 531: "Bs", 5122: "Λb", 421: "D0", 411: "D+", 431: "Ds", 4122: "Λc"}
FLIGHT_EDGES = np.linspace(0.0, 5000.0, 501)  # um


def kind_of(pdg: Integers) -> Integers:
    """Index into `BOTTOM_KINDS` + `CHARM_KINDS` of hadrons by their particle number, -1 for others, (n,)."""
    names = BOTTOM_KINDS + CHARM_KINDS
    found = np.full(len(pdg), -1, np.int64)
    for number, name in PARTICLE.items():
        found[np.abs(pdg) == number] = names.index(name)
    digit = np.abs(pdg) // 1000 % 10
    found[digit == 5], found[digit == 4] = names.index("b baryons"), names.index("c baryons")
    return found


class Kinds(Part):
    """Kinds of the hadron that gives a jet its label."""

    section, what = "Hadrons", "kinds of heavy hadrons"
    needs = (LABEL, "jets.HadronConeExclTruthLabelPdgId")

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.counts = Counts(2, len(BOTTOM_KINDS + CHARM_KINDS))

    def fill(self, block: Block) -> None:
        kind = kind_of(block["jets.HadronConeExclTruthLabelPdgId"])
        flavour = np.select([block.flavour == BOTTOM, block.flavour == CHARM], [0, 1], -1)
        self.counts.fill(block.at, flavour, kind)

    def share(self, name: str) -> Estimate:
        """Share of one kind among the hadrons of its quark that give jets of this quark their label."""
        flavour, names = (0, BOTTOM_KINDS) if name in BOTTOM_KINDS else (1, CHARM_KINDS)
        first = flavour * len(BOTTOM_KINDS)
        own = slice(first, first + len(names))
        return self.counts.share((flavour, first + names.index(name)), (flavour, own))

    def rows(self) -> list[Row]:
        """Shares of the kinds."""
        return [
            judged(f"{name} in {jets} jets", self.share(name), expected.SPECIES[name])
            for jets, names in (("b", BOTTOM_KINDS), ("c", CHARM_KINDS))
            for name in names
        ]


class Flights(Part):
    """Proper decay lengths ``Lxy m / pT``; their mean is c tau when Lxy is each hadron's own flight."""

    section, what = "Hadrons", "flight lengths of heavy hadrons"
    needs = tuple(f"truth_hadrons.{name}" for name in ("pt", "mass", "Lxy", "pdgId"))

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.names = tuple(FLYING.values())
        self.flights = Distribution(FLIGHT_EDGES, len(self.names))

    def fill(self, block: Block) -> None:
        pdg = np.abs(block["truth_hadrons.pdgId"])
        kind = np.full(len(pdg), -1, np.int64)
        for index, number in enumerate(FLYING):
            kind[pdg == number] = index
        self.flights.fill(block.of("truth_hadrons"), _proper(block), kind)

    def rows(self) -> list[Row]:
        """Mean proper decay lengths, and whether they fall exponentially."""
        bottom = slice(0, self.names.index("D0"))
        rows = [
            judged("mean Lxy·m/pT of b hadrons", self.flights.of(bottom).mean(), expected.LIFETIME_B, "µm"),
            *(
                judged(f"mean Lxy·m/pT of {name}", self.flights.of(i).mean(), expected.LIFETIME[name], "µm")
                for i, name in enumerate(self.names)
            ),
        ]
        kinds: tuple[tuple[str, Index], ...] = (("b hadrons", bottom), ("D+", self.names.index("D+")))
        for name, index in kinds:
            shape = self.flights.of(index).exponential()
            rows.append(judged(f"<x²>/2<x>² of x = Lxy·m/pT of {name}", shape, expected.EXPONENTIAL))
        return rows


def _proper(block: Block) -> Floats:
    """Proper decay length of each hadron in um, NaN where it is unknown."""
    length, mass, pt = (block[f"truth_hadrons.{name}"] for name in ("Lxy", "mass", "pt"))
    return np.asarray(1000.0 * length * mass / np.where(pt > 0, pt, np.nan))
