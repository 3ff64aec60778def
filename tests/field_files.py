"""Small synthetic files in the field's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

CAPACITY = 6
FLAVOURS = ["ujets", "cjets", "bjets", "taujets"]
JETS = np.dtype(
    [
        ("pt", "f4"),
        ("eta", "f2"),
        ("mass", "f8"),
        ("softMuon_pt", "f4"),
        ("flavour_label", "i4"),
        ("HadronConeExclTruthLabelID", "i4"),
        ("HadronPt", "f4"),
        ("weight", "f4"),
        ("eventNumber", "i8"),
        ("process", "i4"),
    ]
)
TRACKS = np.dtype(
    [
        ("d0", "f4"),
        ("pt", "f4"),
        ("hits", "u1"),
        ("ftagTruthOriginLabel", "i1"),
        ("ftagTruthVertexIndex", "i1"),
        ("valid", "?"),
    ]
)


def make_arrays(number: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    """Random jets; what lies in the padding is garbage that must never be looked at."""
    random = np.random.default_rng(seed)
    jets = np.zeros(number, JETS)
    jets["pt"] = random.uniform(20e3, 200e3, number)
    jets["eta"] = random.uniform(-2.5, 2.5, number)
    jets["mass"] = random.uniform(1e3, 9e3, number)
    jets["softMuon_pt"] = np.where(random.random(number) < 0.5, -999, random.uniform(1e3, 2e4, number))
    jets["flavour_label"] = np.arange(number) % 4
    jets["HadronConeExclTruthLabelID"] = np.array([0, 4, 5, 15])[jets["flavour_label"]]
    jets["HadronPt"] = np.where(np.isin(jets["flavour_label"], [1, 2]), random.uniform(5e3, 1e5, number), np.nan)
    jets["weight"] = random.uniform(0.5, 1.5, number)
    jets["eventNumber"] = np.arange(number) // 2
    jets["process"] = np.arange(number) // 2 % 3
    tracks = np.zeros((number, CAPACITY), TRACKS)
    for name in ("d0", "pt"):
        tracks[name] = random.uniform(0.1, 1.0, tracks.shape) * (1 if name == "d0" else 1e4)
    tracks["hits"] = random.integers(3, 9, tracks.shape)
    tracks["ftagTruthOriginLabel"] = random.integers(0, 8, tracks.shape)
    tracks["ftagTruthVertexIndex"] = random.integers(-2, 3, tracks.shape)
    tracks["valid"] = np.arange(CAPACITY) < random.integers(0, CAPACITY + 1, number)[:, None]
    padding = ~tracks["valid"]
    tracks["d0"][padding], tracks["pt"][padding] = np.nan, -1.0
    tracks["ftagTruthOriginLabel"][padding] = 99
    return {"jets": jets, "tracks": tracks}


def write(path: Path, arrays: dict[str, np.ndarray], **attributes: Any) -> Path:
    """Write arrays as they are; attributes by dataset name, ``file`` for the file's own."""
    attributes = {"jets": {"flavour_label": FLAVOURS}, "file": {"units": "MeV, mm, rad"}, **attributes}
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes["file"])
        for name, array in arrays.items():
            file.create_dataset(name, data=array).attrs.update(attributes.get(name, {}))
    return path
