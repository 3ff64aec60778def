"""Structured arrays to a file of HDF5: the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from salt_like.atomic import write_atomically
from salt_like.simulation.layout import CLASS_NAMES, DTYPES, LENGTHS, ORDER, TRUTH_FIELDS

Streams = dict[str, NDArray[Any]]

BLOCK = 2000  # jets that are compressed together
COMPRESSION = 7  # of gzip; a higher level takes four times as long for 3 %
# bits of the 23 of a mantissa: steps of 0.1, 0.4 and 0.8 %, finer than what is measured
KEPT_BITS = {"jets": 10, "tracks": 8, "flows": 7, "truth_hadrons": 10}
SHUFFLED = ("jets", "tracks", "flows")  # bytes of the same place together; the few hadrons are smaller without
EXACT = ("mcEventWeight",)


def write(path: Path, chunks: Iterable[Streams], jets: int, attributes: Mapping[str, Any]) -> None:
    """Write the first rows of some chunks, all or nothing.

    Args:
        path: The file.
        chunks: Rows of each stream; at least as many as wanted together.
        jets: How many rows are written.
        attributes: Attributes of the file.
    """
    with write_atomically(path) as temporary, h5py.File(temporary, "w", locking=False) as file:
        for name, value in attributes.items():
            file.attrs[name] = value
        datasets = {name: _dataset(file, name, jets) for name in DTYPES}
        start = 0
        for block in _blocks(chunks, jets):
            stop = start + len(block["jets"])
            for name, rows in block.items():
                datasets[name][start:stop] = rounded(rows, KEPT_BITS[name])
            start = stop


def _dataset(file: h5py.File, name: str, jets: int) -> h5py.Dataset:
    shape = (LENGTHS[name],) if name in LENGTHS else ()
    dataset = file.create_dataset(
        name,
        shape=(jets, *shape),
        dtype=DTYPES[name],
        chunks=(min(BLOCK, jets), *shape),
        compression="gzip",
        compression_opts=COMPRESSION,
        shuffle=name in SHUFFLED,
        track_times=False,
    )
    for label, classes in CLASS_NAMES.get(name, {}).items():
        dataset.attrs[label] = list(classes)
    if TRUTH_FIELDS[name]:
        dataset.attrs["truth"] = list(TRUTH_FIELDS[name])
    if name in ORDER:
        dataset.attrs["order"] = ORDER[name]
    return dataset


def _blocks(chunks: Iterable[Streams], jets: int) -> Iterator[Streams]:
    """The first rows in blocks of one size, so that each part of the file is compressed once."""
    waiting: list[Streams] = []
    ready = written = 0
    for chunk in chunks:
        waiting.append(chunk)
        ready += len(chunk["jets"])
        last = written + ready >= jets
        if ready < BLOCK and not last:
            continue
        joined = {name: np.concatenate([one[name] for one in waiting]) for name in chunk}
        full = jets - written if last else ready // BLOCK * BLOCK
        for start in range(0, full, BLOCK):
            yield {name: rows[start : min(start + BLOCK, full)] for name, rows in joined.items()}
        waiting, ready, written = [{name: rows[full:] for name, rows in joined.items()}], ready - full, written + full
        if last:
            return


def rounded(rows: NDArray[Any], kept: int) -> NDArray[Any]:
    """A copy whose numbers of four bytes keep some bits of their mantissa, rounded to even: they compress well.

    Args:
        rows: A structured array.
        kept: Number of bits kept, of 23.
    """
    result = rows.copy()
    dropped = 23 - kept
    for name in rows.dtype.names or ():
        if rows.dtype[name] == np.float32 and name not in EXACT:
            values = rows[name]
            bits = values.view(np.uint32) if values.flags.c_contiguous else np.ascontiguousarray(values).view(np.uint32)
            even = (bits >> np.uint32(dropped)) & np.uint32(1)
            short = bits + np.uint32((1 << (dropped - 1)) - 1) + even
            short &= ~np.uint32((1 << dropped) - 1)
            result[name] = np.where(np.isfinite(values), short.view(np.float32), values)
    return result
