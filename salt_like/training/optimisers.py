"""What the optimiser is given."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import Parameter


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """Matrices with the optimiser's weight decay, and vectors and scalars (biases, norms, scales) without.

    Frozen parameters are left out; a parameter that occurs twice is listed once.
    """
    trainable: list[Parameter] = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in trainable if parameter.dim() >= 2]},
        {"params": [parameter for parameter in trainable if parameter.dim() < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
