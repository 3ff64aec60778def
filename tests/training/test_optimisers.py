from __future__ import annotations

import torch
from torch import nn

from salt_like.training.optimisers import parameter_groups


def test_only_matrices_decay():
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    decayed, plain = parameter_groups(module)
    assert {id(parameter) for parameter in decayed["params"]} == {id(module[0].weight), id(module[2].weight)}
    assert plain["weight_decay"] == 0.0
    assert len(plain["params"]) == 4
    optimizer = torch.optim.SGD([decayed, plain], lr=0.1, weight_decay=0.5)
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in module.named_parameters():
        factor = 0.95 if parameter.dim() == 2 else 1.0
        torch.testing.assert_close(parameter.detach(), factor * before[name])


def test_frozen_parameters_are_left_out():
    module = nn.Linear(3, 4)
    module.weight.requires_grad_(False)
    assert [group["params"] for group in parameter_groups(module)] == [[module.bias]]
