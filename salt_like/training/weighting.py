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

    Attributes:
        learns: Whether weights are learned, which needs losses that are not negative.
    """

    learns = False

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self.weights = {name: task.weight for name, task in tasks.items()}

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """One loss of all tasks' losses."""
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()


class UncertaintyWeights(FixedWeights):
    """Learned weights ``exp(-s)`` with the penalty ``s / 2``, ``s`` the log-variance of a task (arXiv:1705.07115).

    Each loss keeps the fixed weight of its task's configuration as a factor inside. A task of weight 0 has no part in
    it: its loss is watched and not learned, and no weight is learned for it, which nothing would hold.

    A loss that is negative on average, as jets of negative weight could make it, has no best weight either. Whoever
    trains has to exclude it (see `learns`); `train fit` refuses such jets.

    Args:
        tasks: Name → task.

    Raises:
        ValueError: A task whose loss can be negative: its optimal weight would be infinite.
    """

    learns = True

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__(tasks)
        for name, task in tasks.items():
            if not task.nonnegative and task.weight > 0:
                raise ValueError(
                    f"weighting 'uncertainty' cannot be used with task '{name}': its loss can be negative, which would"
                    " drive its weight to infinity; use weighting 'fixed'"
                )
        learned = [name for name, weight in self.weights.items() if weight > 0]
        self.log_variances = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in learned})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """One loss of all tasks' losses."""
        terms = []
        for name, loss in losses.items():
            if name not in self.log_variances:
                terms.append(self.weights[name] * loss)
                continue
            spread = self.log_variances[name]
            terms.append(self.weights[name] * (-spread).exp() * loss + spread / 2)
        return torch.stack(terms).sum()
