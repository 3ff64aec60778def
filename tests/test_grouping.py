"""Groups of similar multiplicity, and listed pairs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import COUNTS, brute_pairs

from salt_like.grouping import list_pairs, partition


@pytest.mark.parametrize("counts", [COUNTS, (0, 0, 0), (5,)], ids=["ragged", "all-empty", "one"])
def test_list_pairs(counts):
    counts = torch.tensor(counts)
    assert [tuple(pair) for pair in list_pairs(counts).T.tolist()] == list(brute_pairs(counts))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 70), max_size=30))
def test_list_pairs_of_any_jets(counts):
    pairs = list_pairs(torch.tensor(counts, dtype=torch.int64))
    assert [tuple(pair) for pair in pairs.T.tolist()] == list(brute_pairs(torch.tensor(counts)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 9))
def test_partition_is_a_partition_in_order(counts, number):
    counts = torch.tensor(counts)
    groups = partition(counts, number)
    assert len(groups) == number
    assert sorted(torch.cat(groups).tolist()) == list(range(len(counts)))
    ordered = counts[torch.cat(groups)]
    assert (ordered[1:] >= ordered[:-1]).all()


def test_partition_saves_slots():
    counts = torch.poisson(torch.full((500,), 8.0), generator=torch.Generator().manual_seed(0)).long()
    slots = sum(len(group) * int(counts[group].max()) for group in partition(counts, 8) if len(group))
    assert slots < 0.75 * len(counts) * int(counts.max())
