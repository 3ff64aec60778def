"""Jets for tests, in every layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from salt_like.grouping import partition
from salt_like.nn.distances import wrap
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


def make_tokens(
    kind: str,
    streams: Mapping[str, tuple[Tensor, Tensor]],
    reads: Callable[[Tensor], Mapping[str, Tensor]] | None = None,
) -> Tokens:
    """Tokens of streams given as packed values and counts.

    Buckets are made of the total multiplicity, as the loader does.

    Args:
        kind: One of `LAYOUTS`.
        streams: Packed values and counts by name.
        reads: Makes raw variables by name, packed, of packed values; they are 0 at padding, as the tagger gives them.
    """
    total = torch.stack([counts for _, counts in streams.values()]).sum(0)
    buckets = partition(total, 3)
    merged: dict[str, tuple[Tensor, Layout]] = {}
    columns: dict[str, dict[str, Tensor]] = {}
    for name, (x, counts) in streams.items():
        layout = make_layout("packed" if kind == "buckets" else kind, counts)
        if kind == "buckets":
            longest = tuple(max([1, *counts[jets].tolist()]) for jets in buckets)
            layout = Packed(offsets_of(counts), int(counts.sum()), longest, buckets)
        merged[name] = (arrange(kind, x, counts, layout), layout)
        for variable, values in (reads(x) if reads else {}).items():
            columns.setdefault(variable, {})[name] = arrange("padded", values, counts, layout)
    return Tokens.merged(merged, columns)


def kinematics(x: Tensor) -> dict[str, Tensor]:
    """Raw variables of particles made of their first three values, ``(T, 3)``; angles of all sizes."""
    pt = (x[:, 2] + 9).exp()  # some GeV, in MeV
    deta, dphi = x[:, 0] / 3, wrap(2.5 * x[:, 1])
    return {"pt": pt, "deta": deta, "dphi": dphi, "energy": pt * torch.cosh(deta) * 1.01}


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
