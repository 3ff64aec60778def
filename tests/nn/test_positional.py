from __future__ import annotations

import math

import pytest
import torch

from salt_like.nn import PeriodicFeatures


def test_by_hand():
    features = PeriodicFeatures(2, 3)
    x = torch.tensor([[0.5, -1.5]])
    expected = []
    for variable in range(2):
        angles = [2 * math.pi * c * x[0, variable].item() for c in features.frequency[variable].tolist()]
        expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    torch.testing.assert_close(features(x), torch.tensor([expected]), atol=1e-6, rtol=0)
    assert features.out_dim == 12
    assert repr(features) == "PeriodicFeatures(2, 12)"


def test_learned_or_fixed():
    assert len(list(PeriodicFeatures(2, 3).parameters())) == 1
    fixed = PeriodicFeatures(2, 3, learned=False)
    assert list(fixed.parameters()) == []
    assert "frequency" in fixed.state_dict()


def test_scale_is_the_width_of_the_frequencies():
    torch.manual_seed(0)
    assert PeriodicFeatures(10, 1000, scale=0.3).frequency.std().item() == pytest.approx(0.3, rel=0.05)


def test_bad_arguments():
    with pytest.raises(ValueError, match="scale must be positive, got 0"):
        PeriodicFeatures(2, 3, scale=0)
    with pytest.raises(ValueError, match="frequencies must be at least 1, got 0"):
        PeriodicFeatures(2, 0)
