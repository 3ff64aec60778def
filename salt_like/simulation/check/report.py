"""The report: a file read once, everything that can be said about it, and whether it is as expected."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from salt_like.errors import UserError
from salt_like.simulation.check.blocks import WEIGHT, Layout
from salt_like.simulation.check.contents import Attributes, NoNumbers
from salt_like.simulation.check.energy import LuminousRegion, Mass, Response
from salt_like.simulation.check.hadrons import Flights, Kinds
from salt_like.simulation.check.identity import Identity
from salt_like.simulation.check.jets import Composition, Processes, Pseudorapidity, Spectra
from salt_like.simulation.check.origins import HadronicTaus, Origins, Vertices
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.tracks import FlowNumbers, Pulls, Resolution, Significance, TrackNumbers
from salt_like.simulation.check.verdict import FEW, MISSING, OK, OUTSIDE, Row, Section, missing
from salt_like.simulation.check.weights import Weights

PARTS: tuple[type[Part], ...] = (
    Composition,
    Spectra,
    Pseudorapidity,
    Processes,
    Identity,
    Weights,
    LuminousRegion,
    Kinds,
    Flights,
    TrackNumbers,
    FlowNumbers,
    Pulls,
    Significance,
    Resolution,
    Origins,
    Vertices,
    HadronicTaus,
    Response,
    Mass,
    NoNumbers,
    Attributes,
)
VERDICTS = (OK, OUTSIDE, FEW, MISSING)
UNSTATED = "generator not stated in the file"

SomePart = TypeVar("SomePart", bound=Part)


@dataclass
class Report:
    """What was found in a file.

    Args:
        path: The file.
        generator: What made it, in the file's own words.
        jets: Number of jets.
        weighted: Whether the file has event weights, with which everything is then weighted.
        unit: Unit of energies in the file; the report is in GeV.
        sections: Lines and tables.
        parts: The measured distributions, for figures.
    """

    path: Path
    generator: str
    jets: int
    weighted: bool
    unit: str
    sections: list[Section]
    parts: list[Part] = field(repr=False, default_factory=list)

    def part(self, kind: type[SomePart]) -> SomePart | None:
        """One part, ``None`` where the file lacks its fields."""
        return next((one for one in self.parts if isinstance(one, kind)), None)

    @property
    def lines(self) -> list[Row]:
        """All lines of all sections."""
        return [row for section in self.sections for row in section.rows]

    @property
    def verdicts(self) -> dict[str, int]:
        """Number of lines by verdict."""
        found = Counter(row.verdict for row in self.lines)
        return {name: found[name] for name in VERDICTS}

    @property
    def failed(self) -> bool:
        """True when something is outside its band with significance."""
        return self.verdicts[OUTSIDE] > 0

    @property
    def summary(self) -> str:
        """The verdicts in one line."""
        return ", ".join(f"{number} {name}" for name, number in self.verdicts.items() if number)

    def plain(self) -> dict[str, Any]:
        """Everything but the distributions as values that JSON knows."""
        return {
            "file": str(self.path),
            "generator": self.generator,
            "jets": self.jets,
            "weighted": self.weighted,
            "file_energy_unit": self.unit,
            "verdicts": self.verdicts,
            "sections": [
                {
                    "title": section.title,
                    "rows": [row.plain() for row in section.rows],
                    "tables": [
                        {"title": grid.title, "headings": list(grid.headings), "rows": [list(row) for row in grid.rows]}
                        for grid in section.grids
                    ],
                }
                for section in self.sections
            ],
        }


def check(path: Path) -> Report:
    """Reads a file once and says what it found; memory does not grow with the file.

    Args:
        path: HDF5 file with one structured array per stream.

    Raises:
        UserError: It cannot be read, has no dataset of jets, or no jets.
    """
    layout = Layout(path)
    if not layout.rows:
        raise UserError(f"no jets to check in {path}: dataset 'jets' has no rows")
    lacking = {kind: layout.lacking(kind.needs) for kind in PARTS}
    parts = {kind: kind(layout) for kind in PARTS if not lacking[kind]}
    try:
        for block in layout.blocks():
            for part in parts.values():
                part.fill(block)
    finally:
        layout.files.close()
    sections = []
    for title, kinds in itertools.groupby(PARTS, lambda kind: kind.section):
        section = Section(title)
        for kind in kinds:
            section.rows += parts[kind].rows() if kind in parts else [missing(kind.what, lacking[kind])]
            section.grids += parts[kind].grids() if kind in parts else []
        sections.append(section)
    generator = str(layout.attributes.get("generator", UNSTATED))
    return Report(path, generator, layout.rows, layout.has(WEIGHT), layout.energy_unit, sections, list(parts.values()))
