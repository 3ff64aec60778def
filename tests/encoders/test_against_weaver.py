"""ParticleNet and Particle Transformer are those of weaver-core, with the same weights."""

from __future__ import annotations

import importlib
import itertools
import logging
import sys

import pytest
import torch
import torch.nn.functional as F
from layouts import LAYOUTS, make_tokens, offsets_of, randomise
from torch import nn
from weaver_package import install

from salt_like.encoders import ParticleNet, ParticleTransformer
from salt_like.nn import ClassAttentionPooling, MeanPooling, PairFeatures
from salt_like.nn.batch_norm import BatchNorm

FEATURES, CLASSES, HEADS = 6, 3, 4
COUNTS = (9, 12, 8, 20, 10, 15)  # weaver's ParticleNet takes padding for neighbours of jets with fewer than k + 1


@pytest.fixture(scope="module")
def weaver(tmp_path_factory):
    place = install(tmp_path_factory.mktemp("weaver"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        found = importlib.import_module("weaver.nn.model.ParticleNet")
        other = importlib.import_module("weaver.nn.model.ParticleTransformer")
        logging.getLogger("weaver").setLevel(logging.WARNING)
        yield {"ParticleNet": found.ParticleNet, "ParticleTransformer": other.ParticleTransformer}
        for name in [name for name in sys.modules if name.partition(".")[0] == "weaver"]:
            del sys.modules[name]


def jets(counts=COUNTS):
    """Features, and pt, deta, dphi, of the constituents of some jets; packed."""
    generator = torch.Generator().manual_seed(3)
    number = sum(counts)
    x = torch.randn(number, FEATURES, generator=generator, dtype=torch.float64)
    pt = torch.rand(number, generator=generator, dtype=torch.float64) * 50 + 1
    deta, dphi = torch.randn(2, number, generator=generator, dtype=torch.float64) * 0.3
    return x, {"pt": pt, "deta": deta, "dphi": dphi + 3.0}  # around ±π


def ours(kind, dtype=torch.float64, counts=COUNTS):
    x, columns = jets(counts)
    given = {name: column.to(dtype) for name, column in columns.items()}
    return make_tokens(kind, {"tracks": (x.to(dtype), torch.tensor(counts))}, lambda _: given)


def theirs(counts=COUNTS):
    """The same padded: features (B, C, P), columns (B, 1, P), mask (B, 1, P)."""
    x, columns = jets(counts)
    edges = offsets_of(torch.tensor(counts)).tolist()

    def padded(values):
        rows = [values[first:last] for first, last in itertools.pairwise(edges)]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True).transpose(1, 2)

    mask = padded(torch.ones(len(x), 1, dtype=torch.bool))
    return padded(x), {name: padded(column[:, None]) for name, column in columns.items()}, mask


def momenta(columns):
    """(B, 4, P): px, py, pz, E of massless particles."""
    pt, eta, phi = columns["pt"], columns["deta"], columns["dphi"]
    return torch.cat([pt * phi.cos(), pt * phi.sin(), pt * eta.sinh(), pt * eta.cosh()], 1)


def away(network):
    """Every weight and statistic away from its start, in double precision."""
    randomise(network.double())
    generator = torch.Generator().manual_seed(8)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.randn(buffer.shape, generator=generator))
        elif name.endswith("running_var"):
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return network.eval()


@torch.no_grad()
def copy(mine, other):
    """Copies what carries the same name in both, seen as a matrix where it is a convolution of width 1."""
    for name, value in {**dict(mine.named_parameters()), **dict(mine.named_buffers())}.items():
        source = other.get_parameter(name) if name in dict(other.named_parameters()) else other.get_buffer(name)
        value.copy_(source.reshape(value.shape))


@torch.no_grad()
def shift_removed(norm, shift):
    """A shift of what a normalisation is given, put into its running mean."""
    norm.running_mean -= shift


def from_particlenet(other, **arguments):
    mine = ParticleNet(FEATURES, 7, ((16, 16), (12, 20)), fusion=128, **arguments).double().eval()
    copy(mine.input_norm, other.bn_fts)
    shift = other.bn_fts.bias
    for number, (block, conv) in enumerate(zip(mine.blocks, other.edge_convs, strict=True)):
        copy(block.first, conv.convs[0])
        for linear, source in zip(block.linears, [*conv.convs][1:], strict=True):
            copy(linear, source)
        for norm, source in zip(block.norms, conv.bns, strict=True):
            copy(norm, source)
        copy(block.shortcut, conv.sc)
        copy(block.shortcut_norm, conv.sc_bn)
        if number == 0:  # the shift of the input norm is none of ours, as the next norms remove it in training
            shift_removed(block.norms[0], F.linear(torch.cat([shift, torch.zeros_like(shift)]), block.first.weight))
            shift_removed(block.shortcut_norm, F.linear(shift, block.shortcut.weight))
    copy(mine.fusion, other.fusion_block[0])
    copy(mine.fusion_norm, other.fusion_block[1])
    return mine


@torch.no_grad()
def test_particlenet(weaver):
    network = weaver["ParticleNet"](FEATURES, CLASSES, [(7, (16, 16)), (7, (12, 20))], [(16, 0.1)], trim=False)
    away(network)
    features, columns, mask = theirs()
    points = torch.cat([columns["deta"], columns["dphi"]], 1)
    expected = network(points, features, mask)
    mine = from_particlenet(network, angles=())  # theirs does not wrap angles
    for kind in LAYOUTS:
        logits = network.fc(MeanPooling(mine.dim)(mine(ours(kind))))
        torch.testing.assert_close(logits, expected, atol=1e-11, rtol=1e-9)
    logits = network.float().fc(MeanPooling(mine.dim)(mine.float()(ours("packed", torch.float32))))
    torch.testing.assert_close(logits.double(), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_particlenet_differs_where_a_jet_has_too_few_constituents_for_k_neighbours(weaver):
    network = away(weaver["ParticleNet"](FEATURES, CLASSES, [(7, (16, 16)), (7, (12, 20))], [(16, 0.1)], trim=False))
    mine, counts = from_particlenet(network, angles=()), (12, 5)
    features, columns, mask = theirs(counts)
    expected = network(torch.cat([columns["deta"], columns["dphi"]], 1), features, mask)
    logits = network.fc(MeanPooling(mine.dim)(mine(ours("packed", counts=counts))))
    torch.testing.assert_close(logits[0], expected[0], atol=1e-11, rtol=1e-9)
    assert (logits[1] - expected[1]).abs().max() > 1e-3


def from_branches(mine, other):
    copy(mine.attention_norm, other.pre_attn_norm)
    copy(mine.behind_attention, other.post_attn_norm)
    copy(mine.feedforward_norm, other.pre_fc_norm)
    copy(mine.inside_feedforward, other.post_fc_norm)
    copy(mine.first, other.fc1)
    copy(mine.second, other.fc2)
    mine.head_scale.copy_(other.c_attn)
    mine.residual_scale.copy_(other.w_resid)


def from_pairs(mine, other):
    """weaver's order is ln kT, ln z, ln ΔR, ln m²; its layers before a norm have shifts, which the norm removes."""
    order = [2, 0, 1, 3]
    layers = list(other.embed)
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm1d)]
    linears = [layer for layer in layers if isinstance(layer, nn.Conv1d)]
    mine.input_norm.weight.copy_(norms[0].weight[order])
    mine.input_norm.running_mean.copy_(norms[0].running_mean[order])
    mine.input_norm.running_var.copy_(norms[0].running_var[order])
    shift = norms[0].bias[order]
    for number, (linear, norm) in enumerate(zip(linears, norms[1:], strict=True)):
        weight = linear.weight[..., 0]
        mine.linears[number].weight.copy_(weight[:, order] if number == 0 else weight)
        copy(mine.norms[number], norm)
        shift_removed(mine.norms[number], linear.bias + (mine.linears[0].weight @ shift if number == 0 else 0))


class Mine(nn.Module):
    """All of weaver's network of our parts: what its input embedding does belongs to the tokenizer here."""

    def __init__(self, dim, layers, class_layers, dropout=0.1):
        super().__init__()
        self.input_norm = BatchNorm(FEATURES)
        self.embed = nn.Sequential(
            nn.LayerNorm(FEATURES), nn.Linear(FEATURES, 10), nn.GELU(), nn.LayerNorm(10), nn.Linear(10, dim), nn.GELU()
        )
        self.encoder = ParticleTransformer(dim, PairFeatures(), (8, 12), layers, HEADS, dropout=dropout)
        self.pooling = ClassAttentionPooling(dim, class_layers, HEADS)
        self.head = nn.Linear(dim, CLASSES)

    def forward(self, tokens):
        x = tokens.layout.blank(tokens.values)
        (x,) = self.input_norm([x], [tokens.layout.valid])
        return self.head(self.pooling(self.encoder(tokens.with_values(self.embed(x)))))


@torch.no_grad()
def from_particle_transformer(other, dim, **arguments):
    mine = Mine(dim, len(other.blocks), len(other.cls_blocks), **arguments).double().eval()
    copy(mine.input_norm, other.embed.input_bn)
    copy(mine.embed, other.embed.embed)
    from_pairs(mine.encoder.pair_embedding, other.pair_embed)
    for layer, block in zip(mine.encoder.layers, other.blocks, strict=True):
        from_branches(layer.branches, block)
        copy(layer.attention.qkv, block.attn.in_proj)
        copy(layer.attention.out, block.attn.out_proj)
    mine.pooling.start.copy_(other.cls_token[0, 0])
    for layer, block in zip(mine.pooling.layers, other.cls_blocks, strict=True):
        from_branches(layer.branches, block)
        weight, bias = block.attn.in_proj.weight, block.attn.in_proj.bias
        layer.attention.query.weight.copy_(weight[:dim])
        layer.attention.query.bias.copy_(bias[:dim])
        layer.attention.key_value.weight.copy_(weight[dim:])
        layer.attention.key_value.bias.copy_(bias[dim:])
        copy(layer.attention.out, block.attn.out_proj)
    copy(mine.pooling.final_norm, other.norm)
    copy(mine.head, other.fc[0])
    return mine


def particle_transformer(weaver, dim, **blocks):
    network = weaver["ParticleTransformer"](
        FEATURES,
        CLASSES,
        embed_dims=(10, dim),
        pair_embed_dims=(8, 12),
        num_heads=HEADS,
        num_layers=2,
        num_cls_layers=2,
        trim=False,
        block_params=blocks,
    )
    away(network)
    network.pair_embed.embed[0].running_var.fill_(30.0)  # as that of logarithms is, or no softmax would be soft
    return network


@torch.no_grad()
def test_particle_transformer(weaver):
    counts = (*COUNTS, 1, 2)
    network = particle_transformer(weaver, 16)
    features, columns, mask = theirs(counts)
    expected = network(features, momenta(columns), mask)
    mine = from_particle_transformer(network, 16)
    for kind in LAYOUTS:
        torch.testing.assert_close(mine(ours(kind, counts=counts)), expected, atol=1e-9, rtol=1e-9)
    single = mine.float()(ours("packed", torch.float32, counts)).double()
    torch.testing.assert_close(single, expected, atol=1e-5, rtol=1e-5)


def test_particle_transformer_trains_with_the_same_statistics(weaver):
    """In training padding has no share in the statistics of pairs in either, so that losses and gradients agree."""
    network = particle_transformer(weaver, 16, dropout=0.0, attn_dropout=0.0, activation_dropout=0.0)
    mine = from_particle_transformer(network, 16, dropout=0.0)
    for part in (network, mine):
        part.train()
    network.embed.eval()  # padding has a share in those of weaver's input embedding
    mine.input_norm.eval()
    features, columns, mask = theirs()
    expected = network(features.requires_grad_(), momenta(columns), mask)  # it looks for inputs with gradients
    found = mine(ours("buckets"))
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)
    for logits in (found, expected):
        F.cross_entropy(logits, torch.arange(len(COUNTS)) % CLASSES).backward()
    torch.testing.assert_close(
        mine.encoder.pair_embedding.linears[1].weight.grad, network.pair_embed.embed[4].weight.grad[..., 0]
    )
    (statistics,) = [one for name, one in mine.named_buffers() if name.endswith("norms.0.running_var")]
    torch.testing.assert_close(statistics, network.pair_embed.embed[2].running_var, atol=1e-9, rtol=1e-9)
