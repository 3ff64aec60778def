"""Jets for tests, in every layout."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from salt_like.grouping import partition
from salt_like.sets import Layout, Packed, Padded, Tokens

LAYOUTS = ("packed", "buckets", "padded", "garbage")
COUNTS = (3, 0, 7, 1, 4, 0, 12, 2, 2, 5)


def offsets_of(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def make_layout(kind: str, counts: Tensor, extra: int = 2, listed: Tensor | None = None) -> Layout:
    """One of `LAYOUTS`; the padded ones have more slots than needed."""
    if kind in ("padded", "garbage"):
        return Padded(torch.arange(max(counts.tolist(), default=0) + extra) < counts[:, None])
    buckets = partition(counts, 3) if kind == "buckets" else ()
    longest = tuple(max([1, *counts[jets].tolist()]) for jets in buckets or (torch.arange(len(counts)),))
    return Packed(offsets_of(counts), int(counts.sum()), longest, buckets, listed)


def arrange(kind: str, x: Tensor, counts: Tensor, layout: Layout) -> Tensor:
    """Packed values `x` in this layout; padding is 0 or, for ``"garbage"``, NaN and infinities."""
    if isinstance(layout, Packed):
        return x
    grid = make_layout("packed", counts).to_padded(x, layout.valid.shape[1])
    if kind == "garbage":
        bad = torch.tensor([float("nan"), float("inf"), -float("inf"), 3e38])
        noise = bad.to(x.dtype)[torch.arange(grid.numel()).reshape(grid.shape) % 4]
        mask = layout.valid.reshape(*layout.valid.shape, *[1] * (grid.dim() - 2))
        grid = torch.where(mask, grid, noise)
    return grid


def make_tokens(kind: str, streams: Mapping[str, tuple[Tensor, Tensor]]) -> Tokens:
    """Tokens of streams given as packed values and counts.

    Buckets are made of the total multiplicity, as the loader does.
    """
    total = torch.stack([counts for _, counts in streams.values()]).sum(0)
    buckets = partition(total, 3)
    merged = {}
    for name, (x, counts) in streams.items():
        layout = make_layout("packed" if kind == "buckets" else kind, counts)
        if kind == "buckets":
            longest = tuple(max([1, *counts[jets].tolist()]) for jets in buckets)
            layout = Packed(offsets_of(counts), int(counts.sum()), longest, buckets)
        merged[name] = (arrange(kind, x, counts, layout), layout)
    return Tokens.merged(merged)


def packed_values(values: Tensor, layout: Layout) -> Tensor:
    """Real constituents only, one jet after the other."""
    return values if isinstance(layout, Packed) else values[layout.valid]


def randomise(module: nn.Module, seed: int = 1) -> nn.Module:
    """Every parameter away from its start: a branch that starts at 0 hides errors."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.3 * noise + (0.5 if parameter.dim() == 1 else 0.0))
    return module


def brute_pairs(counts):
    """Packed positions of both ends of every pair, one after the other."""
    first = 0
    for count in counts.tolist():
        yield from ((first + i, first + j) for j in range(count) for i in range(j))
        first += count
