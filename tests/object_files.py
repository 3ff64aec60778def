"""Small synthetic files with true objects, and a task that finds them."""

from __future__ import annotations

import numpy as np
from field_files import make_arrays

HADRONS = np.dtype([("barcode", "i4"), ("flavour", "i4"), ("pt", "f4"), ("valid", "?")])
ARGUMENTS = {
    "stream": "tracks",
    "objects": "truth_hadrons",
    "link": "parent",
    "label": "flavour",
    "label_map": {5: "b", 4: "c"},
    "values": {"pt": "log"},
}


def arrays(number: int = 30, seed: int = 0) -> dict[str, np.ndarray]:
    random, made = np.random.default_rng(seed), make_arrays(number, seed)
    hadrons = np.zeros((number, 3), HADRONS)
    hadrons["valid"] = np.arange(3) < random.integers(0, 4, number)[:, None]
    hadrons["barcode"] = np.where(hadrons["valid"], random.permuted(np.tile(np.arange(3), (number, 1)), axis=1), 7)
    hadrons["flavour"] = np.where(hadrons["valid"], random.integers(4, 6, hadrons.shape), 99)
    hadrons["pt"] = random.uniform(5, 50, hadrons.shape)
    old = made["tracks"]
    tracks = np.zeros(old.shape, [*((name, old.dtype[name]) for name in old.dtype.names), ("parent", "i4")])
    for name in old.dtype.names:
        tracks[name] = old[name]
    tracks["parent"] = random.integers(-1, 3, old.shape)
    return {**made, "tracks": tracks, "truth_hadrons": hadrons}
