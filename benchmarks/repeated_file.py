"""A file of any number of jets, made by repeating those of a small one."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np


def write_repeated(source: Path, target: Path, jets: int, spread: float = 0.01) -> None:
    """Write `jets` jets: those of `source` again and again, each time with other event numbers and other values.

    Floating-point fields are multiplied by a random number near 1, another one for each field and repetition, so that
    no two jets are equal. The file appears when it is complete.

    Args:
        source: file in the ATLAS layout.
        target: file to write, compressed with lzf.
        jets: number of jets.
        spread: standard deviation of the factors.
    """
    random = np.random.default_rng(0)
    partial = target.with_suffix(".partial")
    with h5py.File(source) as file, h5py.File(partial, "w") as big:
        found = {name: file[name][:] for name in ("jets", "tracks")}
        number = len(found["jets"])
        events = int(found["jets"]["eventNumber"].max()) + 1
        for name, rows in found.items():
            shape = (jets, *rows.shape[1:])
            made = big.create_dataset(name, shape, rows.dtype, chunks=(1000, *rows.shape[1:]), compression="lzf")
            made.attrs.update(file[name].attrs)
        for copy, first in enumerate(range(0, jets, number)):
            count = min(number, jets - first)
            for name, rows in found.items():
                changed = rows[:count].copy()
                for field in rows.dtype.names:
                    if rows.dtype[field].kind == "f":
                        changed[field] *= np.asarray(random.normal(1, spread), rows.dtype[field])
                if name == "jets":
                    changed["eventNumber"] += copy * events
                big[name][first : first + count] = changed
    partial.rename(target)
