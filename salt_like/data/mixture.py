"""Several samples that are read as one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.sample import Sample


class Mixture:
    """Named samples one after the other.

    Args:
        samples: Name → sample.
    """

    def __init__(self, samples: Mapping[str, Sample]) -> None:
        self.samples = dict(samples)

    @property
    def rows(self) -> int:
        """Rows of all samples before any selection."""
        return sum(sample.rows for sample in self.samples.values())

    def chunks(self, *, first: int = 0, last: int | None = None) -> Iterator[Columns]:
        """The jets from row `first` up to `last`, rows counted over all samples."""
        offset = 0
        last = self.rows if last is None else last
        for sample in self.samples.values():
            begin, end = max(first - offset, 0), min(last - offset, sample.rows)
            if begin < end:
                for columns in sample.chunks(first=begin, last=end):
                    yield replace(columns, rows=columns.rows.astype(np.int64) + offset) if offset else columns
            offset += sample.rows

    def count(self) -> int:
        """Number of jets after selections and limits."""
        return sum(sample.count() for sample in self.samples.values())

    def events(self) -> NDArray[np.uint64]:
        """Different events of all samples, sorted."""
        return np.unique(np.concatenate([sample.events() for sample in self.samples.values()]))

    def fingerprint(self) -> str:
        """A hash of all that decides what `chunks` yields."""
        text = "\n".join(f"{name} {sample.fingerprint()}" for name, sample in self.samples.items())
        return hashlib.sha256(text.encode()).hexdigest()
