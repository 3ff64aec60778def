"""Which event a jet belongs to: splits that keep events whole, and the search for events in two samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from salt_like.errors import UserError

Hashes = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class EventPart:
    """A share of all events, chosen by the hash of their identity: the same whatever the order of the jets.

    Args:
        by: Integer fields of the global stream that together identify an event.
        low: Lower end of the share, between 0 and 1.
        high: Upper end of the share, excluded.
    """

    by: tuple[str, ...]
    low: float
    high: float

    def contains(self, rows: NDArray[np.void]) -> NDArray[np.bool_]:
        """True for the rows whose event belongs to this share, ``(n,)``."""
        # mixed once more, so that the share is independent of whatever else is drawn from the event's hash
        place = (_mix(event_hash(rows, self.by)) >> np.uint64(11)).astype(np.float64) / 2.0**53
        return (place >= self.low) & (place < self.high)


def event_parts(by: str | Sequence[str], fractions: Sequence[float]) -> tuple[EventPart, ...]:
    """Divide all events into shares.

    Args:
        by: Field or fields that identify an event.
        fractions: Size of each share; they sum to 1.

    Raises:
        UserError: A fraction is negative or they do not sum to 1.
    """
    fields = (by,) if isinstance(by, str) else tuple(by)
    if not fields:
        raise UserError("data.split.by names no field: give one that identifies an event, such as eventNumber")
    if min(fractions, default=-1.0) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise UserError(
            f"data.split.fractions must be positive and sum to 1, not to {sum(fractions):g}: {list(fractions)}\n"
            "they are the shares of the events for training, validation and test, such as [0.8, 0.1, 0.1]"
        )
    edges = [0.0, *np.cumsum(fractions).tolist()]
    edges[-1] = 1.0
    return tuple(EventPart(fields, low, high) for low, high in pairwise(edges))


def event_hash(rows: NDArray[np.void], fields: Sequence[str], run: int = 0) -> Hashes:
    """Mix integer fields into one number per row, ``(n,)`` uint64; the same on every machine.

    Args:
        rows: Rows of the global stream.
        fields: Fields that together identify an event.
        run: What else tells events apart: event numbers of files generated with different seeds mean nothing together.

    Raises:
        UserError: A field holds no integers.
    """
    result = np.full(rows.shape[0], run & _MASK, np.uint64)
    for number, name in enumerate(fields, start=1):
        values = rows[name]
        if values.dtype.kind not in "iub":
            raise UserError(f"the field '{name}' cannot identify an event: it holds {values.dtype}, not integers")
        whole = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64).view(np.uint64)
        result = _mix(result ^ _mix(whole + np.uint64(number * _GOLDEN & _MASK)))
    return result


def _mix(values: Hashes) -> Hashes:
    """The finaliser of splitmix64: every bit of the result depends on every bit of the argument."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def shared_events(first: Hashes, second: Hashes) -> int:
    """Number of different events that occur in both."""
    return int(np.intersect1d(first, second).size)


def check_overlap(events: dict[str, Hashes], fields: Sequence[str]) -> None:
    """Refuse samples that share events.

    Args:
        events: Hashes of the events of each sample by the name that the user gave it, such as ``data.train``.
        fields: Fields that were used to identify an event.

    Raises:
        UserError: Two samples have an event in common.
    """
    names = list(events)
    for position, one in enumerate(names):
        for other in names[position + 1 :]:
            number = shared_events(events[one], events[other])
            if number:
                total = np.unique(events[other]).size
                raise UserError(
                    f"{one} and {other} share {number} events, of {total} in {other}: jets of one event on both sides\n"
                    f"events were told apart by {', '.join(fields)}; where that is not enough give all fields that are "
                    f"needed, such as data.event: [mcChannelNumber, eventNumber]\n"
                    f"split by event (data.split), or set data.allow_overlap: true"
                )
