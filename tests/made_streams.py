"""Rows of simulated files, made without a simulation."""

from __future__ import annotations

import numpy as np

from salt_like.simulation.layout import DTYPES, LENGTHS


def made_streams(jets, seed=0):
    """Random numbers in every field of real constituents, zeros in empty slots."""
    random = np.random.default_rng([seed, jets])
    streams = {}
    for name, dtype in DTYPES.items():
        shape = (jets, LENGTHS[name]) if name in LENGTHS else (jets,)
        rows = np.zeros(shape, dtype)
        filled = np.ones(shape, np.bool_)
        if name in LENGTHS:
            filled = np.arange(LENGTHS[name]) < random.integers(0, LENGTHS[name] + 1, jets)[:, None]
            rows["valid"] = filled
        for field in dtype.names or ():
            if field != "valid":
                rows[field] = np.where(filled, random.normal(0, 50, shape).astype(dtype[field]), 0)
        streams[name] = rows
    streams["jets"]["eventNumber"] = seed * 1000 + np.arange(jets)
    return streams
