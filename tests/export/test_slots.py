"""The layout of graphs: the same sets as `Padded`, one slot after the other in rows."""

from __future__ import annotations

import pytest
import torch

from salt_like.export.slots import Slots
from salt_like.sets import Padded, Tokens, self_attention

MASKS = {
    "some": torch.tensor([[1, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], dtype=torch.bool),
    "full": torch.ones(2, 5, dtype=torch.bool),
    "one jet": torch.ones(1, 3, dtype=torch.bool),
    "one slot": torch.ones(2, 1, dtype=torch.bool),
    "no slots": torch.ones(2, 0, dtype=torch.bool),
}


def both(name: str) -> list[tuple[Slots, Padded]]:
    """The two layouts of a mask; where all is real also without one."""
    mask = MASKS[name]
    found = [(Slots(*mask.shape, mask), Padded(mask))]
    return [*found, (Slots(*mask.shape, None, never_empty=mask.shape[1] > 0), Padded(mask))] if mask.all() else found


def values(name: str, *shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """The same values as rows and padded; garbage at padding."""
    mask = MASKS[name]
    grid = torch.randn(*mask.shape, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    grid = torch.where(mask.reshape(*mask.shape, *[1] * len(shape)), grid, 1e3)
    return grid.flatten(0, 1), grid


def close(rows: torch.Tensor, grid: torch.Tensor, mask: torch.Tensor | None = None) -> None:
    grid = grid.flatten(0, 1)
    if mask is not None:
        rows, grid = rows[mask.flatten()], grid[mask.flatten()]
    torch.testing.assert_close(rows, grid, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MASKS)
def test_of_each_jet(name):
    for ours, other in both(name):
        rows, grid = values(name, 6)
        torch.testing.assert_close(ours.counts, other.counts)
        for function in ("sum", "max", "mean"):
            torch.testing.assert_close(getattr(ours, function)(rows), getattr(other, function)(grid))
        deep, wide = values(name, 2, 3)
        torch.testing.assert_close(ours.max(deep), other.max(wide))
        for length in (0, 2, 9):
            torch.testing.assert_close(ours.to_padded(rows, length), other.to_padded(grid, length))
        vectors = torch.randn(len(ours.counts), 2)
        close(ours.spread(vectors), other.spread(vectors))
        (there,) = ours.jets_to_grids(vectors)
        torch.testing.assert_close(ours.jets_from_grids([there]), vectors)


@pytest.mark.parametrize("name", MASKS)
def test_of_each_constituent(name):
    for ours, other in both(name):
        rows, grid = values(name, 6)
        close(ours.valid, other.valid)
        close(ours.ranks, other.ranks)
        close(ours.blank(rows), other.blank(grid))
        close(ours.finite(rows), grid)
        close(ours.from_grids(ours.grids(rows)), grid)
        torch.testing.assert_close(ours.grid_valid(), other.grid_valid())
        scores, wide = values(name, 2)
        close(ours.softmax(scores), other.softmax(wide))
        weights = [one.softmax(x[..., :1]) for one, x in ((ours, scores), (other, wide))]
        torch.testing.assert_close(ours.weighted_sum(weights[0], rows), other.weighted_sum(weights[1], grid))
        torch.testing.assert_close(
            ours.weighted_sum(ours.softmax(scores), scores), other.weighted_sum(other.softmax(wide), wide)
        )


def test_blank_is_zero_whatever_was_there():
    mask = MASKS["some"]
    rows = torch.where(mask.flatten()[:, None], 1.0, torch.nan).expand(-1, 3)
    assert Slots(*mask.shape, mask).blank(rows).sum() == 3 * mask.sum()


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_attention(name, biased):
    mask = MASKS[name]
    jets, slots = mask.shape
    bias = [torch.randn(jets, 2, slots, slots, dtype=torch.float64)] if biased else None
    for ours, other in both(name):
        rows, grid = values(name, 3, 2, 4)
        found = self_attention(rows, ours, bias)
        assert found.isfinite().all()
        close(found, self_attention(grid, other, bias), mask)


@pytest.mark.parametrize("name", MASKS)
def test_pairs(name):
    for ours, other in both(name):
        rows, grid = values(name, 3)
        (*ends, real), (*others, expected) = ours.pairs(rows), other.pairs(grid)
        for one, another in zip(ends, others, strict=True):
            close(one, another)
        close(real, expected)
        flags = torch.rand(expected.shape, generator=torch.Generator().manual_seed(1)) > 0.5
        torch.testing.assert_close(ours.pair_grids(flags.flatten()), other.pair_grids(flags))


@pytest.mark.parametrize("registers", [0, 2])
@pytest.mark.parametrize("name", MASKS)
def test_streams_together(name, registers):
    for ours, other in both(name):
        found = []
        for layout, tracks, flows in zip((ours, other), values(name, 4), values(name, 4, seed=1), strict=True):
            tokens = Tokens.merged({"tracks": (tracks, layout), "flows": (flows, layout)})
            if registers:
                constant = layout.constant(registers)
                learned = torch.arange(4.0 * registers, dtype=torch.float64).reshape(registers, 4)
                tokens = tokens.joined("registers", constant.repeat(learned), constant)
            found.append(tokens)
        ours, other = found
        close(ours.values, other.values)
        close(ours.layout.valid, other.layout.valid)
        torch.testing.assert_close(ours.layout.max(ours.values), other.layout.max(other.values))
        for stream in other.parts:
            close(ours.of(stream)[0], other.of(stream)[0])


def test_not_with_other_layouts():
    with pytest.raises(TypeError, match="another layout"):
        Slots(2, 5, None).merge([Padded(MASKS["full"])])
