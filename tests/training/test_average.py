from __future__ import annotations

import pytest
import torch
from torch import nn

from salt_like.training.average import AveragedModel


def test_follows_the_weights_as_the_formula_says():
    module = nn.Linear(3, 2)
    average = AveragedModel(module, decay=0.9)
    expected = module.weight.detach().clone()
    for step in range(30):
        with torch.no_grad():
            module.weight.add_(torch.randn_like(module.weight))
        average.update(module, step)
        keep = min(0.9, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * module.weight.detach()
    torch.testing.assert_close(average.module.weight, expected)
    assert not average.module.weight.requires_grad


def test_running_statistics_follow_as_weights_do_and_counters_are_copied():
    module = nn.BatchNorm1d(2)
    average = AveragedModel(module, decay=0.5)
    expected = module.running_mean.clone()
    for step in range(20):
        module(torch.randn(8, 2))
        average.update(module, step)
        keep = min(0.5, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * module.running_mean
    torch.testing.assert_close(average.module.running_mean, expected)
    assert (average.module.running_mean != module.running_mean).any()
    assert average.module.num_batches_tracked == 20


def test_buffers_that_do_not_change_stay_exact():
    module = nn.Linear(1, 1)
    module.register_buffer("constants", torch.tensor([float("nan"), float("inf"), -float("inf"), 0.1, 1e-30, 3e38]))
    average = AveragedModel(module, decay=0.3)
    for step in range(20):
        average.update(module, step)
    torch.testing.assert_close(average.module.constants, module.constants, atol=0, rtol=0, equal_nan=True)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_refuses_a_decay_outside_its_range(decay):
    with pytest.raises(ValueError, match=f"ema must be a decay .* not {decay}"):
        AveragedModel(nn.Linear(1, 1), decay)
