"""How the losses of several tasks become one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from salt_like.tasks import Task


class FixedWeights(nn.Module):
    """The sum of the losses, each times the weight that its task's configuration gives.

    Args:
        tasks: Name → task.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self.weights = {name: task.weight for name, task in tasks.items()}

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """One loss of all tasks' losses."""
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()


class UncertaintyWeights(FixedWeights):
    """Learned weights ``exp(-s)`` with the penalty ``s / 2``, ``s`` the log-variance of a task (arXiv:1705.07115).

    Each loss keeps the fixed weight of its task's configuration as a factor inside.

    Args:
        tasks: Name → task.

    Raises:
        ValueError: A task whose loss can be negative: its optimal weight would be infinite.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__(tasks)
        for name, task in tasks.items():
            if not task.nonnegative:
                raise ValueError(
                    f"weighting 'uncertainty' cannot be used with task '{name}': its loss can be negative, which would"
                    " drive its weight to infinity; use weighting 'fixed'"
                )
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in tasks})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """One loss of all tasks' losses."""
        terms = []
        for name, loss in losses.items():
            spread = self.log_variances[name]
            terms.append(self.weights[name] * (-spread).exp() * loss + spread / 2)
        return torch.stack(terms).sum()
