"""Convolutions of torch_geometric are built, tried out, and refused where they do not fit."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch_geometric import nn as geometric
from torch_geometric.nn.conv import MessagePassing

from salt_like.nn.convolutions import MLPConv, make_convolution

DIM = 6
FITTING = {
    "ARMAConv": geometric.ARMAConv,
    "ChebConv": partial(geometric.ChebConv, K=2),
    "GATConv": partial(geometric.GATConv, heads=2, concat=False),
    "GATv2Conv": partial(geometric.GATv2Conv, heads=2, concat=False),
    "GCNConv": geometric.GCNConv,
    "GENConv": partial(geometric.GENConv, norm="layer"),
    "GeneralConv": geometric.GeneralConv,
    "GraphConv": geometric.GraphConv,
    "LEConv": geometric.LEConv,
    "ResGatedGraphConv": geometric.ResGatedGraphConv,
    "SAGEConv": geometric.SAGEConv,
    "TAGConv": geometric.TAGConv,
    "TransformerConv": partial(geometric.TransformerConv, heads=2, concat=False),
}
WITH_EDGES = {
    "GATv2Conv": FITTING["GATv2Conv"],
    "GENConv": FITTING["GENConv"],
    "PDNConv": partial(geometric.PDNConv, hidden_channels=4),
    "TransformerConv": FITTING["TransformerConv"],
    "GINEConv": partial(MLPConv, kind="GINEConv"),
    "NNConv": partial(MLPConv, kind="NNConv"),
}


def ring(nodes=7):
    ladder = torch.arange(nodes)
    index = torch.stack([torch.cat([ladder, ladder]), torch.cat([(ladder + 1) % nodes, (ladder + 3) % nodes])])
    generator = torch.Generator().manual_seed(0)
    return torch.randn(nodes, DIM, generator=generator), index, torch.randn(2 * nodes, 3, generator=generator)


@pytest.mark.parametrize("name", FITTING)
def test_what_fits_keeps_the_width(name):
    x, index, _ = ring()
    made = make_convolution(FITTING[name], DIM)
    assert made.training
    assert made(x, index).shape == x.shape


@pytest.mark.parametrize("name", WITH_EDGES)
def test_features_of_edges_are_used(name):
    x, index, features = ring()
    made = make_convolution(WITH_EDGES[name], DIM, 3).eval()
    assert not torch.allclose(made(x, index, edge_attr=features), made(x, index, edge_attr=-features), atol=1e-4)


def test_heads_side_by_side_share_the_width():
    x, index, _ = ring()
    made = make_convolution(partial(geometric.GATv2Conv, heads=3), DIM)
    assert made.out_channels == 2
    assert made(x, index).shape == x.shape
    assert make_convolution(FITTING["GATv2Conv"], DIM).out_channels == DIM


@pytest.mark.parametrize(("given", "expected"), [({}, "mean"), ({"aggr": "sum"}, "mean"), ({"aggr": "add"}, "add")])
def test_a_default_of_the_base_class_is_left_to_the_class(given, expected):
    assert make_convolution(partial(geometric.FeaStConv, node_dim=-2, **given), DIM).aggr == expected
    assert make_convolution(partial(geometric.SAGEConv, aggr="sum"), DIM).aggr == "sum"  # an argument of its own


def test_building_and_trying_uses_no_random_numbers_of_its_own():
    torch.manual_seed(0)
    plain = FITTING["GATv2Conv"](DIM, DIM)
    after = torch.rand(1)
    torch.manual_seed(0)
    made = make_convolution(FITTING["GATv2Conv"], DIM)
    assert torch.equal(torch.rand(1), after)
    assert all(torch.equal(one, other) for one, other in zip(made.parameters(), plain.parameters(), strict=True))


@pytest.mark.parametrize(
    ("factory", "edge_dim", "message"),
    [
        (geometric.GINConv, None, "GINConv is made of a network: write class_path: MLPConv, init_args: {kind: GINConv"),
        (geometric.GINEConv, 3, "kind: GINEConv"),
        (geometric.EdgeConv, None, "kind: EdgeConv"),
        (geometric.HypergraphConv, None, "use the encoder HypergraphEncoder"),
        (geometric.DynamicEdgeConv, None, "DynamicEdgeConv is not given edges but x, batch"),
        (geometric.GravNetConv, None, "say in graph who are neighbours"),
        (geometric.APPNP, None, "APPNP begins with K and alpha"),
        (geometric.AGNNConv, None, "begins with requires_grad"),
        (geometric.GatedGraphConv, None, "begins with out_channels and num_layers"),
        (geometric.GCN2Conv, None, "begins with channels and alpha"),
        (
            partial(geometric.GATv2Conv, heads=4),
            None,
            "returns 24 values per constituent instead of 6: with heads, .* multiple",
        ),
        (partial(geometric.GATv2Conv, head=4), None, "GATv2Conv cannot be built as .6, 6, ….: .*'head'"),
        (partial(geometric.GCNConv, cached=True), None, "cached: true would keep the edges of the first batch"),
        (geometric.GENConv, None, "GENConv has a BatchNorm1d, which would count padding"),
        (geometric.SAGEConv, 3, "SAGEConv takes no features of edges: leave out pairs"),
        (geometric.GCNConv, 3, "GCNConv takes no features of edges"),
        (partial(geometric.GATv2Conv, concat=False, edge_dim=2), 3, "number of features of pairs, 3, got 2"),
        (partial(geometric.GATv2Conv, concat=False, edge_dim=2), None, "number of features of pairs, 0, got 2"),
        (partial(geometric.GMMConv, dim=3, kernel_size=2), None, "GMMConv cannot be run on a graph: AttributeError"),
        (partial(geometric.SAGEConv, aggr="lstm"), None, "SAGEConv cannot be run on a graph: ValueError"),
        (geometric.PointTransformerConv, None, "missing 1 required positional argument"),
        (partial(MLPConv, kind="GINEConv"), None, "GINEConv needs features of edges: set pairs"),
        (partial(MLPConv, kind="EdgeConv"), 3, "EdgeConv takes no features of edges"),
        (partial(MLPConv, kind="EdgConv"), None, "kind must be one of EdgeConv, GINConv, GINEConv, NNConv"),
        (lambda given, made: nn.Linear(given, made), None, "convolution cannot be run on a graph: TypeError"),
        (
            partial(geometric.SAGEConv, out_channels=None),
            None,
            "SAGEConv cannot be built as .6, 6, ….: .*multiple values",
        ),
    ],
)
def test_what_does_not_fit_is_refused(factory, edge_dim, message):
    with pytest.raises(ValueError, match=message):
        make_convolution(factory, DIM, edge_dim)


def test_a_convolution_through_which_jets_see_each_other_is_refused():
    class Leaky(MessagePassing):
        def forward(self, x, edge_index):
            return self.propagate(edge_index, x=x) - x.mean(0)

    with pytest.raises(ValueError, match="Leaky lets constituents see others without an edge"):
        make_convolution(partial(_of, Leaky), DIM)


def _of(kind, given, made):
    del given, made
    return kind()


def test_networks_are_those_of_the_formulas():
    x, index, features = ring()
    senders, receivers = index
    width = 5

    def network(one):
        return one.convolution.nn

    torch.manual_seed(0)
    edge = MLPConv(DIM, width, "EdgeConv", [4])
    gin = MLPConv(DIM, width, "GINConv", [4])
    gine = MLPConv(DIM, width, "GINEConv", [], edge_dim=3)
    nnconv = MLPConv(DIM, width, "NNConv", [4], aggregate="sum", edge_dim=3)
    for i in range(len(x)):
        at = (receivers == i).nonzero()[:, 0]
        sent = x[senders[at]]
        expected = network(edge)(torch.cat([x[i].expand_as(sent), sent - x[i]], -1)).amax(0)
        torch.testing.assert_close(edge(x, index)[i], expected)
        torch.testing.assert_close(gin(x, index)[i], network(gin)(x[i] + sent.sum(0)))
        messages = (sent + gine.convolution.lin(features[at])).relu()
        torch.testing.assert_close(gine(x, index, features)[i], network(gine)(x[i] + messages.sum(0)))
        matrices = network(nnconv)(features[at]).reshape(len(at), DIM, width)
        summed = torch.einsum("ki,kij->j", sent, matrices)
        own = nnconv.convolution.lin(x[i]) + nnconv.convolution.bias
        torch.testing.assert_close(nnconv(x, index, features)[i], summed + own)


def test_the_adapter_makes_the_network_as_told():
    made = MLPConv(DIM, 5, "GINConv", [7, 8], "GELU", "LayerNorm", 0.1, "max")
    assert [type(one).__name__ for one in made.convolution.nn][:4] == ["Linear", "LayerNorm", "GELU", "Dropout"]
    assert made.convolution.nn[-1].out_features == 5
    assert made.convolution.aggr == "max"
    assert MLPConv(DIM, 5).convolution.nn[0].in_features == 2 * DIM
