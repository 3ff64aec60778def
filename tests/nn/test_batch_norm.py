from __future__ import annotations

import pytest
import torch
from torch import nn

from salt_like.nn import BatchNorm
from salt_like.nn.batch_norm import _of_all_processes


def parts(seed=0, dtype=torch.float64):
    """Two grids of different shape with huge values at padding, their masks, and what is real as rows."""
    generator = torch.Generator().manual_seed(seed)
    grids, masks = [], []
    for shape in ((3, 4), (2, 5, 3)):
        x = 2 + 3 * torch.randn(*shape, 6, generator=generator, dtype=dtype)
        mask = torch.rand(shape, generator=generator) > 0.4
        grids.append(torch.where(mask[..., None], x, torch.full_like(x, 1e6)))
        masks.append(mask)
    return grids, masks, torch.cat([grid[mask] for grid, mask in zip(grids, masks, strict=True)])


def pair(**arguments):
    """Ours and torch's, with the same weights."""
    ours, theirs = BatchNorm(6, **arguments).double(), nn.BatchNorm1d(6, **arguments).double()
    for norm in (ours, theirs):
        with torch.no_grad():
            norm.weight.copy_(torch.linspace(0.5, 2, 6))
            norm.bias.copy_(torch.linspace(-1, 1, 6))
    return ours, theirs


def test_is_that_of_torch_on_what_is_real_in_training_and_evaluation():
    ours, theirs = pair(momentum=0.3, eps=1e-3)
    for seed in range(4):
        grids, masks, rows = parts(seed)
        found = torch.cat([one[mask] for one, mask in zip(ours(grids, masks), masks, strict=True)])
        torch.testing.assert_close(found, theirs(rows))
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    before = ours.running_mean.clone()
    for norm in (ours, theirs):
        norm.eval()
    grids, masks, rows = parts(9)
    found = torch.cat([one[mask] for one, mask in zip(ours(grids, masks), masks, strict=True)])
    torch.testing.assert_close(found, theirs(rows))
    torch.testing.assert_close(ours.running_mean, before, atol=0, rtol=0)


def test_gradients_are_those_of_torch_and_none_come_from_padding():
    ours, theirs = pair()
    grids, masks, rows = parts()
    grids = [grid.requires_grad_() for grid in grids]
    rows = rows.detach().requires_grad_()
    found = torch.cat([one[mask] for one, mask in zip(ours(grids, masks), masks, strict=True)])
    for result in (found, theirs(rows)):
        result.pow(3).sum().backward()
    torch.testing.assert_close(
        torch.cat([grid.grad[mask] for grid, mask in zip(grids, masks, strict=True)]), rows.grad, atol=1e-8, rtol=1e-8
    )
    assert all((grid.grad[~mask] == 0).all() for grid, mask in zip(grids, masks, strict=True))
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)


@pytest.mark.parametrize("slots", [0, 3])
def test_a_batch_in_which_nothing_is_real_leaves_the_running_values_as_they_are(slots):
    norm = BatchNorm(2)
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0 - norm.eps)
    x = torch.full((2, slots, 2), 5.0, requires_grad=True)
    (y,) = norm([x], [torch.zeros(2, slots, dtype=torch.bool)])
    torch.testing.assert_close(y, torch.full((2, slots, 2), 2.0))
    y.sum().backward()
    assert norm.weight.grad.isfinite().all()
    assert norm.running_mean.tolist() == [1.0, 1.0]


def test_a_single_value_is_at_the_mean():
    norm = BatchNorm(2, bias=False)
    (y,) = norm([torch.tensor([[3.0, -5.0], [7.0, 7.0]])], [torch.tensor([True, False])])
    assert y[0].tolist() == [0.0, 0.0]
    assert norm.running_mean.tolist() == pytest.approx([0.3, -0.5])
    assert norm.running_var.isfinite().all()
    assert [name for name, _ in norm.named_parameters()] == ["weight"]


def test_evaluation_is_affine():
    norm, _ = pair()
    norm.eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    x, y = torch.randn(2, 5, 6, dtype=torch.float64)
    mask = [torch.ones(5, dtype=torch.bool)]
    half = norm([(x + y) / 2], mask)[0]
    torch.testing.assert_close(half, (norm([x], mask)[0] + norm([y], mask)[0]) / 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_statistics_of_half_precision_are_single(dtype):
    grids, masks, _ = parts(dtype=torch.float32)
    norm, half = BatchNorm(6), BatchNorm(6)
    norm(grids, masks)
    grids = [
        torch.where(mask[..., None], grid, torch.zeros_like(grid)).to(dtype)
        for grid, mask in zip(grids, masks, strict=True)
    ]
    (y, _) = half(grids, masks)
    assert y.dtype == dtype
    assert half.running_var.dtype == torch.float32
    torch.testing.assert_close(half.running_var, norm.running_var, atol=0, rtol=0.01)


def test_statistics_of_several_processes_are_those_of_all_batches_together(monkeypatch):
    x = torch.randn(30, 4) * 3 + 5
    shares = [x[:21], x[21:], x[:0]]
    numbers = [torch.tensor(float(len(one))) for one in shares]
    moments = [(one.mean(0), one.var(0, unbiased=False)) if len(one) else (one.sum(0), one.sum(0)) for one in shares]
    sums = []
    monkeypatch.setattr("torch.distributed.all_reduce", lambda given: sums.append(given.clone()))
    for number, (mean, variance) in zip(numbers, moments, strict=True):
        _of_all_processes(number, mean, variance)
    total = torch.stack(sums).sum(0)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda given: given.copy_(total))
    for number, (mean, variance) in zip(numbers, moments, strict=True):
        found = _of_all_processes(number, mean, variance)
        assert found[0] == 30
        torch.testing.assert_close(found[1], x.mean(0))
        torch.testing.assert_close(found[2], x.var(0, unbiased=False))


def test_bad_arguments():
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        BatchNorm(0)
    with pytest.raises(ValueError, match=r"momentum must be in \(0, 1\], got 0"):
        BatchNorm(1, momentum=0)
