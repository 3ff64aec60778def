from __future__ import annotations

import pytest
import torch
from layouts import randomise
from torch import nn

from salt_like.nn import LayerNorm, RMSNorm, make_norm


def test_layer_norm_is_that_of_torch():
    ours = randomise(LayerNorm(5))
    other = nn.LayerNorm(5)
    other.load_state_dict(ours.state_dict())
    x = torch.randn(3, 4, 5)
    torch.testing.assert_close(ours(x), other(x), atol=1e-6, rtol=0)
    assert LayerNorm(5, bias=False).bias is None
    assert repr(ours) == "LayerNorm(5, eps=1e-05, bias=True)"


def test_rms_norm_by_hand():
    ours = randomise(RMSNorm(3, eps=1e-2).double())
    x = torch.tensor([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    expected = x[0] / (14 / 3 + 1e-2) ** 0.5 * ours.weight
    torch.testing.assert_close(ours(x)[0], expected, atol=1e-12, rtol=0)
    assert (ours(x)[1] == 0).all()
    assert repr(ours) == "RMSNorm(3, eps=0.01)"


def test_rms_norm_does_not_overflow_in_half_precision():
    x = torch.full((1, 4), 600.0, dtype=torch.float16)
    torch.testing.assert_close(RMSNorm(4).half()(x), torch.ones(1, 4, dtype=torch.float16))


def test_make_norm():
    assert isinstance(make_norm("RMSNorm", 3), RMSNorm)
    assert isinstance(make_norm("LayerNorm", 3), LayerNorm)
    assert isinstance(make_norm(None, 3), nn.Identity)
    with pytest.raises(ValueError, match="norm must be .* got 'Batch'"):
        make_norm("Batch", 3)
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        make_norm("RMSNorm", 0)
