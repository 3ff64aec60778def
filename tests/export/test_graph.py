"""The network as it is deployed, before any export: equal to the tagger in the packed layout of the training."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jets
import numpy as np
import pytest
import torch
from export.test_interface import TASKS, described

from salt_like.data.collate import collate
from salt_like.data.columns import Columns
from salt_like.encoders import DeepSets, Transformer
from salt_like.export.graph import Graph
from salt_like.export.interface import INT8_LIMIT, Wishes, interface_of
from salt_like.export.parity import run
from salt_like.export.replay import Replay
from salt_like.tagger import Tagger

ENCODERS = {
    "transformer": partial(Transformer, layers=2, heads=2),
    "registers": partial(Transformer, layers=1, heads=2, registers=2, gated=True, norm="RMSNorm"),
    "deepsets": DeepSets,
}
COMBINED = Wishes(embedding=True, combine={"x": {"pu": 0.3, "pc": -2.0}}, rename={"pb": "beauty"})


def tagger(encoder="transformer", **options) -> Tagger:
    torch.manual_seed(0)
    return jets.randomise(Tagger(described(**options), 8, TASKS, encoder=ENCODERS[encoder])).eval()


def columns(spec, number: int = 30, seed: int = 3, most: int = 2 * jets.LENGTH) -> Columns:
    """Jets with none to more constituents than the files of the training held."""
    random = np.random.default_rng(seed)
    counts = {"tracks": random.integers(0, most, number), "flows": random.integers(0, most, number)}
    counts["tracks"][:3], counts["flows"][:2] = 0, 0
    inputs = {"jets": np.abs(random.normal(size=(number, 2)) * 1e4).astype(np.float32)}
    for name, one in counts.items():
        inputs[name] = random.normal(size=(one.sum(), len(spec.stream(name).variables))).astype(np.float32)
    inputs["flows"] = np.abs(inputs["flows"])
    inputs["tracks"][::7, 3] = -999.0
    inputs["tracks"][::11, 0] = np.nan
    where = {name: np.concatenate([np.arange(n) for n in one]).astype(np.int32) for name, one in counts.items()}
    return Columns(np.arange(number), inputs, {k: v.astype(np.int32) for k, v in counts.items()}, positions=where)


def truncated(content: Columns, most: int) -> tuple[Columns, np.ndarray]:
    """The same with at most so many tracks per jet, and which are left."""
    counts = content.counts["tracks"]
    kept = content.positions["tracks"] < most
    return (
        replace(
            content,
            inputs={**content.inputs, "tracks": content.inputs["tracks"][kept]},
            counts={**content.counts, "tracks": np.minimum(counts, most)},
            positions={**content.positions, "tracks": content.positions["tracks"][kept]},
        ),
        kept,
    )


class Session:
    """Runs the graph as onnxruntime would."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, _, feeds):
        with torch.inference_mode():
            given = (torch.from_numpy(feeds[one.name]) for one in self.graph.interface.inputs)
            return [one.numpy() for one in self.graph(*given)]


def ran(graph: Graph, content: Columns) -> dict[str, np.ndarray]:
    return run(Session(graph), graph.interface, content)


def padded(content: Columns) -> dict[str, np.ndarray]:
    """What the batched graph takes."""
    feeds = {"jets": content.inputs["jets"]}
    for name, counts in content.counts.items():
        feeds[f"{name}_valid"] = mask = np.arange(counts.max(initial=0)) < counts[:, None]
        feeds[name] = np.zeros((*mask.shape, content.inputs[name].shape[1]), np.float32)
        feeds[name][mask] = content.inputs[name]
    return feeds


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("profile", ["batched", "single", "athena"])
def test_equal_to_the_tagger(encoder, profile):
    model = tagger(encoder)
    interface = interface_of(model, "GN2", profile, COMBINED)
    content = columns(model.spec)
    ours, expected = ran(Graph(model, interface).eval(), content), Replay(model, interface)(content)
    assert ours.keys() == expected.keys()
    for one in interface.outputs:
        if one.kind == "index":
            np.testing.assert_array_equal(ours[one.name], expected[one.name], one.name)
            assert ours[one.name].dtype == one.dtype
        else:
            np.testing.assert_allclose(ours[one.name], expected[one.name], rtol=1e-5, atol=1e-5, err_msg=one.name)
    assert sum(np.ptp(values) > 1e-3 for values in expected.values()) > len(expected) / 2


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("profile", ["batched", "single"])
def test_slots_beyond_those_of_the_caller(encoder, profile):
    model = tagger(encoder)
    graph = Graph(model, interface_of(model, "GN2", profile))
    given = {
        "jets": torch.ones(1, 2),
        "tracks": torch.ones(1, 5, 4) if profile == "batched" else torch.ones(5, 4),
        "tracks_valid": torch.ones(1, 5, dtype=torch.bool),
        "flows": torch.ones(1, 0, 3) if profile == "batched" else torch.ones(0, 3),
        "flows_valid": torch.ones(1, 0, dtype=torch.bool),
    }
    batch, real = graph._batch(given)
    more = int(encoder != "registers")  # whose encoder always has tokens
    assert [batch.inputs[name].shape[0] for name in ("tracks", "flows")] == [5 + more, more]
    assert (real["tracks"] is None) == (profile == "single")
    assert (batch.layouts["tracks"]._real is None) == (profile == "single" and not more)


@pytest.mark.parametrize("profile", ["batched", "single"])
def test_truncates_as_the_configuration_does(profile):
    model = tagger(most=3)
    interface = interface_of(model, "GN2", profile)
    content = columns(model.spec)
    cut, kept = truncated(content, 3)
    assert not kept.all()
    ours, expected = ran(Graph(model, interface).eval(), content), Replay(model, interface)(cut)
    for one in interface.outputs:
        found = ours[one.name]
        if one.stream == "tracks":
            dropped, found = found[~kept], found[kept]
            assert (dropped == -2).all() if one.kind == "index" else np.isnan(dropped).all()
        np.testing.assert_allclose(found, expected[one.name], rtol=1e-5, atol=1e-5, err_msg=one.name)


def test_slots_between_constituents_may_be_empty():
    model = tagger()
    interface = interface_of(model, "GN2", "batched")
    graph, random = Graph(model, interface).eval(), np.random.default_rng(0)
    content = columns(model.spec, 8, most=5)
    feeds = padded(content)
    close = Session(graph).run(None, feeds)
    length = 12
    slots = np.sort(np.stack([random.choice(length, feeds["tracks"].shape[1], replace=False) for _ in range(8)]), 1)
    rows = np.arange(8)[:, None]
    spread = np.full((8, length, 4), 7e7, np.float32)  # what stands at padding is not looked at
    mask = np.zeros((8, length), bool)
    spread[rows, slots], mask[rows, slots] = feeds["tracks"], feeds["tracks_valid"]
    apart = Session(graph).run(None, {**feeds, "tracks": spread, "tracks_valid": mask})
    for one, near, far in zip(interface.outputs, close, apart, strict=True):
        if one.stream == "tracks":
            near, far = near[feeds["tracks_valid"]], far[mask]
        np.testing.assert_allclose(far, near, rtol=1e-5, atol=1e-6, err_msg=one.name)


@pytest.mark.parametrize("number", [0, 1])
def test_no_jets_and_no_constituents(number):
    model = tagger()
    interface = interface_of(model, "GN2", "batched")
    feeds = padded(columns(model.spec, 30).select(slice(number)))
    for one, values in zip(interface.outputs, Session(Graph(model, interface).eval()).run(None, feeds), strict=True):
        assert values.shape[0] == number
        if one.stream == "jets":
            assert np.isfinite(values).all()


def test_undecided_jets_are_those_whose_vertices_a_logit_moves():
    model = tagger()
    interface = interface_of(model, "GN2", "batched", Wishes(tasks=["vertices"]))
    content, replay = columns(model.spec, 100), Replay(model, interface)
    logits = model(collate(content, model.spec, pair_streams=["tracks"]))["vertices"].detach()
    nearest = float(logits.abs().min())  # the threshold is at 0
    assert not replay.undecided(content, 0.99 * nearest).any()
    assert 0 < replay.undecided(content, 1.01 * nearest).sum() < 5
    np.testing.assert_array_equal(replay.undecided(content, 1e5), content.counts["tracks"] > 1)


def test_int8_ends_at_its_largest_number():
    model = tagger()
    interface = interface_of(model, "GN2", "athena", Wishes(tasks=["vertices"]))
    model.task("vertices").threshold = 1e9  # nothing is joined
    graph = Graph(model, interface).eval()
    number = INT8_LIMIT + 30
    feeds = {
        "jet_features": torch.ones(1, 2),
        "track_features": torch.randn(number, 4),
        "flow_features": torch.ones(0, 2),
    }
    (vertices,) = graph(*(feeds[one.name] for one in interface.inputs))
    assert vertices.dtype == torch.int8
    assert vertices.tolist() == [*range(INT8_LIMIT + 1), *[INT8_LIMIT] * (number - INT8_LIMIT - 1)]
