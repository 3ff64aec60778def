"""weaver-core's ParticleNet (arXiv:1902.08570) as its ``--network-config``: the sizes that its class has by default."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from weaver.nn.model.ParticleNet import ParticleNet


class Network(nn.Module):
    """ParticleNet on points, features and mask."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.mod = ParticleNet(input_dims=features, num_classes=classes)

    def forward(self, points: torch.Tensor, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        said: torch.Tensor = self.mod(points, features, mask)
        return said


def get_model(data_config: Any, **_: Any) -> tuple[nn.Module, dict[str, Any]]:
    """What weaver calls: the model, and what it must know of its inputs."""
    names = list(data_config.input_names)
    info = {
        "input_names": names,
        "input_shapes": {name: (1, *shape[1:]) for name, shape in data_config.input_shapes.items()},
        "output_names": ["softmax"],
        "dynamic_axes": {name: {0: "N"} for name in [*names, "softmax"]},
    }
    return Network(len(data_config.input_dicts["features"]), len(data_config.label_value)), info


def get_loss(*_: Any, **__: Any) -> nn.Module:
    """Plain cross-entropy."""
    return nn.CrossEntropyLoss()
