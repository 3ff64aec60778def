"""Graph and hypergraph encoders against the same layers, one jet after the other, on edges listed by hand."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from layouts import COUNTS, LAYOUTS, kinematics, make_tokens, packed_values, randomise
from torch import nn
from torch_geometric.nn import GATv2Conv, SAGEConv, TransformerConv

from salt_like.encoders import GraphEncoder, HypergraphEncoder
from salt_like.nn.convolutions import MLPConv
from salt_like.nn.graphs import CompleteGraph, NearestNeighbours, RadiusGraph
from salt_like.nn.pairs import PairFeatures

DIM = 6
PLANE = ["deta", "dphi"]
SOME = {
    "gatv2": partial(GATv2Conv, heads=2, concat=False, add_self_loops=False),
    "transformer": partial(TransformerConv, heads=3),
    "edge-conv": partial(MLPConv, kind="EdgeConv"),
}


def inputs():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(sum(COUNTS), 3, generator=generator, dtype=torch.float64)
    return {"tracks": (x, torch.tensor(COUNTS))}


def tokens_of(kind):
    """Tokens of width DIM whose raw variables are those of the three values that they were made of."""
    tokens = make_tokens(kind, inputs(), kinematics)
    return tokens.with_values(torch.cat([tokens.values, tokens.values.flip(-1) * 0.5], -1))


def jets(encoder=None):
    """Values, pairs' features and coordinates of each jet alone."""
    tokens = tokens_of("packed")
    first = 0
    for number in COUNTS:
        part = slice(first, first + number)
        yield part, tokens.values[part], torch.stack([tokens.columns[name][part] for name in PLANE], 1)
        first += number


def within(coordinates, radius):
    apart = coordinates[:, None] - coordinates
    apart[..., 1] = torch.remainder(apart[..., 1] + torch.pi, 2 * torch.pi) - torch.pi
    near = apart.square().sum(-1) <= radius**2
    near.fill_diagonal_(False)
    return near


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("kind", LAYOUTS)
def test_is_the_layer_of_torch_geometric_on_the_complete_graph_of_each_jet(name, kind):
    encoder = GraphEncoder(DIM, SOME[name], 2, CompleteGraph(loops=True), feedforward=5, out_dim=4).double()
    randomise(encoder)
    tokens = tokens_of(kind)
    ours = packed_values(encoder(tokens).values, tokens.layout)
    for part, x, _ in jets():
        ladder = torch.arange(len(x))
        index = torch.cartesian_prod(ladder, ladder).T
        for layer in encoder.layers:
            if len(x):
                x = x + layer.convolution(layer.norm(x), index)
            x = x + layer.feedforward(layer.feedforward_norm(x))
        torch.testing.assert_close(ours[part], encoder.out(encoder.final_norm(x)), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_features_of_pairs_are_on_their_edges(kind):
    encoder = GraphEncoder(
        DIM, SOME["gatv2"], 1, RadiusGraph(1.5, PLANE, ["dphi"]), PairFeatures(), "RMSNorm", "post", activation="ReLU"
    ).double()
    randomise(encoder)
    encoder.pair_norm.running_mean.copy_(torch.tensor([-1.0, 8, -2, 15]))
    encoder.eval()
    tokens = tokens_of(kind)
    ours = packed_values(encoder(tokens).values, tokens.layout)
    (layer,) = encoder.layers
    (grid,) = PairFeatures()(tokens_of("packed"))
    pairs = (grid - encoder.pair_norm.running_mean) * (1 + 1e-5) ** -0.5
    pairs = pairs * encoder.pair_norm.weight + encoder.pair_norm.bias
    edges = 0
    for jet, (part, x, coordinates) in enumerate(jets()):
        if not len(x):
            continue
        receivers, senders = within(coordinates, 1.5).nonzero().T
        edges += len(senders)
        y = layer.convolution(x, torch.stack([senders, receivers]), edge_attr=pairs[jet, receivers, senders])
        expected = encoder.layers[0].norm(x + y.relu())
        torch.testing.assert_close(ours[part], expected, atol=1e-10, rtol=1e-10)
    assert edges > 20


def test_edges_of_a_batch_are_normalised_in_training_and_padding_does_not_count():
    found = {}
    for kind in LAYOUTS:
        encoder = GraphEncoder(
            DIM, SOME["gatv2"], 1, NearestNeighbours(2, PLANE, ["dphi"]), PairFeatures(features=["ln_dr"])
        ).double()
        encoder(tokens_of(kind))
        found[kind] = torch.cat([encoder.pair_norm.running_mean, encoder.pair_norm.running_var])
    values = []
    for _, _, coordinates in jets():
        apart = coordinates[:, None] - coordinates
        apart[..., 1] = torch.remainder(apart[..., 1] + torch.pi, 2 * torch.pi) - torch.pi
        distance = apart.square().sum(-1).sqrt()
        distance.fill_diagonal_(torch.inf)
        values += [d.log() for row in distance for d in row.sort().values[:2] if d.isfinite()]
    values = torch.stack(values)
    expected = torch.stack([0.1 * values.mean(), 0.9 + 0.1 * values.var()])
    for one in found.values():
        torch.testing.assert_close(one, expected)


def test_a_graph_in_learned_features_is_made_anew_in_each_layer():
    class Counted(NearestNeighbours):
        calls = 0

        def forward(self, tokens):
            type(self).calls += 1
            return super().forward(tokens)

    for coordinates, expected in ((None, 3), (PLANE, 1)):
        Counted.calls = 0
        encoder = GraphEncoder(DIM, SAGEConv, 3, Counted(2, coordinates)).double()
        encoder(tokens_of("packed"))
        assert Counted.calls == expected
        assert encoder.reads == tuple(coordinates or ())


@pytest.mark.parametrize("kind", LAYOUTS)
def test_hypergraph_convolution_is_its_matrix_product(kind):
    encoder = HypergraphEncoder(DIM, 2, NearestNeighbours(3, PLANE, ["dphi"], loops=True), norm=None).double()
    randomise(encoder)
    tokens = tokens_of(kind)
    ours = packed_values(encoder(tokens).values, tokens.layout)
    for part, x, coordinates in jets():
        if not len(x):
            continue
        incidence = _neighbourhoods(coordinates, 3)
        for layer in encoder.layers:
            convolution = layer.convolution.convolution
            members = incidence / incidence.sum(0)  # B⁻¹: each hyperedge is the mean of its members
            y = (incidence / incidence.sum(1, keepdim=True)) @ members.T @ convolution.lin(x) + convolution.bias
            x = x + layer.activation(y)
        torch.testing.assert_close(ours[part], x, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_membership_with_attention(kind):
    encoder = HypergraphEncoder(
        DIM, 1, NearestNeighbours(2, PLANE, ["dphi"], loops=True), True, 2, None, activation="ReLU"
    ).double()
    randomise(encoder)
    tokens = tokens_of(kind)
    ours = packed_values(encoder(tokens).values, tokens.layout)
    convolution = encoder.layers[0].convolution.convolution
    for part, x, coordinates in jets():
        if not len(x):
            continue
        incidence = _neighbourhoods(coordinates, 2)
        values = convolution.lin(x).unflatten(-1, (2, DIM // 2))
        heads = []
        for head in range(2):
            own, centre = convolution.att[0, head].split(DIM // 2)
            scores = nn.functional.leaky_relu((values[:, head] @ own)[:, None] + values[:, head] @ centre, 0.2)
            weights = scores.masked_fill(incidence == 0, -torch.inf).softmax(0)  # over the members of each
            edges = (weights / incidence.sum(0)).T @ values[:, head]
            heads.append((weights / incidence.sum(1, keepdim=True)) @ edges)
        expected = x + (torch.cat(heads, -1) + convolution.bias).relu()
        torch.testing.assert_close(ours[part], expected, atol=1e-10, rtol=1e-10)


def _neighbourhoods(coordinates, k):
    """Members (rows) of the hyperedge around each constituent (columns)."""
    apart = coordinates[:, None] - coordinates
    apart[..., 1] = torch.remainder(apart[..., 1] + torch.pi, 2 * torch.pi) - torch.pi
    distance = apart.square().sum(-1).fill_diagonal_(-1)
    incidence = torch.zeros_like(distance)
    for centre in range(len(distance)):
        incidence[distance[centre].argsort()[: k + 1], centre] = 1
    return incidence


def test_without_residual_and_norm_nothing_is_added():
    encoder = GraphEncoder(DIM, SAGEConv, 1, norm=None, residual=False, activation="Tanh").double()
    tokens = tokens_of("packed")
    lonely = encoder(tokens).values[10]  # the one of a jet of one
    layer = encoder.layers[0].convolution
    torch.testing.assert_close(lonely, torch.tanh(layer.lin_l.bias + layer.lin_r(tokens.values[10])))


def test_dropout_acts_in_training_only():
    encoder = GraphEncoder(DIM, SAGEConv, 1, dropout=0.5).double()
    tokens = tokens_of("packed")
    assert not torch.equal(encoder(tokens).values, encoder(tokens).values)
    encoder.eval()
    assert torch.equal(encoder(tokens).values, encoder(tokens).values)


def test_arguments_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="layers must be at least 1"):
        GraphEncoder(DIM, SAGEConv, 0)
    with pytest.raises(ValueError, match="norm_place must be one of pre, post, got 'hybrid'"):
        GraphEncoder(DIM, SAGEConv, norm_place="hybrid")
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\)"):
        GraphEncoder(DIM, SAGEConv, dropout=1.0)
    with pytest.raises(ValueError, match="set attention: true, or leave them out, got heads=2"):
        HypergraphEncoder(DIM, heads=2)
    with pytest.raises(ValueError, match="dim must be a multiple of heads, got dim=6 and heads=4"):
        HypergraphEncoder(DIM, attention=True, heads=4)
    with pytest.raises(ValueError, match="takes no features of edges"):
        GraphEncoder(DIM, SAGEConv, pairs=PairFeatures())


def test_what_it_reads():
    encoder = GraphEncoder(DIM, SOME["gatv2"], 1, NearestNeighbours(2, PLANE), PairFeatures(hints={"d0": "u"}))
    assert encoder.reads == ("deta", "dphi", "pt", "d0", "u")
    assert encoder.edge_dim == 5
    assert encoder.dim == DIM
    assert GraphEncoder(DIM, SAGEConv).reads == ()
    assert GraphEncoder(DIM, SAGEConv, out_dim=3).dim == 3
    assert HypergraphEncoder(DIM).graph.dynamic
