from __future__ import annotations

import json

import numpy as np
import pytest

from salt_like.evaluation.histogram import BINS, FEW_BINS, edges_around, histogram


def test_shares_and_errors_of_weighted_entries() -> None:
    values = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 7.0, np.nan, np.inf, -np.inf])
    weights = np.arange(1.0, 11.0)
    found = histogram(values, np.array([0.0, 1.0, 2.0]), weights)
    assert found is not None
    assert found.shares == pytest.approx([(2 + 3) / 55, (4 + 5 + 6) / 55])  # the last edge belongs to the last bin
    assert found.errors == pytest.approx([np.sqrt(4 + 9) / 55, np.sqrt(16 + 25 + 36) / 55])
    assert (found.below, found.above) == pytest.approx(((1 + 8 + 10) / 55, (7 + 9) / 55))
    assert found.below + sum(found.shares) + found.above == pytest.approx(1)
    assert found.entries == pytest.approx(55**2 / (weights**2).sum())
    json.dumps(found.plain(), allow_nan=False)


def test_as_numpy_counts() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    edges = edges_around(values)
    assert len(edges) == BINS + 1
    found = histogram(values, edges)
    assert found is not None
    assert np.array(found.shares) * 50_000 == pytest.approx(np.histogram(values, edges)[0])
    assert found.below == pytest.approx(0.005, abs=2e-4)
    assert found.above == pytest.approx(0.005, abs=2e-4)


@pytest.mark.parametrize("values", [[], [np.inf, np.nan], [3.0], [3.0, 3.0, -np.inf]])
def test_edges_rise_whatever_the_values(values: list[float]) -> None:
    edges = edges_around(np.array(values))
    assert len(edges) == FEW_BINS + 1
    assert (np.diff(edges) > 0).all()


def test_nothing_where_there_are_no_entries() -> None:
    assert histogram(np.zeros(0), np.array([0.0, 1.0])) is None
    assert histogram(np.zeros(2), np.array([0.0, 1.0]), np.array([1.0, -1.0])) is None
