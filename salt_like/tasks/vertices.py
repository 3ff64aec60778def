"""Pairs of constituents from the same vertex, and vertices from pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from salt_like.batch import Batch
from salt_like.sets import Layout, layout_of


def true_pairs(batch: Batch, stream: str, key: str) -> tuple[Tensor, Tensor]:
    """Whether both ends of each pair have the same vertex index, and whether the pair is real.

    A negative index means "no vertex": it matches nothing, not even another negative index.

    Args:
        batch: Labelled batch.
        stream: Stream of the constituents.
        key: Label with the vertex index.

    Returns:
        ``(P,), (P,)`` packed or ``(B, P), (B, P)`` padded, in the order of `Layout.pairs`.
    """
    first, second, real = layout_of(batch, stream).pairs(batch.labels[stream][key])
    return (first == second) & (first >= 0) & real, real


def vertices(joined: Tensor, layout: Layout, rounds: int) -> Tensor:
    """Vertex of each constituent: the connected components of the joined pairs.

    Vertices are numbered from 0 in each jet, in the order of their first constituents. A constituent that is joined to
    none is a vertex of its own.

    Args:
        joined: Whether each pair, as `Layout.pairs` lists it, is joined.
        layout: Which constituents belong to which jet.
        rounds: Chains of up to ``2 ** rounds`` links are followed to their end. A fixed number, so that the graph of
            operations does not depend on the data.

    Returns:
        Index of the vertex, int64, ``(T,)`` or ``(B, N)``; -1 at padding.
    """
    pairs = zip(layout.pair_grids(joined), layout.grid_valid(), strict=True)
    return layout.from_grids([_components(adjacent, valid, rounds) for adjacent, valid in pairs])


def _components(adjacent: Tensor, valid: Tensor, rounds: int) -> Tensor:
    """Components of one grid: ``(B, N, N)`` adjacency and ``(B, N)`` validity → ``(B, N)``."""
    slots = torch.arange(valid.shape[1], device=valid.device)
    adjacent = adjacent & valid[:, :, None] & valid[:, None, :]
    reached = (adjacent | (slots == slots[:, None])).float()
    for _ in range(rounds):  # each round doubles the length of the chains that have been followed
        reached = torch.bmm(reached, reached).clamp(max=1)
    # the first constituent that each one reaches stands for the vertex; slot N is never reached, but makes N = 0 work
    ghost = torch.full_like(valid[:, :, None], valid.shape[1], dtype=torch.long)
    first = torch.cat([torch.where(reached > 0.5, slots, valid.shape[1]), ghost], 2).amin(2)
    number = ((first == slots) & valid).long().cumsum(1) - 1
    return torch.where(valid, number.gather(1, first), -1)
