"""How the loader prepares jets for the packed layout: groups of similar multiplicity, and listed pairs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def partition(counts: Tensor, number: int) -> tuple[Tensor, ...]:
    """Group jets by multiplicity so that attention over padded grids wastes little.

    Args:
        counts: Constituents of each jet over all streams, ``(B,)``.
        number: Number of groups; with few jets some may be empty.

    Returns:
        Indices of the jets in each group, fewest constituents first.
    """
    order, edges = partition_batches(counts.numpy(), np.array([0, counts.shape[0]]), number)
    return tuple(torch.tensor_split(torch.from_numpy(order), edges[1:-1].tolist()))


def partition_batches(
    counts: NDArray[np.int64], batches: NDArray[np.int64], number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`partition` of several batches at once, which takes little longer than that of one.

    Args:
        counts: Constituents of each jet over all streams, ``(N,)``.
        batches: First jet of each batch, and `N`, ``(K + 1,)``; no batch is empty.
        number: Number of groups of a batch.

    Returns:
        Jets in the order of their groups, counted from the beginning of their batch, ``(N,)``; and where in it the
        groups of all batches begin, and `N`, ``(K number + 1,)``.
    """
    sizes = np.diff(batches)
    # batch after batch, in each by multiplicity; sorting small types is faster
    key = counts + np.arange(len(sizes)).repeat(sizes) * (counts.max() + 1)
    order = key.astype(np.min_scalar_type(key[-1] + counts.max())).argsort(kind="stable")
    # equal shares of the work, which grows with the square of the multiplicity, rather than of the jets
    work = np.square(counts.take(order) + 2).cumsum()
    before = np.concatenate([[0], work])[batches]
    # where the work reaches a share: whole numbers, so the share may be rounded up
    shares = np.ceil(np.diff(before)[:, None] * np.arange(1.0, number) / number).astype(np.int64)
    inner = work.searchsorted(shares + before[:-1, None])
    edges = np.append(np.concatenate([batches[:-1, None], inner], 1).ravel(), batches[-1])
    return order - batches[:-1].repeat(sizes), edges


def list_pairs(counts: Tensor) -> Tensor:
    """Packed positions of both ends of every unordered pair of constituents of the same jet, ``(2, P)``.

    A jet's pairs stand in the order (0, 1), (0, 2), (1, 2), (0, 3), ...
    """
    # NumPy's: torch takes twice as long for the few microseconds of work of each step
    number = counts.numpy()
    ends = number.cumsum()
    constituents = np.arange(number.sum())
    first = (ends - number).repeat(number)  # of the jet of each constituent
    slots = constituents - first
    # each constituent is the larger end of as many pairs as there are constituents of its jet before it
    before = slots.cumsum() - slots
    pairs = np.stack([first - before, constituents]).repeat(slots, 1)
    pairs[0] += np.arange(pairs.shape[1])
    return torch.from_numpy(pairs)
