"""Graphs in every layout against loops over jets, constituents and neighbours."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from layouts import COUNTS, LAYOUTS, kinematics, make_layout, make_tokens, offsets_of, packed_values
from torch import nn
from torch_geometric.nn import GATv2Conv
from torch_geometric.utils import softmax as softmax_of_edges

from salt_like.nn.distances import Distance, wrap
from salt_like.nn.graphs import CompleteGraph, Edges, NearestNeighbours, RadiusGraph
from salt_like.sets import Padded, Tokens

PLANE = {"coordinates": ["deta", "dphi"], "angles": ["dphi"]}
GRAPHS = {
    "complete": lambda: CompleteGraph(),
    "complete-loops": lambda: CompleteGraph(loops=True),
    "nearest": lambda: NearestNeighbours(3, **PLANE),
    "nearest-loops": lambda: NearestNeighbours(3, **PLANE, loops=True),
    "more-than-there-are": lambda: NearestNeighbours(50, **PLANE),
    "learned": lambda: NearestNeighbours(2),
    "radius": lambda: RadiusGraph(0.8, **PLANE),
    "radius-few": lambda: RadiusGraph(2.0, **PLANE, most=2, loops=True),
}


def inputs(counts=COUNTS, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    flows = list(counts[::-1])
    return {
        name: (torch.randn(sum(n), 3, generator=generator, dtype=torch.float64).to(dtype), torch.tensor(n))
        for name, n in {"tracks": list(counts), "flows": flows}.items()
    }


def positions(tokens: Tokens) -> torch.Tensor:
    """For each row of the layout's values, its number among real constituents in the order of the packed layout."""
    valid = tokens.layout.valid.flatten()
    return torch.where(valid, valid.cumsum(0) - 1, -1)


def edges_of(graph, tokens) -> set[tuple[int, int]]:
    """(sender, receiver) of every edge, in packed numbers."""
    assert graph(tokens).index().shape[1] == sum(real.numel() for real in graph(tokens).real) + 1
    index = graph(tokens).index()
    ghost = tokens.layout.valid.numel()
    numbers = torch.cat([positions(tokens), torch.tensor([-7])])
    found = [tuple(numbers[pair].tolist()) for pair in index.T]
    assert (-7, -7) in found  # never empty
    assert all((sender == -7) == (receiver == -7) for sender, receiver in found)
    assert ((index[0] == ghost) == (index[1] == ghost)).all()
    real = [pair for pair in found if pair != (-7, -7)]
    assert len(real) == len(set(real))
    assert all(min(pair) >= 0 for pair in real)
    return set(real)


def by_loop(name: str, tokens: Tokens) -> set[tuple[int, int]]:
    """The same of packed tokens, one jet, receiver and sender after the other."""
    graph = GRAPHS[name]()
    found = set()
    eta, phi = (tokens.columns[one].tolist() for one in ("deta", "dphi"))

    def distance(i: int, j: int) -> float:
        if name == "learned":
            return math.dist(tokens.values[i].tolist(), tokens.values[j].tolist())
        apart = abs(phi[i] - phi[j]) % (2 * math.pi)
        return math.hypot(eta[i] - eta[j], min(apart, 2 * math.pi - apart))

    edges = tokens.layout.offsets.tolist()
    for first, last in pairwise(edges):
        for i in range(first, last):
            others = sorted((j for j in range(first, last) if j != i), key=lambda j: (distance(i, j), j))
            if isinstance(graph, NearestNeighbours):
                others = others[: graph.k]
            if isinstance(graph, RadiusGraph):
                others = [j for j in others if distance(i, j) <= graph.radius][: graph.most]
            found |= {(j, i) for j in others} | ({(i, i)} if graph.loops else set())
    return found


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("kind", LAYOUTS)
def test_edges_are_those_of_a_loop(name, kind):
    expected = by_loop(name, make_tokens("packed", inputs(), kinematics))
    tokens = make_tokens(kind, inputs(), kinematics)
    tokens = tokens.with_values(tokens.layout.blank(tokens.values))
    assert edges_of(GRAPHS[name](), tokens) == expected
    assert len(expected) > 50


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("counts", [(0,), (0, 0), (0, 1), (1, 0, 1)])
def test_jets_of_none_and_of_one(name, kind, counts):
    graph = GRAPHS[name]()
    tokens = make_tokens(kind, {"tracks": inputs(counts)["tracks"]}, kinematics)
    loops = {(i, i) for i in range(sum(counts))} if graph.loops else set()
    assert edges_of(graph, tokens.with_values(tokens.layout.blank(tokens.values))) == loops


def test_no_slots_at_all():
    tokens = Tokens(torch.zeros(2, 0, 3), Padded(torch.zeros(2, 0, dtype=torch.bool)), {})
    columns = {name: torch.zeros(2, 0) for name in ("deta", "dphi")}
    for make in GRAPHS.values():
        graph = make()
        edges = graph(Tokens(tokens.values, tokens.layout, {}, columns))
        assert (edges.index() == 0).all()
        for how in ("mean", "sum"):
            assert edges.gather(edges.sent(tokens.values), how).shape == (2, 0, 3)


def test_neighbours_across_pi():
    phi = torch.tensor([3.1, -3.1, 2.9, 0.0])
    tokens = Tokens(torch.zeros(4, 1), make_layout("packed", torch.tensor([4])), {}, {"phi": phi})
    assert {pair for pair in edges_of(NearestNeighbours(1, ["phi"], ["phi"]), tokens) if pair[1] < 3} == {
        (1, 0),
        (0, 1),
        (0, 2),
    }
    assert (2, 0) in edges_of(NearestNeighbours(1, ["phi"]), tokens)  # not told that it is an angle
    assert edges_of(RadiusGraph(0.1, ["phi"], ["phi"]), tokens) == {(0, 1), (1, 0)}


def test_wrapped_distance_is_the_same_both_ways_everywhere():
    generator = torch.Generator().manual_seed(0)
    phi = torch.cat(
        [
            (torch.rand(300, generator=generator) - 0.5) * 14,
            torch.tensor([math.pi, -math.pi, 0.0, 2 * math.pi, math.pi / 2, -math.pi / 2, 3 * math.pi]),
        ]
    )
    tokens = Tokens(torch.zeros(307, 1), make_layout("packed", torch.tensor([307])), {}, {"phi": phi})
    (squared,) = Distance(["phi"], ["phi"])(tokens)
    assert torch.equal(squared, squared.transpose(1, 2))
    assert squared.max() <= (math.pi + 1e-5) ** 2
    apart = phi[:, None].double() - phi.double()
    expected = torch.atan2(apart.sin(), apart.cos()).square()
    torch.testing.assert_close(squared[0].double(), expected, atol=2e-5, rtol=0)
    assert torch.equal(wrap(-phi), -wrap(phi))


@pytest.mark.parametrize("kind", LAYOUTS)
def test_of_equally_near_ones_the_first(kind):
    x = torch.zeros(9, 3)
    tokens = make_tokens(kind, {"tracks": (x, torch.tensor([6, 3]))}, kinematics)
    tokens = tokens.with_values(tokens.layout.blank(tokens.values))
    expected = {(j, i) for i in range(6) for j in [j for j in range(6) if j != i][:2]}
    expected |= {(6, 7), (6, 8), (7, 6), (7, 8), (8, 6), (8, 7)}
    for graph in (NearestNeighbours(2, **PLANE), NearestNeighbours(2), RadiusGraph(0.1, **PLANE, most=2)):
        assert edges_of(graph, tokens) == expected


def test_half_precision_has_the_same_neighbours():
    wide = make_tokens("padded", {"tracks": inputs()["tracks"]}, kinematics)
    half = {name: column.bfloat16() for name, column in wide.columns.items()}
    rounded = {name: column.float() for name, column in half.items()}
    # values far from the origin, whose distances half precision cannot tell
    values = (wide.layout.blank(wide.values).float() * 0.01 + 5).bfloat16()
    for name, make in GRAPHS.items():
        ours = edges_of(make(), Tokens(values, wide.layout, {}, half))
        assert ours == edges_of(make(), Tokens(values.float(), wide.layout, {}, rounded)), name
        with torch.autocast("cpu", torch.bfloat16):
            assert ours == edges_of(make(), Tokens(values.float(), wide.layout, {}, rounded)), name


@pytest.mark.parametrize("kind", LAYOUTS)
def test_what_is_gathered_is_that_of_a_loop(kind):
    tokens = make_tokens(kind, inputs(), kinematics)
    plain = make_tokens("packed", inputs(), kinematics)
    found = by_loop("radius", plain)
    edges = RadiusGraph(0.8, **PLANE)(tokens)
    messages = edges.sent(tokens.layout.blank(tokens.values))
    shares = edges.softmax(messages)
    assert all(set(share.sum(2).flatten().round(decimals=9).tolist()) <= {0.0, 1.0} for share in shares)
    for how in ("max", "mean", "sum", "softmax"):
        part = [share * message for share, message in zip(shares, messages, strict=True)]
        ours = edges.gather(part, "sum") if how == "softmax" else edges.gather(messages, how)
        expected = torch.zeros_like(plain.values)
        for i in range(len(expected)):
            senders = [j for j, receiver in found if receiver == i]
            if not senders:
                continue
            sent = plain.values[senders]
            results = {
                "max": sent.amax(0),
                "mean": sent.mean(0),
                "sum": sent.sum(0),
                "softmax": (sent.softmax(0) * sent).sum(0),
            }
            expected[i] = results[how]
        torch.testing.assert_close(packed_values(ours, tokens.layout), expected)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_pairs_and_index_stand_in_the_same_order(kind):
    tokens = make_tokens(kind, inputs(), kinematics)
    edges = NearestNeighbours(3, **PLANE, loops=True)(tokens)
    column = tokens.columns["deta"]
    pairs = [grid[:, :, None, None] - 2 * grid[:, None, :, None] for grid in tokens.layout.grids(column)]
    features = torch.cat([one.flatten() for one in edges.of_pairs(pairs)])
    real = torch.cat([one.flatten() for one in edges.real])
    sender, receiver = edges.index()[:, :-1]
    flat = torch.cat([column.flatten(), column.new_zeros(1)])
    torch.testing.assert_close(features[real], (flat[receiver] - 2 * flat[sender])[real])


@pytest.mark.parametrize("kind", LAYOUTS)
def test_messages_by_index_are_messages_in_grids(kind):
    """An attention written with places against the one of torch_geometric, with the same weights and edges."""
    tokens = make_tokens(kind, inputs(), kinematics)
    x = tokens.layout.blank(tokens.values)
    torch.manual_seed(0)
    layer = GATv2Conv(3, 4, heads=2, concat=False, add_self_loops=False).double()
    edges = NearestNeighbours(4, **PLANE)(tokens)
    flat = torch.cat([x.reshape(-1, 3), x.new_zeros(1, 3)])
    theirs = layer(flat, edges.index())[:-1].reshape(*x.shape[:-1], 4)

    def heads(values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(-1, (2, 4))

    receivers, senders = layer.lin_r(x), layer.lin_l(x)
    sent = [heads(one) for one in edges.sent(senders)]
    own = [heads(one)[:, :, None] for one in tokens.layout.grids(receivers)]
    scores = [
        (nn.functional.leaky_relu(one + other, 0.2) * layer.att[0]).sum(-1)
        for one, other in zip(own, sent, strict=True)
    ]
    shares = edges.softmax(scores)
    messages = [(share[..., None] * one).mean(-2) for share, one in zip(shares, sent, strict=True)]
    ours = edges.gather(messages, "sum") + layer.bias
    torch.testing.assert_close(packed_values(ours, tokens.layout), packed_values(theirs, tokens.layout))


def test_softmax_is_that_of_torch_geometric_with_gradient():
    tokens = make_tokens("buckets", inputs(), kinematics)
    edges = RadiusGraph(1.0, **PLANE)(tokens)
    scores = tokens.values.clone().requires_grad_()
    ours = torch.cat([one.flatten(0, 2) for one in edges.softmax(edges.sent(scores))])
    sender, receiver = edges.index()[:, :-1]
    rows = torch.cat([scores, scores.new_zeros(1, 3)])
    real = torch.cat([one.flatten() for one in edges.real])
    theirs = softmax_of_edges(rows[sender], receiver, num_nodes=len(rows))
    torch.testing.assert_close(ours[real], theirs[real])
    assert (ours[~real] == 0).all()
    weights = torch.randn(ours.shape, dtype=ours.dtype)
    (one,) = torch.autograd.grad((ours * weights).sum(), scores, retain_graph=True)
    (other,) = torch.autograd.grad((theirs * weights * real[:, None]).sum(), scores)
    torch.testing.assert_close(one, other)
    assert one.isfinite().all()


def test_arguments_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        NearestNeighbours(0)
    with pytest.raises(ValueError, match="most must be at least 1"):
        RadiusGraph(0.4, ["deta"], most=0)
    for radius in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="radius must be positive"):
            RadiusGraph(radius, ["deta"])
    with pytest.raises(ValueError, match="at least one variable"):
        NearestNeighbours(2, [])
    with pytest.raises(ValueError, match=r"among the coordinates \(deta\), got 'phi'"):
        RadiusGraph(0.4, ["deta"], ["phi"])


def test_what_graphs_look_at():
    assert NearestNeighbours(2, ["deta", "dphi"]).reads == ("deta", "dphi")
    assert not NearestNeighbours(2, ["deta"]).dynamic
    assert NearestNeighbours(2).dynamic
    assert NearestNeighbours(2).reads == CompleteGraph().reads == ()
    assert not CompleteGraph().dynamic
    edges: Edges = CompleteGraph()(make_tokens("packed", inputs()))
    assert offsets_of(torch.tensor([2]))[-1] == 2
    assert len(edges.senders) == 1
