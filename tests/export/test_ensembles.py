"""Ensembles in an exported graph: all members in one, of networks and of trees."""

from __future__ import annotations

from functools import partial

import bundles
import jets
import numpy as np
import pytest
import torch
from export.test_graph import columns
from export.test_trees import grown

from salt_like.encoders import DeepSets, Transformer
from salt_like.ensemble import EnsembleTagger
from salt_like.export.graph import Graph
from salt_like.export.interface import interface_of
from salt_like.export.onnx_file import operators, to_onnx
from salt_like.export.parity import run
from salt_like.export.replay import Replay
from salt_like.export.session import open_session
from salt_like.tagger import Tagger
from salt_like.tasks import Classification, Regression, Vertexing

FLAVOUR = {"flavour": partial(Classification, stream="jets", label="flavour_label")}
TASKS = {
    **FLAVOUR,
    "vertices": partial(Vertexing, stream="tracks", label="vertex"),
    "energy": partial(Regression, stream="jets", label="truth_pt"),
}
REGISTERS = partial(Transformer, layers=1, heads=2, registers=2)


def network(encoder, seed: int, tasks=TASKS) -> Tagger:
    torch.manual_seed(seed)
    return jets.randomise(Tagger(jets.spec(), 8, tasks, encoder=encoder), seed).eval()


def compared(tagger, profile: str) -> tuple[bytes, dict[str, np.ndarray]]:
    bundles.require_export()
    interface = interface_of(tagger, "Many", profile)
    model = to_onnx(Graph(tagger, interface).eval(), {})
    some = columns(tagger.spec, 40)
    found, replay = run(open_session(model), interface, some), Replay(tagger, interface)
    expected, undecided = replay(some), replay.undecided(some, 4e-5)
    for one in interface.outputs:
        values = expected[one.name]
        sure = ~np.repeat(undecided, some.counts[one.stream]) if one.stream in some.counts else ~undecided
        atol = 1e-5 * max(1.0, one.size)
        np.testing.assert_allclose(found[one.name][sure], values[sure], rtol=1e-5, atol=atol)
    assert undecided.mean() < 0.5
    return model, expected


@pytest.mark.slow
def test_one_graph_holds_networks_of_different_kinds():
    _, said = compared(EnsembleTagger([network(REGISTERS, 0), network(DeepSets, 1)]).eval(), "batched")
    assert {"Many_pb", "Many_pb_spread", "Many_truth_pt_spread", "tracks_VertexIndex"} <= set(said)
    assert said["Many_pb_spread"].std() > 0.01
    assert said["tracks_VertexIndex"].max() > 1


def test_a_spread_is_compared_as_exactly_as_the_values_that_it_is_of():
    tagger = EnsembleTagger([network(DeepSets, 0), network(DeepSets, 1)]).eval()
    allowed = {one.name: one.tolerance["absolute"] for one in interface_of(tagger, "M", "batched").outputs}
    size = 4e4 + 10 * 2e4  # no limits are known of the made-up label
    assert allowed["M_truth_pt_spread"] == pytest.approx(1e-5 * size)
    assert allowed["M_pb_spread"] == allowed["M_truth_pt"] == 1e-5


@pytest.mark.slow
def test_trees_are_members_too_and_each_keeps_its_own():
    spec = jets.spec()
    first, second = grown(spec), grown(spec)
    trees = second.learns.trees
    trees.load_state_dict({**trees.state_dict(), "value": -2 * trees.value})
    model, said = compared(EnsembleTagger([first, second, network(DeepSets, 0, FLAVOUR)]).eval(), "batched")
    assert operators(model).get("TreeEnsembleRegressor", 0) in (0, 2)
    assert said["Many_pb_spread"].mean() > 0.01
