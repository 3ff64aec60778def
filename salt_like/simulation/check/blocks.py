"""A file in the field's layout, block by block, in GeV, mm and rad, whatever its own unit and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.conventions import LABEL_CLASSES, aliases
from salt_like.data.files import Files
from salt_like.data.source import Header, Rows
from salt_like.data.units import units_of
from salt_like.data.watch import watch
from salt_like.errors import UserError
from salt_like.simulation.check.sums import GROUPS, At, Floats, Integers

JETS = "jets"
LABEL = "label"  # stands for whichever field holds the flavour
RAW_LABEL, INDEX_LABEL = "jets.HadronConeExclTruthLabelID", "jets.flavour_label"
FLAVOURS = ("light", "c", "b", "tau")
LIGHT, CHARM, BOTTOM, TAU = range(4)
ROWS_AT_ONCE = 10_000
WEIGHT, EVENT = "jets.mcEventWeight", "jets.eventNumber"

_OF_CLASS = {"u": LIGHT, "l": LIGHT, "light": LIGHT, "c": CHARM, "b": BOTTOM, "tau": TAU}
_GEV = {"eV": 1e-9, "keV": 1e-6, "MeV": 1e-3, "GeV": 1.0, "TeV": 1e3, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1e3}
_GEV |= {"1/eV": 1e9, "1/keV": 1e6, "1/MeV": 1e3, "1/GeV": 1.0, "1/TeV": 1e-3, "mrad": 1e-3, "deg": np.pi / 180}
_ASSUMED_ENERGY = "MeV"  # of files that say nothing


class Layout:
    """What a file has.

    Args:
        path: HDF5 file with one structured array per stream.

    Raises:
        UserError: It cannot be read, or has no jets.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = Files([path])
        header = self.files.headers.get(JETS)
        if header is None or header.capacity:
            known = ", ".join(self.files.headers)
            raise UserError(f"no dataset '{JETS}' with one row per jet in {path}\ndatasets: {known}")
        self.rows = self.files.rows
        # only what holds row by row the same jets
        self.headers = {
            name: one for name, one in self.files.headers.items() if self.files.lengths[name] == (self.rows,)
        }
        attributes = {"units": _ASSUMED_ENERGY, **self.files.attributes}
        self._units = {name: units_of(one, attributes) for name, one in self.headers.items()}

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the file."""
        return dict(self.files.attributes)

    @property
    def energy_unit(self) -> str:
        """Unit of the transverse momentum of the jets, empty where the file does not say it."""
        return units_of(self.headers[JETS], self.files.attributes).get("pt", "")

    def header(self, stream: str) -> Header:
        """The dataset of a stream that the file has."""
        return self.headers[stream]

    def name_of(self, key: str) -> str:
        """The name of a field in the file, empty where the file has none under any of its names."""
        stream, _, name = key.partition(".")
        fields = self.headers[stream].fields if stream in self.headers else ()
        return next((one for one in aliases(name) if one in fields), "")

    def has(self, *keys: str) -> bool:
        """True when the file has all of these fields (``stream.field``), streams (``stream``) or `LABEL`."""
        return not self.lacking(keys)

    def lacking(self, keys: Sequence[str]) -> list[str]:
        """Those of these fields, streams or `LABEL` that the file does not have."""
        found = []
        for key in keys:
            if key == LABEL:
                if not (self.has(RAW_LABEL) or self._index_classes()):
                    found.append("HadronConeExclTruthLabelID")
            elif not (self.name_of(key) if "." in key else key in self.headers):
                found.append(key)
        return found

    def classes(self, key: str) -> list[str]:
        """Class names that an attribute of the dataset gives to a label, none where there is no such attribute."""
        stream = key.partition(".")[0]
        named = self.headers[stream].attributes.get(self.name_of(key)) if stream in self.headers else None
        return [str(one) for one in named] if isinstance(named, list) else []

    def scale(self, key: str) -> float:
        """By which the file's values of a field are multiplied to be in GeV, mm or rad."""
        stream = key.partition(".")[0]
        return _GEV.get(self._units[stream].get(self.name_of(key), ""), 1.0)

    def flavour(self, rows: Rows) -> Integers:
        """Flavour of jets as index into `FLAVOURS`, -1 for any other or unknown, (n,)."""
        if not self.has(RAW_LABEL):
            return self.flavour_by_index(rows)
        named = LABEL_CLASSES["HadronConeExclTruthLabelID"]
        return _flavours(rows[self.name_of(RAW_LABEL)], named)

    def flavour_by_index(self, rows: Rows) -> Integers:
        """The same from the class index alone, (n,)."""
        named = dict(enumerate(self._index_classes()))
        return _flavours(rows[self.name_of(INDEX_LABEL)], named) if named else np.full(len(rows), -1, np.int64)

    def _index_classes(self) -> list[str]:
        return self.classes(INDEX_LABEL) if self.has(INDEX_LABEL) else []

    def blocks(self) -> Iterator[Block]:
        """The file from beginning to end; shows how far it got to whoever watches."""
        with watch(f"checking {self.path.name}") as progress:
            for start in range(0, self.rows, ROWS_AT_ONCE):
                stop = min(start + ROWS_AT_ONCE, self.rows)
                yield Block(self, {name: self.files.read(name, 0, start, stop) for name in self.headers}, start)
                progress(stop, self.rows)


class Block:
    """Some jets and all that belongs to them.

    Args:
        layout: What the file has.
        rows: Rows of each stream, (n,) or (n, N).
        start: Number of the first jet in the file.
    """

    def __init__(self, layout: Layout, rows: dict[str, Rows], start: int) -> None:
        self.layout = layout
        self.raw = rows
        self.start = start
        self.flavour = layout.flavour(rows[JETS])
        self._kept: dict[str, NDArray[Any]] = {}
        self.at = At(self._groups(), self._weights())

    def __len__(self) -> int:
        """Number of jets."""
        return len(self.raw[JETS])

    def __getitem__(self, key: str) -> NDArray[Any]:
        """A field ``stream.field`` in GeV, mm or rad: one value per jet, or per real constituent, jet by jet, (n,)."""
        if key not in self._kept:
            stream = key.partition(".")[0]
            values = self.raw[stream][self.layout.name_of(key)]
            if self.layout.header(stream).capacity:
                values = values[self.real(stream)]
            integer = values.dtype.kind in "iub"
            self._kept[key] = values.astype(np.int64) if integer else values.astype(np.float64) * self.layout.scale(key)
        return self._kept[key]

    def real(self, stream: str) -> NDArray[np.bool_]:
        """Mask of the real constituents, (n, N)."""
        rows = self.raw[stream]
        return rows["valid"].astype(bool) if "valid" in (rows.dtype.names or ()) else np.ones(rows.shape, bool)

    def jet(self, stream: str) -> Integers:
        """The jet of each real constituent, (k,)."""
        key = f"{stream}/jet"
        if key not in self._kept:
            self._kept[key] = np.nonzero(self.real(stream))[0]
        return self._kept[key]

    def of(self, stream: str) -> At:
        """Groups and weights of the real constituents."""
        return self.at[self.jet(stream)]

    def flavour_of(self, stream: str) -> Integers:
        """Flavour of the jet of each real constituent, (k,)."""
        return np.asarray(self.flavour[self.jet(stream)])

    def _groups(self) -> Integers:
        rows = np.arange(self.start, self.start + len(self), dtype=np.uint64)
        events = self[EVENT].astype(np.uint64) if self.layout.has(EVENT) else rows // np.uint64(16)
        return np.asarray(hashed(events) >> np.uint64(40), np.int64) % GROUPS

    def _weights(self) -> Floats:
        if not self.layout.has(WEIGHT):
            return np.ones(len(self))
        weights = self[WEIGHT].astype(np.float64)
        return np.where(np.isfinite(weights), weights, 0.0)


def hashed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers that look random, one for each number (Steele et al., OOPSLA 2014, SplitMix), (n,)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def _flavours(label: NDArray[Any], names: Mapping[int, str]) -> Integers:
    found = np.full(len(label), -1, np.int64)
    for value, name in names.items():
        found[label == value] = _OF_CLASS.get(name.removesuffix("jets"), -1)
    return found
