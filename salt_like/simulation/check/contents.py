"""Values that are no number, and what the file says about itself."""

from __future__ import annotations

from collections import Counter

import numpy as np

from salt_like.data.source import Header
from salt_like.data.truth import truth_of
from salt_like.data.units import units_of
from salt_like.simulation.check import expected
from salt_like.simulation.check.blocks import INDEX_LABEL, JETS, LABEL, LIGHT, RAW_LABEL, Block, Layout
from salt_like.simulation.check.part import Part
from salt_like.simulation.check.tracks import ORIGIN
from salt_like.simulation.check.verdict import Row, exact, missing

OF_HADRON = ("jets.HadronConeExclTruthLabelPt", "jets.HadronConeExclTruthLabelLxy")
OF_TRUTH_JET = ("jets.ptFromTruthJet", "jets.truthMass")
LABELS = (INDEX_LABEL, ORIGIN)  # whose class names a file must give
SHOWN = 6  # names in a note


class NoNumbers(Part):
    """NaN exactly where a truth field has no meaning, and nowhere else."""

    section, what, needs = "Contents", "values without meaning", (LABEL,)

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.light = {key: 0 for key in OF_HADRON if layout.has(key)}
        self.heavy = dict(self.light)
        self.none = {key: 0 for key in OF_TRUTH_JET if layout.has(key)}
        self.broken: Counter[str] = Counter()
        self.disagreeing = 0

    def fill(self, block: Block) -> None:
        for key in self.light:
            self.light[key] += int(np.isfinite(block[key][block.flavour == LIGHT]).sum())
            self.heavy[key] += int((~np.isfinite(block[key][block.flavour > LIGHT])).sum())
        for key in self.none:
            massless = key == "jets.truthMass"  # a truth jet of one photon has no mass
            self.none[key] += int(((block[key] < 0) if massless else (block[key] <= 0)).sum())
        if self.layout.has(RAW_LABEL, INDEX_LABEL) and self.layout.classes(INDEX_LABEL):
            self.disagreeing += int((block.flavour != self.layout.flavour_by_index(block.raw[JETS])).sum())
        for stream, header in self.layout.headers.items():
            self._count(block, stream, header)

    def _count(self, block: Block, stream: str, header: Header) -> None:
        meaningless = {self.layout.name_of(key) for key in (*OF_HADRON, *OF_TRUTH_JET)}
        rows = block.raw[stream]
        rows = rows[block.real(stream)] if header.capacity else rows
        for name in header.fields:
            if header.dtype[name].kind == "f" and not (stream == JETS and name in meaningless):
                number = int((~np.isfinite(rows[name])).sum())
                if number:
                    self.broken[f"{stream}.{name}"] += number

    def rows(self) -> list[Row]:
        """Numbers of values that are wrong."""
        rows = []
        for key in self.light:
            name = key.partition(".")[2]
            rows.append(exact(f"light jets with a number as {name}", self.light[key], expected.NOTHING))
            rows.append(exact(f"b, c and tau jets without a number as {name}", self.heavy[key], expected.NOTHING))
        for key, number in self.none.items():
            name = f"jets with {key.partition('.')[2]} {'below 0' if key == 'jets.truthMass' else 'of 0 or less'}"
            rows.append(exact(name, number, expected.NOTHING, note="NaN where there is no truth jet"))
        note = ", ".join(f"{name} {number}" for name, number in self.broken.most_common(SHOWN))
        rows.append(exact("NaN or infinite in other fields", self.broken.total(), expected.NOTHING, note=note))
        if self.layout.has(RAW_LABEL, INDEX_LABEL) and self.layout.classes(INDEX_LABEL):
            name = "jets whose flavour_label and HadronConeExclTruthLabelID disagree"
            rows.append(exact(name, self.disagreeing, expected.NOTHING))
        return rows


class Attributes(Part):
    """What readers of the file must be told by the file: truth, class names, units, where it comes from."""

    section, what, needs = "Contents", "attributes", ()

    def fill(self, block: Block) -> None:
        """Attributes are in no block."""

    def rows(self) -> list[Row]:
        """What is not said."""
        unmarked = [f"{name}.{field}" for name, one in self.layout.headers.items() for field in _unmarked(one)]
        rows = [exact("truth fields not marked as truth", len(unmarked), expected.NOTHING, note=_some(unmarked))]
        for key in LABELS:
            name = f"labels without class names: {key}"
            if self.layout.has(key):
                rows.append(exact(name, int(not self.layout.classes(key)), expected.NOTHING))
            else:
                rows.append(missing(name, [key]))
        streams = self.layout.headers.items()
        stated = {name: units_of(one, self.layout.attributes) for name, one in streams}
        unknown = [f"{name}.pt" for name, one in streams if "pt" in one.fields and not stated[name]["pt"]]
        note = f"{_some(unknown)}: taken as MeV" if unknown else ""
        rows.append(exact("momenta without a unit", len(unknown), expected.NOTHING, note=note))
        unsaid = [name for name in ("generator", "licence", "seed") if name not in self.layout.attributes]
        return [*rows, exact("not said: generator, licence, seed", len(unsaid), expected.NOTHING, note=_some(unsaid))]


def _unmarked(header: Header) -> list[str]:
    """Fields that are truth by their name and not by an attribute."""
    marked = header.attributes.get("truth", ())
    named = (marked,) if isinstance(marked, str) else tuple(marked)
    return [name for name in truth_of(header) if name not in named and name != "valid"]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
