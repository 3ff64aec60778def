"""The convolution of ParticleNet against a loop over constituents and their neighbours."""

from __future__ import annotations

import pytest
import torch
from layouts import COUNTS, LAYOUTS, kinematics, make_tokens, packed_values, randomise
from torch.nn import functional as F

from salt_like.encoders import ParticleNet
from salt_like.nn.edge_conv import EdgeConvBlock

K = 3


def inputs():
    counts = torch.tensor(COUNTS)
    x = torch.randn(int(counts.sum()), 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return {"tracks": (x, counts)}


def nearest(jet, distance):
    """The k nearest others of each."""
    for i in range(len(jet)):
        others = [j for j in range(len(jet)) if j != i]
        yield sorted(others, key=lambda j, i=i: float(distance(i, j)))[:K]


def affine(norm, x):
    return (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + (
        0 if norm.bias is None else norm.bias
    )


def block_by_loop(block, jet, neighbours):
    rows = []
    for i, others in enumerate(neighbours):
        messages = []
        for j in others:
            message = block.first(torch.cat([jet[i], jet[j] - jet[i]]))
            for number, norm in enumerate(block.norms):
                if number > 0:
                    message = block.linears[number - 1](message)
                message = F.relu(affine(norm, message))
            messages.append(message)
        zero = jet.new_zeros(block.norms[-1].dim)
        mixed = torch.stack(messages).mean(0) if messages else zero
        own = jet[i] if block.shortcut is None else affine(block.shortcut_norm, block.shortcut(jet[i]))
        rows.append(F.relu(own + mixed))
    return torch.stack(rows) if rows else jet.new_zeros(0, block.norms[-1].dim)


@torch.no_grad()
@pytest.mark.parametrize("kind", LAYOUTS)
def test_particlenet_by_loop(kind):
    encoder = randomise(ParticleNet(4, K, ((5, 6), (6, 6)), fusion=3).double().eval())
    for name, buffer in encoder.named_buffers():
        buffer.copy_(torch.rand(buffer.shape, generator=torch.Generator().manual_seed(len(name))) + 0.5)
    x, counts = inputs()["tracks"]
    raw = kinematics(x)
    expected = []
    for jet, eta, phi in zip(*(values.split(counts.tolist()) for values in (x, raw["deta"], raw["dphi"])), strict=True):

        def apart(i, j, eta=eta, phi=phi):
            dphi = (phi[i] - phi[j] + torch.pi) % (2 * torch.pi) - torch.pi
            return (eta[i] - eta[j]) ** 2 + dphi**2

        normed = affine(encoder.input_norm, jet)
        one = block_by_loop(encoder.blocks[0], normed, nearest(jet, apart))
        two = block_by_loop(encoder.blocks[1], one, nearest(jet, lambda i, j, one=one: (one[i] - one[j]).norm()))
        expected.append(F.relu(affine(encoder.fusion_norm, encoder.fusion(torch.cat([one, two], 1)))))
    tokens = encoder(make_tokens(kind, inputs(), kinematics))
    torch.testing.assert_close(packed_values(tokens.values, tokens.layout), torch.cat(expected), atol=1e-10, rtol=1e-10)


def test_the_second_block_has_neighbours_of_its_own():
    encoder = ParticleNet(4, 1, ((4,), (4,)))
    assert encoder.reads == ("deta", "dphi")
    assert [graph.reads for graph in encoder.graphs] == [("deta", "dphi"), ()]
    assert encoder.dim == 128
    assert ParticleNet(4, 1, ((4,), (5,)), fusion=None).dim == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"channels": ()}, "channels must have at least one block"),
        ({"channels": ((4,), ())}, "channels must name at least one width for each block"),
        ({"channels": ((4, 0),)}, "channels must be at least 1, got 0"),
        ({"coordinates": ("eta",)}, r"angles must be among the coordinates \(eta\), got 'dphi'"),
        ({"aggregate": "median"}, "aggregate must be one of max, mean, sum, got 'median'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ParticleNet(4, **arguments)


def test_a_block_of_the_same_width_has_no_weights_in_its_shortcut():
    assert not [name for name, _ in EdgeConvBlock(4, [6, 4]).named_parameters() if "shortcut" in name]
