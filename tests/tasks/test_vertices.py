from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from salt_like.grouping import list_pairs, partition
from salt_like.sets import Layout, Packed, Padded
from salt_like.tasks.vertices import vertices


def both_layouts(counts: list[int], slots: int) -> tuple[Padded, Packed]:
    number = torch.tensor(counts)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), number.cumsum(0)])
    buckets = partition(number, 3)
    longest = tuple(max([1, *number[bucket].tolist()]) for bucket in buckets)
    packed = Packed(offsets, int(number.sum()), longest, buckets, list_pairs(number))
    return Padded(torch.arange(slots) < number[:, None]), packed


def joined(layout: Layout, edges: torch.Tensor, slot: torch.Tensor, jet: torch.Tensor) -> torch.Tensor:
    """The flags of the pairs of a layout, looked up in matrices (B, N, N)."""
    place = torch.stack([jet, slot], -1)
    first, second, _ = layout.pairs(place)
    return edges[first[..., 0], first[..., 1], second[..., 1]]


def flags(padded: Padded, packed: Packed, edges: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    jets, slots = padded.valid.shape
    slot = torch.arange(slots).expand(jets, -1)
    jet = torch.arange(jets)[:, None].expand(-1, slots)
    valid = padded.valid
    return joined(padded, edges, slot, jet), joined(packed, edges, slot[valid], jet[valid])


def by_scipy(edges: np.ndarray) -> np.ndarray:
    """Components numbered in the order of their first members."""
    _, found = connected_components(coo_matrix(edges), directed=False)
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def check(counts: list[int], slots: int, edges: torch.Tensor, rounds: int) -> None:
    padded, packed = both_layouts(counts, slots)
    for_padded, for_packed = flags(padded, packed, edges)
    in_padded = vertices(for_padded, padded, rounds)
    in_packed = vertices(for_packed, packed, rounds)
    assert in_padded.dtype == in_packed.dtype == torch.int64
    assert (in_padded[~padded.valid] == -1).all()
    assert torch.equal(in_padded[padded.valid], in_packed)
    for jet, count in enumerate(counts):
        expected = by_scipy(edges[jet, :count, :count].numpy()) if count else np.zeros(0, dtype=int)
        assert in_padded[jet, :count].tolist() == expected.tolist()


@pytest.mark.parametrize("density", [0.0, 0.02, 0.05, 0.1, 0.3, 1.0])
def test_random_graphs_agree_with_scipy(density):
    generator = torch.Generator().manual_seed(int(density * 100))
    counts = [0, 1, 2, 3, 40, 17, 5, 25, 0, 33]
    edges = torch.rand(len(counts), 40, 40, generator=generator) < density
    check(counts, 40, edges | edges.transpose(1, 2), rounds=6)  # padding slots are joined too: they must not connect


@pytest.mark.parametrize(("length", "rounds"), [(40, 6), (100, 7), (300, 9)])
def test_long_chains_in_random_order(length, rounds):
    generator = torch.Generator().manual_seed(length)
    edges = torch.zeros(2, length, length, dtype=torch.bool)
    order = torch.randperm(length, generator=generator)
    edges[0, order[:-1], order[1:]] = True
    half = length // 2
    edges[1, order[: half - 1], order[1:half]] = True
    edges[1, order[half:-1], order[half + 1 :]] = True
    check([length, length], length, edges | edges.transpose(1, 2), rounds)


def test_more_than_127_vertices():
    edges = torch.zeros(1, 300, 300, dtype=torch.bool)
    edges[0, 298, 299] = edges[0, 299, 298] = True
    padded, packed = both_layouts([300], 300)
    for_padded, for_packed = flags(padded, packed, edges)
    expected = [*range(299), 298]
    assert vertices(for_padded, padded, 10)[0].tolist() == expected
    assert vertices(for_packed, packed, 10).tolist() == expected


def test_numbers_follow_the_first_constituent_and_singletons_are_vertices():
    edges = torch.zeros(1, 6, 6, dtype=torch.bool)
    for one, other in ((0, 4), (2, 5)):
        edges[0, one, other] = edges[0, other, one] = True
    padded, packed = both_layouts([6], 8)
    wide = torch.nn.functional.pad(edges, (0, 2, 0, 2))
    for_padded, for_packed = flags(padded, packed, wide)
    assert vertices(for_padded, padded, 3).tolist() == [[0, 1, 2, 3, 0, 2, -1, -1]]
    assert vertices(for_packed, packed, 3).tolist() == [0, 1, 2, 3, 0, 2]


@pytest.mark.parametrize("slots", [0, 1, 4])
def test_jets_without_constituents(slots):
    padded, packed = both_layouts([0, 0], slots)
    nothing = torch.zeros(2, slots * (slots - 1) // 2, dtype=torch.bool)
    assert vertices(nothing, padded, 4).tolist() == [[-1] * slots] * 2
    assert vertices(nothing[0, :0], packed, 4).shape == (0,)


def test_pair_grids_need_the_list_of_pairs():
    layout = Packed(torch.tensor([0, 2]), 2, (2,))
    with pytest.raises(ValueError, match="lists no pairs"):
        layout.pair_grids(torch.ones(1, dtype=torch.bool))
