"""A convolution is exported on trial before anything is trained."""

from __future__ import annotations

import re
from functools import partial

import pytest
from bundles import require_export
from torch_geometric.nn import GATv2Conv, SAGEConv
from torch_geometric.nn.conv import MessagePassing

from salt_like.encoders import GraphEncoder, HypergraphEncoder
from salt_like.export import trial
from salt_like.nn.pairs import PairFeatures


class Moody(MessagePassing):
    """What it does depends on values, which no graph of operations can say."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(aggr="sum")

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=x if x.abs().max() < 1e6 else x / 2)


@pytest.mark.parametrize(
    "encoder",
    [
        lambda: GraphEncoder(6, SAGEConv, 1),
        lambda: GraphEncoder(6, partial(GATv2Conv, heads=2, concat=False), 1, pairs=PairFeatures()),
        lambda: HypergraphEncoder(6, 1, attention=True, heads=2),
    ],
    ids=["plain", "pairs", "hypergraph"],
)
def test_nothing_keeps_these_from_export(encoder):
    require_export()
    made = encoder()
    assert trial.what_keeps_from_export(made) is None
    assert made.convolution.training


@pytest.mark.parametrize(
    ("convolution", "reason"),
    [(Moody, "data-dependent"), (partial(SAGEConv, aggr="median"), "conflicts between user-specified ranges and .*:")],
    ids=["moody", "median"],
)
def test_why_others_cannot(convolution, reason, capfd):
    require_export()
    found = trial.what_keeps_from_export(GraphEncoder(6, convolution, 1))
    assert found is not None
    assert re.search(reason, found), found
    assert len(found) < 300
    assert capfd.readouterr() == ("", "")


def test_a_form_that_says_something_else(monkeypatch):
    require_export()
    encoder = GraphEncoder(6, SAGEConv, 1)
    plain = trial._Alone.forward

    def other(self, x, index, features=None):
        return plain(self, x, index) * (2.0 if x.shape[0] == 13 else 1.0)

    monkeypatch.setattr(trial._Alone, "forward", other)
    assert "says something else with 13 nodes" in (trial.what_keeps_from_export(encoder) or "")
