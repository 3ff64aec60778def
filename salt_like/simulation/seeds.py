"""Where random numbers come from: independent streams of one seed, each for one purpose and one part of the sample."""

from __future__ import annotations

import numpy as np

# First number of the spawn key. Never renumber: the same seed would give another sample.
EVENTS, DETECTOR, POOL = 0, 1, 2


def random_of(seed: int, purpose: int, index: int = 0) -> np.random.Generator:
    """Random numbers that depend on these three only, and share nothing with those of any others.

    Args:
        seed: The user's.
        purpose: `EVENTS`, `DETECTOR` or `POOL`.
        index: Chunk of the sample.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, index)))
