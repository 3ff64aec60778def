"""Normalisation with the mean and width of what is real in a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from salt_like.nn.checks import at_least


class BatchNorm(nn.Module):
    """Zero mean and unit variance of each channel over a batch, then a learned scale and shift (arXiv:1502.03167).

    Only what is real counts, so that both layouts train alike: padding has no share in mean and variance. In training
    the running mean and variance follow those of the batch; in evaluation they are what is used, and the layer is
    affine. A batch in which nothing is real is normalised with them too and leaves them as they are. Of several
    processes each normalises with its own batch, and the running values are those of all their batches together.

    Args:
        dim: Width D.
        eps: Added to the variance.
        momentum: Share of the running values that a batch replaces.
        bias: Whether there is a learned shift; another normalisation behind a linear layer would remove it.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, dim: int, eps: float = 1e-5, momentum: float = 0.1, bias: bool = True) -> None:
        super().__init__()
        at_least(1, dim=dim)
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], got {momentum}")
        self.dim = dim
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))

    def forward(self, grids: Sequence[Tensor], real: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One or more parts of a batch, such as the grids of a layout, with common statistics.

        Args:
            grids: Values, each ``(..., D)`` and finite at padding too.
            real: Which of them count, each ``(...)`` bool.

        Returns:
            The normalised values, shaped as they came; finite but without meaning at padding.
        """
        mean, variance = self._statistics(grids, real) if self.training else (self.running_mean, self.running_var)
        scale = (variance + self.eps).rsqrt() * self.weight
        return tuple(self._normalised(grid, mean, scale) for grid in grids)

    def _normalised(self, grid: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        y = (_wide(grid) - mean) * scale
        return (y if self.bias is None else y + self.bias).to(grid.dtype)

    def _statistics(self, grids: Sequence[Tensor], real: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and variance that this batch is normalised with; the running values follow."""
        number = torch.stack([mask.sum() for mask in real]).sum().to(self.running_mean.dtype)
        some = number > 0
        count = number.clamp(min=1)
        mean = _sum(grids, real) / count
        variance = _sum([(_wide(grid) - mean).square() for grid in grids], real) / count
        self._follow(number, mean.detach(), variance.detach())
        return torch.where(some, mean, self.running_mean), torch.where(some, variance, self.running_var)

    def _follow(self, number: Tensor, mean: Tensor, variance: Tensor) -> None:
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            number, mean, variance = _of_all_processes(number, mean, variance)
        unbiased = variance * (number / (number - 1).clamp(min=1))
        share = self.momentum * (number > 0).to(mean.dtype)
        # by hand: lerp_ of a half-precision buffer wants a weight of its own type
        self.running_mean.add_((mean - self.running_mean) * share)
        self.running_var.add_((unbiased - self.running_var) * share)

    def extra_repr(self) -> str:
        return f"{self.dim}, eps={self.eps}, momentum={self.momentum}, bias={self.bias is not None}"


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _sum(grids: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Sum of what is real over everything but the channels, ``(D,)``."""
    parts = [
        torch.where(mask[..., None], _wide(grid), torch.zeros((), dtype=_wide(grid).dtype, device=grid.device))
        .flatten(0, -2)
        .sum(0)
        for grid, mask in zip(grids, real, strict=True)
    ]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


def _of_all_processes(number: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Number, mean and variance of the batches of all processes as one."""
    first, second = mean.double() * number, (variance.double() + mean.double().square()) * number
    sums = torch.cat([number.double()[None], first, second])
    dist.all_reduce(sums)
    total = sums[0]
    first, second = (sums[1:] / total.clamp(min=1)).chunk(2)
    return total.to(number.dtype), first.to(mean.dtype), (second - first.square()).clamp(min=0).to(variance.dtype)
