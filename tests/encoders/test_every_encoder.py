"""Tokenizer, encoder and pooling together: the same numbers in every layout, and what must not matter does not."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from layouts import COUNTS, LAYOUTS, kinematics, make_tokens, offsets_of, packed_values, randomise
from torch import nn
from torch_geometric.nn import GATv2Conv, SAGEConv, TransformerConv

from salt_like.encoders import (
    DeepSets,
    EdgeAttention,
    GraphEncoder,
    HypergraphEncoder,
    ParticleNet,
    ParticleTransformer,
    Transformer,
)
from salt_like.nn import (
    AttentionPooling,
    ClassAttentionPooling,
    ClassTokenPooling,
    MaxPooling,
    MeanPooling,
    PairFeatures,
    SumPooling,
)
from salt_like.nn.convolutions import MLPConv
from salt_like.nn.graphs import NearestNeighbours, RadiusGraph
from salt_like.tokenizers import DenseTokenizer, PeriodicTokenizer

DIM = 8
PLANE = ["deta", "dphi"]
ENCODERS = {
    "pre": lambda: Transformer(DIM, 2, 2),
    "post": lambda: Transformer(DIM, 2, 2, norm_place="post", out_dim=6, layer_scale=0.1),
    "hybrid": lambda: Transformer(DIM, 2, 2, norm_place="hybrid", norm="RMSNorm", gated=True, registers=3),
    "registers": lambda: Transformer(DIM, 1, 2, registers=1, qk_norm=True, feedforward=5, layer_scale=1e-5),
    "deepsets": lambda: DeepSets(DIM, norm="LayerNorm", hidden=10, out_dim=4),
    "context": lambda: DeepSets(DIM, 3, context=True),
    "particlenet": lambda: ParticleNet(DIM, 3, ((6, 5), (5, 5), (7,)), fusion=6),
    "dynamic": lambda: ParticleNet(DIM, 2, ((6,), (6, 4)), (), (), None, False, "SiLU", "max"),
    "part": lambda: ParticleTransformer(DIM, None, (5,), 2, 2, 2.0, dropout=0.0),
    "part-plain": lambda: ParticleTransformer(
        DIM, PairFeatures(features=["ln_dr", "ln_z"]), (), 1, 2, 2.0, "SiLU", 0.0, "RMSNorm", *[False] * 4, out_dim=6
    ),
    "edges": lambda: EdgeAttention(DIM, None, 6, 3, 2),
    "edges-plain": lambda: EdgeAttention(DIM, PairFeatures(energy="energy"), 4, 1, 2, gate=False, out_dim=5),
    "gatv2": lambda: GraphEncoder(
        DIM,
        partial(GATv2Conv, heads=2, concat=False, add_self_loops=False),
        2,
        NearestNeighbours(3, PLANE, ["dphi"], loops=True),
        PairFeatures(energy="energy", hints={"deta": "dphi"}),
        feedforward=6,
    ),
    "attention-of-all": lambda: GraphEncoder(
        DIM, partial(TransformerConv, heads=2, concat=False), 1, None, PairFeatures(), "RMSNorm", "post"
    ),
    "sage-learned": lambda: GraphEncoder(
        DIM, SAGEConv, 2, NearestNeighbours(2), norm_place="post", feedforward=5, out_dim=6
    ),
    "edge-conv": lambda: GraphEncoder(
        DIM, partial(MLPConv, norm="LayerNorm", activation="SiLU"), 2, RadiusGraph(2.5, PLANE, ["dphi"]), residual=False
    ),
    "gine": lambda: GraphEncoder(DIM, partial(MLPConv, kind="GINEConv"), 2, None, PairFeatures(), None, dropout=0.0),
    "hypergraph": lambda: HypergraphEncoder(DIM, 2, attention=True, heads=2, out_dim=5),
    "neighbourhoods": lambda: HypergraphEncoder(DIM, 2, NearestNeighbours(3, PLANE, loops=True), feedforward=6),
}
POOLINGS = {
    "attention": AttentionPooling,
    "sum": SumPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "class": lambda dim: ClassTokenPooling(dim, heads=2),
    "class-attention": lambda dim: ClassAttentionPooling(dim, heads=2, expansion=2.0),
}
TOKENIZERS = {
    "dense": lambda: DenseTokenizer(3, DIM, norm="LayerNorm"),
    "periodic": lambda: PeriodicTokenizer(3, DIM, 2),
}


class Network(nn.Module):
    def __init__(self, encoder="pre", pooling="attention", tokenizer="dense"):
        super().__init__()
        self.tokenizer = TOKENIZERS[tokenizer]()
        self.encoder = ENCODERS[encoder]()
        self.pooling = POOLINGS[pooling](self.encoder.dim)
        randomise(self)

    def forward(self, tokens):
        blank = tokens.with_values(tokens.layout.blank(tokens.values))
        tokens = self.encoder(blank.with_values(self.tokenizer(blank.values)))
        return tokens, self.pooling(tokens)


CASES = [
    *({"encoder": name} for name in ENCODERS),
    *({"pooling": name} for name in POOLINGS),
    *({"encoder": "registers", "pooling": name} for name in POOLINGS),
    {"tokenizer": "periodic"},
]
parametrised = pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case.values()))


def streams(dtype=torch.float64, tracks=COUNTS, flows=None):
    generator = torch.Generator().manual_seed(0)
    counts = {"tracks": torch.tensor(tracks), "flows": torch.tensor(tracks[::-1] if flows is None else flows)}
    return {
        name: (torch.randn(int(n.sum()), 3, generator=generator, dtype=torch.float64).to(dtype), n)
        for name, n in counts.items()
    }


def run(network, kind, inputs):
    tokens, pooled = network(make_tokens(kind, inputs, kinematics))
    return {**{name: packed_values(*tokens.of(name)) for name in inputs}, "pooled": pooled}


def loss(outputs):
    return sum(
        ((value - 0.3) * torch.linspace(0.5, 1.5, value.shape[-1], dtype=value.dtype)).square().sum()
        for value in outputs.values()
    )


@parametrised
@pytest.mark.parametrize("kind", LAYOUTS[1:])
def test_same_values_in_every_layout(case, kind):
    network = Network(**case)
    expected, ours = (run(network, name, streams(torch.float32)) for name in ("packed", kind))
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value, atol=1e-5, rtol=1e-5)


def cancelled(case, network):
    """Weights that shift what a softmax, or the statistics of a batch, remove a shift of."""
    names = [name for name, _ in network.named_parameters() if name.endswith(("key_norm.bias", "lin_key.bias"))]
    if case.get("encoder") == "edges-plain":
        names.append("encoder.layers.0.edge_norm.bias")
    if case.get("encoder") in ("particlenet", "dynamic"):
        names.append("tokenizer.network.3.bias")
    return names


@parametrised
@pytest.mark.parametrize("kind", LAYOUTS[1:])
def test_same_gradients_and_weights_after_a_step(case, kind):
    networks = {}
    for name in ("packed", kind):
        network = networks[name] = Network(**case).double()
        optimiser = torch.optim.SGD(network.parameters(), 1e-3, momentum=0.9)
        loss(run(network, name, streams())).backward()
        optimiser.step()
    for (name, one), other in zip(networks["packed"].named_parameters(), networks[kind].parameters(), strict=True):
        assert one.grad.isfinite().all(), name
        assert one.grad.abs().max() > 1e-12 or name in cancelled(case, network), name
        torch.testing.assert_close(other.grad, one.grad, atol=1e-9, rtol=1e-9, msg=lambda text, name=name: name + text)
        torch.testing.assert_close(other, one, atol=1e-9, rtol=1e-9)
    for one, other in zip(networks["packed"].buffers(), networks[kind].buffers(), strict=True):
        torch.testing.assert_close(other, one, atol=1e-9, rtol=1e-9)  # running statistics


@parametrised
@pytest.mark.parametrize("kind", LAYOUTS)
def test_order_of_constituents_does_not_matter(case, kind):
    network = Network(**case).double()
    inputs = streams()
    generator = torch.Generator().manual_seed(5)
    order = {
        name: torch.cat(
            [
                start + torch.randperm(int(n), generator=generator)
                for start, n in zip(offsets_of(counts), counts, strict=False)
            ]
        )
        for name, (_, counts) in inputs.items()
    }
    plain = run(network, kind, inputs)
    mixed = run(network, kind, {name: (x[order[name]], counts) for name, (x, counts) in inputs.items()})
    torch.testing.assert_close(mixed["pooled"], plain["pooled"], atol=1e-10, rtol=1e-10)
    for name in inputs:
        torch.testing.assert_close(mixed[name], plain[name][order[name]], atol=1e-10, rtol=1e-10)


@parametrised
@pytest.mark.parametrize("kind", LAYOUTS)
def test_other_jets_of_the_batch_do_not_matter(case, kind):
    network = Network(**case).double().eval()  # in training they do where there are statistics of a batch
    inputs = streams()
    whole = run(network, kind, inputs)
    halves = []
    for chosen in (slice(0, 3), slice(3, None)):
        part = {}
        for name, (x, counts) in inputs.items():
            edges = offsets_of(counts)
            first, last, _ = chosen.indices(len(counts))
            part[name] = (x[edges[first] : edges[last if chosen.stop is None else chosen.stop]], counts[chosen])
        halves.append(run(network, kind, part))
    for name, value in whole.items():
        torch.testing.assert_close(torch.cat([half[name] for half in halves]), value, atol=1e-10, rtol=1e-10)


@parametrised
@pytest.mark.parametrize("kind", LAYOUTS)
def test_no_constituents_at_all(case, kind):
    network = Network(**case).double()
    outputs = run(network, kind, streams(tracks=(0, 0), flows=(0, 0)))
    assert outputs["tracks"].shape == (0, network.encoder.dim)
    loss(outputs).backward()
    assert outputs["pooled"].shape == (2, network.pooling.dim)
    torch.testing.assert_close(outputs["pooled"][0], outputs["pooled"][1])
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    if case.get("encoder") in ("registers", "hybrid"):
        assert outputs["pooled"].abs().min() > 0
    elif case.get("pooling") not in ("class", "class-attention"):
        assert (outputs["pooled"] == 0).all()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_one_stream_alone(encoder):
    network = Network(encoder).double()
    inputs = {"tracks": streams()["tracks"]}
    expected = run(network, "packed", inputs)
    for kind in LAYOUTS[1:]:
        for name, value in run(network, kind, inputs).items():
            torch.testing.assert_close(value, expected[name], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_a_jet_contains_matters(encoder):
    if encoder == "deepsets":
        pytest.skip("without context a token does not see the others")
    network = Network(encoder).double().eval()
    x, counts = streams()["tracks"]
    other = x.clone()
    other[0] += 1.0
    before, after = (run(network, "packed", {"tracks": (value, counts)})["tracks"] for value in (x, other))
    assert (after[1:3] - before[1:3]).abs().max() > 1e-4
    torch.testing.assert_close(after[3:], before[3:], atol=0, rtol=0)
