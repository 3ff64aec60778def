from __future__ import annotations

import numpy as np
import pytest
from packed_jets import assert_same, make_columns

from salt_like.data.columns import Columns, constituents_of


def make(number: int, seed: int, weights: bool = True) -> Columns:
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, number).astype(np.int32)
    total = int(counts.sum())
    return Columns(
        rows=np.arange(number) + 100 * seed,
        inputs={"jets": random.random((number, 2), np.float32), "tracks": random.random((total, 3), np.float32)},
        counts={"tracks": counts},
        labels={"jets": {"flavour": random.integers(0, 3, number)}, "tracks": {"origin": random.integers(0, 8, total)}},
        weights=random.random(number).astype(np.float32) if weights else None,
        events=random.integers(0, 9, number).astype(np.uint64),
        positions={"tracks": random.integers(0, 9, total).astype(np.int32)},
    )


def by_jet(columns: Columns) -> list[tuple[object, ...]]:
    """Everything of each jet, gathered the slow way."""
    ends = np.cumsum(columns.counts["tracks"])
    result = []
    for jet, (start, end) in enumerate(zip(ends - columns.counts["tracks"], ends, strict=True)):
        result.append(
            (
                int(columns.rows[jet]),
                columns.inputs["jets"][jet].tolist(),
                columns.inputs["tracks"][start:end].tolist(),
                int(columns.labels["jets"]["flavour"][jet]),
                columns.labels["tracks"]["origin"][start:end].tolist(),
                columns.positions["tracks"][start:end].tolist(),
                None if columns.weights is None else float(columns.weights[jet]),
                None if columns.events is None else int(columns.events[jet]),
            )
        )
    return result


@pytest.mark.parametrize("index", [[3, 0, 0, 6], [], slice(2, 7), np.arange(10) % 3 == 0])
def test_select_takes_whole_jets(index):
    columns = make(10, 1)
    where = index if isinstance(index, slice) else np.asarray(index, None if len(index) else int)
    expected = by_jet(columns)
    chosen = np.arange(10)[where]
    assert by_jet(columns.select(where)) == [expected[jet] for jet in chosen]
    assert len(columns.select(where)) == len(chosen)


def test_concatenate_is_the_inverse_of_select():
    columns = make(10, 2)
    parts = [columns.select(slice(0, 3)), columns.select(slice(3, 3)), columns.select(slice(3, 10))]
    assert by_jet(Columns.concatenate(parts)) == by_jet(columns)
    assert Columns.concatenate([columns]) is columns
    assert Columns.concatenate([make(3, 1, weights=False), make(2, 2, weights=False)]).weights is None


def test_constituents_of_a_repeated_and_an_empty_jet():
    counts = np.array([2, 0, 3], np.int32)
    assert constituents_of(counts, np.array([2, 1, 0, 2])).tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert constituents_of(counts, np.array([], int)).tolist() == []


def test_split_into_groups_that_share_the_arrays():
    columns, sizes = make_columns(30), [7, 0, 1, 22]
    parts = columns.split(sizes)
    for part, stop, size in zip(parts, np.cumsum(sizes), sizes, strict=True):
        assert_same(part, columns.select(slice(stop - size, stop)))
    assert np.shares_memory(parts[3].inputs["tracks"], columns.inputs["tracks"])
    assert columns.split([]) == []
