from __future__ import annotations

import pytest
import torch
from layouts import COUNTS, make_layout, make_tokens, packed_values, randomise
from torch import nn

from salt_like.blocks import SIDE
from salt_like.encoders import REGISTERS, DeepSets, Transformer
from salt_like.grouping import partition
from salt_like.sets import Packed, Tokens


def tokens_of(kind="padded", dim=8, dtype=torch.float64):
    counts = torch.tensor(COUNTS)
    x = torch.randn(int(counts.sum()), dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return make_tokens(kind, {"tracks": (x.to(dtype), counts)})


def twin(layer, activation, norm_first):
    """torch's own layer with the weights of ours."""
    dim, heads = layer.attention.dim, layer.attention.heads
    hidden = layer.feedforward.second.in_features
    other = nn.TransformerEncoderLayer(dim, heads, hidden, 0.0, activation, 1e-5, True, norm_first).double()
    state = {
        "self_attn.in_proj_weight": layer.attention.qkv.weight,
        "self_attn.in_proj_bias": layer.attention.qkv.bias,
        "self_attn.out_proj.weight": layer.attention.out.weight,
        "self_attn.out_proj.bias": layer.attention.out.bias,
        "linear1.weight": layer.feedforward.first[0].weight,
        "linear1.bias": layer.feedforward.first[0].bias,
        "linear2.weight": layer.feedforward.second.weight,
        "linear2.bias": layer.feedforward.second.bias,
        "norm1.weight": layer.attention_norm.weight,
        "norm1.bias": layer.attention_norm.bias,
        "norm2.weight": layer.feedforward_norm.weight,
        "norm2.bias": layer.feedforward_norm.bias,
    }
    other.load_state_dict(state)
    return other.train()


@pytest.mark.parametrize("place", ["pre", "post"])
@pytest.mark.parametrize("activation", ["ReLU", "GELU"])
def test_is_the_transformer_of_torch(place, activation):
    ours = randomise(Transformer(8, 3, 4, norm_place=place, activation=activation, final_norm=False).double())
    tokens = tokens_of()
    x = tokens.layout.blank(tokens.values)
    for layer in ours.layers:
        x = twin(layer, activation.lower(), place == "pre")(x, src_key_padding_mask=~tokens.layout.valid)
    some = tokens.layout.valid
    torch.testing.assert_close(ours(tokens).values[some], x[some], atol=1e-10, rtol=1e-10)


def test_hybrid_norm_by_hand():
    ours = randomise(Transformer(4, 1, 2, norm="RMSNorm", norm_place="hybrid", final_norm=False).double())
    layer = ours.layers[0]
    tokens = tokens_of("packed", 4)

    def rms(x, module):
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * module.weight

    x, attention = tokens.values, layer.attention
    expected = []
    for jet in x.split(list(COUNTS)):
        query, key, value = attention.qkv(jet).view(-1, 3, 2, 2).transpose(0, 2).unbind(1)  # (H, N, 2)
        query, key = rms(query, attention.query_norm), rms(key, attention.key_norm)
        weights = (query @ key.transpose(1, 2) / 2**0.5).softmax(-1)
        mixed = (weights @ rms(value, attention.value_norm)).transpose(0, 1).flatten(1)
        y = rms(jet + attention.out(mixed), layer.attention_norm)
        expected.append(y + layer.feedforward(y))
    torch.testing.assert_close(ours(tokens).values, torch.cat(expected), atol=1e-10, rtol=1e-10)


def test_widths_and_defaults():
    encoder = Transformer(16, 2, 4, out_dim=6)
    assert encoder.dim == 6
    assert encoder(tokens_of(dim=16, dtype=torch.float32)).values.shape[-1] == 6
    assert encoder.layers[0].feedforward.second.in_features == 32
    assert Transformer(16, 1, 4, expansion=4).layers[0].feedforward.second.in_features == 64
    assert Transformer(16, 1, 4, feedforward=5).layers[0].feedforward.second.in_features == 5
    assert isinstance(Transformer(16, 1, 4, norm_place="post").final_norm, nn.Identity)
    rates = [layer.drop_path.rate for layer in Transformer(16, 3, 4, drop_path=0.2).layers]
    assert rates == [0.0, 0.1, 0.2]


def test_registers_are_a_stream():
    encoder = Transformer(8, 1, 2, registers=3).double()
    tokens = encoder(tokens_of("packed"))
    values, layout = tokens.of(REGISTERS)
    assert layout.counts.tolist() == [3] * len(COUNTS)
    assert values.shape == (3 * len(COUNTS), 8)
    assert tokens.of("tracks")[0].shape == (sum(COUNTS), 8)


@pytest.mark.parametrize("place", ["pre", "post", "hybrid"])
def test_drop_path_drops_whole_jets_in_both_layouts_alike(place):
    encoder = randomise(Transformer(8, 2, 2, norm_place=place, drop_path=0.5, registers=1).double())
    results = []
    for kind in ("packed", "padded"):
        torch.manual_seed(3)
        results.append(packed_values(*encoder(tokens_of(kind)).of("tracks")))
    torch.testing.assert_close(*results, atol=1e-10, rtol=1e-10)
    full = packed_values(*encoder.eval()(tokens_of("packed")).of("tracks"))
    changed = [
        not torch.allclose(*both) for both in zip(results[0].split(list(COUNTS)), full.split(list(COUNTS)), strict=True)
    ]
    assert sum(changed) > 0


def test_dropout_only_in_training():
    encoder = randomise(Transformer(8, 2, 2, dropout=0.5).double())
    tokens = tokens_of("packed")
    assert not torch.equal(encoder(tokens).values, encoder(tokens).values)
    encoder.eval()
    torch.testing.assert_close(encoder(tokens).values, encoder(tokens).values, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"heads": 3}, "dim=8 and heads=3"),
        ({"norm": "BatchNorm"}, "norm must be one of LayerNorm, RMSNorm or None, got 'BatchNorm'"),
        ({"norm_place": "before"}, "norm_place must be one of pre, post, hybrid, got 'before'"),
        ({"activation": "relu"}, "activation must be one of .* got 'relu'"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"drop_path": -0.1}, r"drop_path must be in \[0, 1\), got -0.1"),
        ({"registers": -1}, "registers must be at least 0, got -1"),
        ({"out_dim": 0}, "out_dim must be at least 1, got 0"),
        ({"feedforward": 0}, "feedforward must be at least 1, got 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Transformer(**{"dim": 8, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"layers": 0}, "layers"), ({"hidden": 0}, "hidden"), ({"dropout": 2}, "dropout"), ({"dim": 0}, "dim")],
)
def test_bad_arguments_of_deep_sets(arguments, message):
    with pytest.raises(ValueError, match=message):
        DeepSets(**{"dim": 8, **arguments})


def test_deep_sets_by_hand():
    encoder = randomise(DeepSets(4, 1, context=True, activation="Tanh").double())
    tokens = tokens_of("packed", 4)
    layer = encoder.layers[0]
    expected = torch.cat(
        [
            encoder.out(torch.tanh(layer.own(jet) + layer.context(jet.mean(0))))
            for jet in tokens.values.split(list(COUNTS))
            if len(jet)
        ]
    )
    torch.testing.assert_close(encoder(tokens).values, expected, atol=1e-12, rtol=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch.compile does it itself
@pytest.mark.parametrize("registers", [0, 1])
def test_compiles_in_one_graph(registers):
    encoder = Transformer(8, 1, 2, registers=registers)
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    def step(x, offsets, longest, buckets):
        tokens = Tokens.merged({"tracks": (x, Packed(offsets, x.shape[0], longest, buckets))})
        return encoder(tokens).values.square().sum()

    torch._dynamo.reset()
    generator, sides = torch.Generator().manual_seed(0), set()
    compiled = torch.compile(step, backend=backend, fullgraph=True)
    for number in range(8):
        counts = torch.poisson(torch.full((40 + 3 * number,), 6.0), generator=generator).long()
        buckets = partition(counts, 2)
        longest = tuple(int(counts[group].max()) for group in buckets)
        sides.add(tuple(sum(length + registers <= most for most, _ in SIDE) for length in longest))
        layout = make_layout("packed", counts)
        x = torch.randn(int(counts.sum()), 8, requires_grad=True)
        gradients = [
            torch.autograd.grad(function(x, layout.offsets, longest, buckets), x)[0] for function in (compiled, step)
        ]
        torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)
    # lengths become symbols in two steps; after that only another number of jets in a row is another graph
    assert len(graphs) <= 2 + len(sides)
