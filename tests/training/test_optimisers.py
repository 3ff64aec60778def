from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from salt_like.errors import UserError
from salt_like.training.optimisers import make_optimizer, parameter_groups, rehearse


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


def stepped(module: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    inputs = torch.linspace(-1, 1, 15).reshape(5, 3)
    for _ in range(4):
        optimizer.zero_grad()
        module(inputs).square().sum().backward()
        optimizer.step()
    return [parameter.detach() for parameter in module.parameters()]


@pytest.mark.skipif(torch.__version__ < (2, 4), reason="fused on GPUs only")
@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD])
def test_weights_are_updated_at_once_with_the_same_numbers(kind):
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    other = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    other.load_state_dict(module.state_dict())
    factory = functools.partial(kind, lr=0.01, weight_decay=0.1)
    optimizer = make_optimizer(factory, module)
    assert all(group["fused"] for group in optimizer.param_groups)
    found = stepped(module, optimizer)
    expected = stepped(other, factory(parameter_groups(other)))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("option", ["foreach", "differentiable"])
def test_what_the_configuration_says_stays(option):
    optimizer = make_optimizer(functools.partial(torch.optim.AdamW, **{option: True}), nn.Linear(3, 4))
    assert not any(group["fused"] for group in optimizer.param_groups)


def test_an_optimiser_without_such_a_form_is_left_alone():
    optimizer = make_optimizer(torch.optim.RMSprop, nn.Linear(3, 4))
    assert not any("fused" in group for group in optimizer.param_groups)


@pytest.mark.parametrize("kind", ["StepLR", "ReduceLROnPlateau"])
def test_the_rehearsal_changes_nothing(kind):
    layer = nn.Linear(2, 3)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    arguments = {"step_size": 1} if kind == "StepLR" else {}
    scheduler = functools.partial(getattr(torch.optim.lr_scheduler, kind), **arguments)
    rehearse(functools.partial(torch.optim.AdamW, lr=0.1), scheduler, layer)
    for name, value in layer.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_the_rehearsal_finds_what_only_a_step_shows():
    layer = nn.Linear(2, 3, bias=False)
    adam = functools.partial(torch.optim.AdamW, lr=0.1)
    with pytest.raises(UserError, match=r"^model\.scheduler: ZeroDivisionError: integer"):
        rehearse(adam, functools.partial(torch.optim.lr_scheduler.StepLR, step_size=0), layer)
    with pytest.raises(UserError, match=r"^model\.optimizer: RuntimeError: SparseAdam does not support dense"):
        rehearse(torch.optim.SparseAdam, None, layer)
    with pytest.raises(UserError, match=r"^model\.optimizer: Invalid learning rate"):
        rehearse(functools.partial(torch.optim.AdamW, lr=-1), None, layer)
    rehearse(functools.partial(torch.optim.AdamW, lr=0.1, capturable=True), None, layer)  # its step needs a GPU
