"""Which node of a graph is named, and why."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tampered

from salt_like.export import parting, verify


def feeds_of(bundle) -> dict[str, np.ndarray]:
    """A few golden jets."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    golden = verify.read_golden(bundle / "golden.h5", manifest, verify.Findings())
    return verify.feeds(manifest, golden, [0, 1, 2], False)[0]


@pytest.mark.parametrize(
    ("ours", "theirs", "by", "beyond"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0, False),
        ([1.0, np.nan], [1.0, np.nan], 0.0, False),
        ([1.0, 2.000001], [1.0, 2.0], 1e-6, False),
        ([1.0, 2.1], [1.0, 2.0], 0.1, True),
        ([1.0, np.nan], [1.0, 2.0], np.inf, True),
        ([1.0, 2.0], [1.0], np.inf, True),
        ([1000.001], [1000.0], 1e-3, False),
    ],
)
def test_how_far_values_are_apart(ours, theirs, by, beyond):
    found = parting.apart(np.array(ours), np.array(theirs))
    assert found == (pytest.approx(by), beyond)
    assert parting.apart(np.array([True, False]), np.array([True, True])) == (1.0, True)


def test_a_runtime_that_is_wrong(bundle, monkeypatch):
    """One operator of the runtime gives too much."""
    honest = parting.run
    model = parting.onnx.load(bundle / "model.onnx")
    node = next(one for one in model.graph.node if one.op_type == "Softmax")

    def wrong(model, names, feeds, number):
        values = honest(model, names, feeds, number)
        return [one * 1.001 if name == node.output[0] else one for name, one in zip(names, values, strict=True)]

    monkeypatch.setattr(parting, "run", wrong)
    feeds = feeds_of(bundle)
    found = parting.judge_runtime((bundle / "model.onnx").read_bytes(), feeds)
    assert found["beyond"]["node"] == node.name
    assert found["beyond"]["operator"] == "Softmax"
    assert len(found["not_judged"]) <= 1


def test_graphs_that_are_built_otherwise(bundle):
    model = (bundle / "model.onnx").read_bytes()
    feeds = feeds_of(bundle)

    def with_change(change) -> dict:
        other = parting.onnx.load_from_string(model)
        change(other)
        return parting.bisect(other.SerializeToString(), model, feeds)

    swapped = with_change(lambda other: tampered.swap_outputs(other, "GN2_pu", "GN2_pb"))
    assert "output GN2_pu, GN2_pb: 'GN2_pu' comes from" in swapped["structure"]
    assert swapped["compared"] == swapped["nodes"]
    assert swapped["first"] is None
    permuted = with_change(lambda other: tampered.permute_inputs(other, "tracks", [1, 0, 2]))
    assert permuted["structure"].startswith("node 1: another operator: Gather 'permute'")
    attribute = with_change(lambda other: _softmax(other).attribute[0].__setattr__("i", 0))
    place = attribute["compared"] + 1
    assert attribute["structure"].startswith(f"node {place}: other attributes: Softmax")
    shorter = with_change(lambda other: other.graph.node.pop())
    assert shorter["structure"]


def _softmax(model):
    return next(one for one in model.graph.node if one.op_type == "Softmax" and one.attribute)
