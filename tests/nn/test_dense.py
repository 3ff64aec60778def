from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from layouts import COUNTS, arrange, make_layout, packed_values, randomise
from torch import Tensor, nn

from salt_like.nn import Dense, FeedForward, GatedLinear, make_activation
from salt_like.sets import Layout


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


def beside_each_other(kind: str, counts: Tensor, seed: int = 0) -> tuple[Tensor, Tensor, Layout]:
    """Values of constituents, 5 wide, vectors of their jets, 3 wide, and the layout."""
    generator = torch.Generator().manual_seed(seed)
    layout = make_layout(kind, counts)
    x = arrange(kind, torch.randn(int(counts.sum()), 5, generator=generator), counts, layout)
    vectors = torch.randn(len(counts), 3, generator=generator)
    return x.requires_grad_(), vectors.requires_grad_(), layout


@pytest.mark.parametrize("kind", ["packed", "buckets", "padded"])
@pytest.mark.parametrize("counts", [COUNTS, (0, 0), (4,)])
@pytest.mark.parametrize("hidden", [[], [7], [7, 6]])
def test_network_beside_a_vector_is_that_of_the_concatenation(kind, counts, hidden):
    dense = randomise(Dense(8, 2, hidden, "Tanh", norm="LayerNorm"))
    x, vectors, layout = beside_each_other(kind, torch.tensor(counts))
    results = []
    for route in (
        lambda: dense.beside(x, vectors, layout),
        lambda: dense(torch.cat([x, layout.spread(vectors)], -1)),
    ):
        dense.zero_grad()
        y = route()
        direction = torch.randn(packed_values(y, layout).shape, generator=torch.Generator().manual_seed(1))
        inputs = [x, vectors, *dense.parameters()]
        results.append([y, *torch.autograd.grad((packed_values(y, layout) * direction).sum(), inputs)])
    torch.testing.assert_close(*results, atol=2e-6, rtol=1e-6)
    assert results[0][0].shape == (*x.shape[:-1], 2)


@pytest.mark.parametrize("kind", ["packed", "padded"])
def test_network_beside_a_vector_in_half_precision(kind):
    dense = randomise(Dense(8, 2, [7]))
    x, vectors, layout = beside_each_other(kind, torch.tensor(COUNTS))
    with torch.autocast("cpu", torch.bfloat16):
        half = dense.beside(x, vectors, layout)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), dense.beside(x, vectors, layout), atol=0.05, rtol=0.03)
    half.float().sum().backward()
    assert x.grad.dtype == vectors.grad.dtype == torch.float32


@pytest.mark.parametrize("kind", ["packed", "padded"])
def test_products_of_a_vector_are_computed_once_per_jet(kind):
    module = pytest.importorskip("torch.utils.flop_counter", reason="torch before 2.1 does not count operations")
    dense = Dense(8, 2, [7])
    x, vectors, layout = beside_each_other(kind, torch.tensor(COUNTS))
    with module.FlopCounterMode(display=False) as counter:
        dense.beside(x, vectors, layout)
    rows = x.shape[:-1].numel()
    assert counter.get_total_flops() == 2 * (rows * (5 * 7 + 7 * 2) + len(COUNTS) * 3 * 7)


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
