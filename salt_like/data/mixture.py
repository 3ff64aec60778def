"""Several samples that are read as one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.data.sample import Sample
from salt_like.errors import UserError, nearest


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


def shared_out(samples: Mapping[str, Sample], fractions: Mapping[str, float], total: int | None) -> dict[str, int]:
    """Numbers of jets to take of named samples so that they make up the given fractions.

    Args:
        samples: Samples by name, without limits.
        fractions: Fraction of the jets that each sample shall make up; they sum to 1.
        total: Number of jets wanted in all, ``None`` for as many as there are.

    Raises:
        UserError: A name is unknown or missing, the fractions do not sum to 1, or there are too few jets.
    """
    for name in fractions:
        if name not in samples:
            raise UserError(
                f"data.fractions names '{name}'{nearest(name, samples)}, which is no training sample\n"
                f"training samples (data.train): {', '.join(samples)}"
            )
    missing = [name for name in samples if name not in fractions]
    if missing:
        raise UserError(
            f"data.fractions lacks the training sample '{missing[0]}': {dict(fractions)}\n"
            f"it must give a fraction for each of: {', '.join(samples)}"
        )
    if min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise UserError(
            f"data.fractions must be positive and sum to 1, not to {sum(fractions.values()):g}: {dict(fractions)}\n"
            f"training samples: {', '.join(samples)}"
        )
    counts = {name: sample.count() for name, sample in samples.items()}
    possible = min(int(counts[name] / fraction + 1e-9) for name, fraction in fractions.items())
    if total is not None and total > possible:
        short = min(fractions, key=lambda name: counts[name] / fractions[name])
        raise UserError(
            f"data.num_train asks for {total} jets, of which {fractions[short]:.3g} from '{short}': "
            f"it has {counts[short]}, enough for {possible} in all"
        )
    wanted = possible if total is None else total
    return {name: max(1, int(wanted * fraction + 0.5)) for name, fraction in fractions.items()}
