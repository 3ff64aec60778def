"""The training file in random order, and what Salt must know of it, for benchmarks/physics.py.

Simulated files have the jets of one process next to each other. Our training and weaver's shuffle jets; Salt shuffles
batches of neighbouring jets, because the files of its users are shuffled before (by umami-preprocessing). All of them
are given the same shuffled file.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from sample_statistics import write_statistics

STREAMS = ("jets", "tracks")


def shuffled(source: Path, target: Path, seed: int = 0, jets: int | None = None) -> Path:
    """A copy of the jets and tracks of a file in random order, not compressed; nothing where it is there already.

    Args:
        source: The file.
        target: Its copy.
        seed: Of the order.
        jets: How many of them; all for ``None``.
    """
    if target.exists():
        return target
    temporary = target.with_suffix(".tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(source, "r") as file, h5py.File(temporary, "w") as copy:
        order = np.random.default_rng(seed).permutation(len(file["jets"]))[:jets]
        for name in STREAMS:
            dataset = copy.create_dataset(name, data=file[name][()][order])
            dataset.attrs.update(file[name].attrs)
    temporary.rename(target)
    return target


def statistics(train: Path, folder: Path) -> Path:
    """Means, widths and class frequencies of all jets, in the two files that Salt reads."""
    if not (folder / "class_dict.yaml").exists():
        write_statistics(train, folder, rows=10**9)
    return folder
