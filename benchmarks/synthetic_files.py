"""Files with any number of tracks a jet, made by resampling the tracks of real simulated jets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

LENGTH = 40  # shortest track axis written: that of the field's files
LARGEST_INDEX = 127  # vertex indices are stored in one byte


def write_resampled(source: Path, target: Path, mean: float | None, rows: int, compression: str | None = "lzf") -> None:
    """Write ``rows`` jets of ``source`` with ``mean`` tracks a jet on average.

    A jet's number of tracks is its own one scaled, so that the spread keeps its shape. A jet begins with its own tracks
    and goes on with those of following jets of its flavour; vertices of different jets stay different vertices, the
    primary vertex (index 0) stays one. The track axis holds the 99 % longest jets whole, and is at least 40 long.
    Chunks are 100 jets, as umami-preprocessing writes them.

    Args:
        source: file in the ATLAS layout.
        target: file to write.
        mean: wanted mean number of tracks; None copies the jets as they are.
        rows: number of jets.
        compression: HDF5 filter, or None.
    """
    with h5py.File(source) as file:
        jets: np.ndarray[Any, Any] = file["jets"][:rows]
        tracks: np.ndarray[Any, Any] = file["tracks"][:rows]
        names = file["jets"].attrs["flavour_label"]
    if mean is not None:
        tracks = _resample(jets, tracks, mean)
        if "n_tracks" in jets.dtype.names:
            jets["n_tracks"] = tracks["valid"].sum(1)
    with h5py.File(target, "w") as file:
        file.create_dataset("jets", data=jets, chunks=(100,), compression=compression)
        file.create_dataset("tracks", data=tracks, chunks=(100, tracks.shape[1]), compression=compression)
        file["jets"].attrs["flavour_label"] = names


def _resample(jets: np.ndarray[Any, Any], tracks: np.ndarray[Any, Any], mean: float) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    order = np.argsort(jets["flavour_label"], kind="stable")  # neighbours in this order share a flavour
    valid = tracks["valid"][order]
    own = valid.sum(1)
    flat = tracks[order][valid]  # all tracks one after another
    owner = np.repeat(np.arange(len(order)), own)
    first = np.cumsum(own) - own
    wanted = own * (mean / own.mean())
    counts = np.maximum(1, np.floor(wanted + rng.random(len(own))).astype(int))
    length = max(LENGTH, int(np.ceil(np.quantile(counts, 0.99) / 8) * 8))
    slots = np.arange(length)
    keep = slots < np.minimum(counts, length)[:, None]  # (B, N)
    rows = (first[:, None] + slots)[keep] % len(flat)  # a jet's window of the flat tracks
    result = np.zeros((len(order), length), tracks.dtype)
    filled = flat[rows]
    donor = (owner[rows] - np.nonzero(keep)[0]) % len(order)  # 0 for the jet itself, 1 for the next one, …
    index = filled["ftagTruthVertexIndex"].astype(int)
    moved = np.minimum(index + donor * (index.max() + 1), LARGEST_INDEX)
    filled["ftagTruthVertexIndex"] = np.where(index > 0, moved, index)
    result[keep] = filled
    back = np.empty_like(result)
    back[order] = result
    return back
