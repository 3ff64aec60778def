"""Where random numbers come from: independent streams of one seed, each for one purpose and one part of the sample."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.record import Integers

# First number of the spawn key. Never renumber: the same seed would give another sample.
EVENTS, DETECTOR, POOL = 0, 1, 2


def random_of(seed: int, purpose: int, index: int = 0) -> np.random.Generator:
    """Random numbers that depend on these three only, and share nothing with those of any others.

    Args:
        seed: The user's.
        purpose: `EVENTS`, `DETECTOR` or `POOL`.
        index: Chunk of the sample, or block of the pool.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, index)))


def event_numbers(seed: int, first: int, number: int) -> Integers:
    """Numbers that say which event it is also in several files: files of different seeds have none in common.

    Files of the same seed do have events in common, and these have the same numbers. The upper 31 bits are those of the
    seed, so seeds must differ by more than multiples of 2³¹.

    Args:
        seed: The user's.
        first: Place of the first event within the sample, from 0.
        number: How many.

    Returns:
        The numbers, never negative, (E,).
    """
    return (np.int64(seed % 2**31) << np.int64(32)) + first + np.arange(number)
