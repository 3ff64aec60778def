from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from layouts import randomise
from torch import nn

from salt_like.nn import Dense, FeedForward, GatedLinear, make_activation


def test_dense_by_hand():
    dense = randomise(Dense(3, 2, [4, 5], "Tanh", "LayerNorm"))
    x = torch.randn(6, 3)
    first, norm, _, second, other, _, last = dense
    expected = last(other(second(norm(first(x)).tanh())).tanh())
    torch.testing.assert_close(dense(x), expected, atol=0, rtol=0)
    assert (dense.in_dim, dense.out_dim) == (3, 2)


@pytest.mark.parametrize("hidden", [None, []])
def test_dense_without_hidden_layers_is_linear(hidden):
    (layer,) = Dense(3, 2, hidden)
    assert isinstance(layer, nn.Linear)


def test_dense_drops_hidden_values_in_training_only():
    dense = randomise(Dense(3, 2, [50], dropout=0.5))
    x = torch.randn(4, 3)
    assert not torch.equal(dense(x), dense(x))
    dense.eval()
    assert torch.equal(dense(x), dense(x))


def test_gated_linear_by_hand():
    gated = randomise(GatedLinear(3, 2))
    x = torch.randn(4, 3)
    weight, bias = gated.linear.weight, gated.linear.bias
    expected = F.silu(x @ weight[:2].T + bias[:2]) * (x @ weight[2:].T + bias[2:])
    torch.testing.assert_close(gated(x), expected, atol=1e-6, rtol=0)
    assert GatedLinear(3, 2, bias=False).linear.bias is None


@pytest.mark.parametrize("gated", [False, True])
def test_feed_forward(gated):
    network = randomise(FeedForward(3, 5, "ReLU", gated))
    x = torch.randn(4, 3)
    torch.testing.assert_close(network(x), network.second(network.first(x)), atol=0, rtol=0)


@pytest.mark.parametrize("name", ["ELU", "GELU", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU", "Tanh"])
def test_activations(name):
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(make_activation(name)(x), getattr(nn, name)()(x), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_dim": 0}, "in_dim must be at least 1, got 0"),
        ({"out_dim": -1}, "out_dim must be at least 1, got -1"),
        ({"hidden": [4, 0]}, r"hidden\[1\] must be at least 1, got 0"),
        ({"hidden": [4], "activation": "silu"}, "activation must be .* got 'silu'"),
        ({"hidden": [4], "norm": "Batch"}, "norm must be .* got 'Batch'"),
        ({"dropout": 1.5}, "dropout must be .* got 1.5"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Dense(**{"in_dim": 3, "out_dim": 2, **arguments})
