"""Particle Transformer and edge-updating attention against loops over jets, and what pairs must do."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from layouts import COUNTS, LAYOUTS, kinematics, make_tokens, packed_values, randomise

from salt_like.encoders import EdgeAttention, ParticleTransformer
from salt_like.nn import ClassAttentionPooling, PairFeatures
from salt_like.nn.pair_embedding import PairEmbedding, once


def inputs(counts=COUNTS):
    number = torch.tensor(counts)
    x = torch.randn(int(number.sum()), 8, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return {"tracks": (x, number)}


def jets(x):
    return x.split(list(COUNTS))


def affine(norm, x):
    scaled = (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight
    return scaled if norm.bias is None else scaled + norm.bias


def away(network):
    randomise(network.double())
    for name, buffer in network.named_buffers():
        generator = torch.Generator().manual_seed(len(name))
        low = 20.0 if "input" in name or "pair_norm" in name else 0.5  # as that of logarithms is
        buffer.copy_(torch.rand(buffer.shape, generator=generator) + low)
    return network.eval()


def pair_features(kind="packed"):
    """Features of each jet's pairs, one jet after the other: ``(N, N, F)``."""
    for one, count in zip(inputs()["tracks"][0].split(list(COUNTS)), COUNTS, strict=True):
        alone = make_tokens("packed", {"tracks": (one, torch.tensor([count]))}, kinematics)
        yield PairFeatures()(alone)[0][0][:count, :count]


def embedded(embedding, pairs):
    x = affine(embedding.input_norm, pairs)
    for number, (linear, norm) in enumerate(zip(embedding.linears, embedding.norms, strict=True)):
        x = affine(norm, linear(F.gelu(x) if number else x))
    return x


@torch.no_grad()
@pytest.mark.parametrize("kind", LAYOUTS)
def test_bias_of_pairs_is_symmetric_and_that_of_each_pair_alone(kind):
    embedding = away(PairEmbedding(4, 2, [5]))
    tokens = make_tokens(kind, inputs(), kinematics)
    found = dict.fromkeys(range(len(COUNTS)))
    buckets = getattr(tokens.layout, "buckets", [torch.arange(len(COUNTS))])
    for grid, rows in zip(embedding(PairFeatures()(tokens), tokens.layout), buckets, strict=True):
        assert grid.isfinite().all()
        torch.testing.assert_close(grid, grid.transpose(2, 3), atol=1e-12, rtol=1e-12)
        for row, values in zip(rows.tolist(), grid, strict=True):
            found[row] = values[:, : COUNTS[row], : COUNTS[row]].permute(1, 2, 0)
    for values, pairs in zip(found.values(), pair_features(), strict=True):
        torch.testing.assert_close(values, embedded(embedding, pairs), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_each_pair_counts_once_in_the_statistics(kind):
    tokens = make_tokens(kind, inputs(), kinematics)
    assert sum(int(grid.sum()) for grid in once(tokens.layout)) == sum(n * (n + 1) // 2 for n in COUNTS)
    embedding = PairEmbedding(4, 2).double()
    embedding.input_norm.momentum = 1.0
    embedding(PairFeatures()(tokens), tokens.layout)
    rows = torch.cat([pairs[tuple(torch.tril_indices(len(pairs), len(pairs)))] for pairs in pair_features()])
    torch.testing.assert_close(embedding.input_norm.running_mean, rows.mean(0))
    torch.testing.assert_close(embedding.input_norm.running_var, rows.var(0))


def heads(x, number):
    return x.unflatten(-1, (number, -1)).transpose(0, 1)  # (H, N, D/H)


@torch.no_grad()
@pytest.mark.parametrize("kind", LAYOUTS)
def test_particle_transformer_by_hand(kind):
    encoder = away(ParticleTransformer(8, None, (5,), 1, 2, 2.0))
    (layer,) = encoder.layers
    b, expected = layer.branches, []
    for x, pairs in zip(jets(inputs()["tracks"][0]), pair_features(), strict=True):
        query, key, value = (heads(part, 2) for part in layer.attention.qkv(b.attention_norm(x)).chunk(3, -1))
        scores = query @ key.transpose(1, 2) / 2 + embedded(encoder.pair_embedding, pairs).permute(2, 0, 1)
        mixed = layer.attention.out((scores.softmax(-1) @ value).transpose(0, 1).flatten(1))
        y = x + b.behind_attention(mixed * b.head_scale.repeat_interleave(4))
        hidden = b.inside_feedforward(F.gelu(b.first(b.feedforward_norm(y))))
        expected.append(b.residual_scale * y + b.second(hidden))
    tokens = encoder(make_tokens(kind, inputs(), kinematics))
    torch.testing.assert_close(packed_values(tokens.values, tokens.layout), torch.cat(expected), atol=1e-9, rtol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("kind", LAYOUTS)
def test_edge_attention_by_hand(kind):
    encoder = away(EdgeAttention(8, None, 6, 2, 2))
    expected = []
    for x, pairs in zip(jets(inputs()["tracks"][0]), pair_features(), strict=True):
        edges = encoder.pair_linear(affine(encoder.pair_norm, pairs))
        for layer in encoder.layers:
            query, key, value = (heads(part, 2) for part in layer.qkv(layer.attention_norm(x)).chunk(3, -1))
            normed = layer.edge_norm(edges)
            scores = query @ key.transpose(1, 2) / 2 + layer.bias(normed).permute(2, 0, 1)
            weights = scores.softmax(-1) * layer.gate(normed).sigmoid().permute(2, 0, 1)
            x = x + layer.out((weights @ value).transpose(0, 1).flatten(1))
            x = x + layer.feedforward(layer.feedforward_norm(x))
            if layer.update is not None:
                edges = edges + layer.update(scores.permute(1, 2, 0))
        expected.append(encoder.final_norm(x))
    tokens = encoder(make_tokens(kind, inputs(), kinematics))
    torch.testing.assert_close(packed_values(tokens.values, tokens.layout), torch.cat(expected), atol=1e-9, rtol=1e-9)


def test_edges_are_updated_by_every_layer_but_the_last():
    encoder = EdgeAttention(8, layers=3, heads=2)
    assert [layer.update is None for layer in encoder.layers] == [False, False, True]


@torch.no_grad()
@pytest.mark.parametrize("kind", LAYOUTS)
def test_class_attention_by_hand(kind):
    pooling = away(ClassAttentionPooling(8, 2, 2, 2.0))
    tokens = make_tokens(kind, inputs())
    rows = []
    for x in jets(inputs()["tracks"][0]):
        token = pooling.start[None]
        for layer in pooling.layers:
            b, attention = layer.branches, layer.attention
            both = b.attention_norm(torch.cat([token, x]))
            key, value = (heads(part, 2) for part in attention.key_value(both).chunk(2, -1))
            weights = (heads(attention.query(token), 2) @ key.transpose(1, 2) / 2).softmax(-1)
            token = b(token, attention.out((weights @ value).transpose(0, 1).flatten(1)))
        rows.append(pooling.final_norm(token[0]))
    torch.testing.assert_close(pooling(tokens), torch.stack(rows), atol=1e-11, rtol=1e-11)


@torch.no_grad()
@pytest.mark.parametrize("scale", [1e3, -1e3])
def test_class_attention_is_finite_for_any_scores(scale):
    pooling = away(ClassAttentionPooling(8, 1, 2))
    pooling.layers[0].attention.query.weight.mul_(scale)
    for kind in LAYOUTS:
        assert pooling(make_tokens(kind, inputs())).isfinite().all()


@pytest.mark.parametrize("kind", [ParticleTransformer, EdgeAttention])
def test_reads_what_pairs_need(kind):
    assert kind(8, heads=2).reads == ("pt", "deta", "dphi")
    pairs = PairFeatures("p", "e", "f", hints={"z0": "z0_sigma"})
    assert kind(8, pairs, heads=2).reads == ("p", "e", "f", "z0", "z0_sigma")


def test_bad_arguments():
    for kind in (ParticleTransformer, EdgeAttention):
        with pytest.raises(ValueError, match="dim must be a multiple of heads, got dim=8 and heads=3"):
            kind(8, heads=3)
        with pytest.raises(ValueError, match="layers must be at least 1, got 0"):
            kind(8, layers=0)
    with pytest.raises(ValueError, match=r"pair_hidden\[1\] must be at least 1, got 0"):
        ParticleTransformer(8, pair_hidden=(4, 0))
    with pytest.raises(ValueError, match="layers must be at least 1, got 0"):
        ClassAttentionPooling(8, 0)
