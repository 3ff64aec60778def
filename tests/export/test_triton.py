from __future__ import annotations

import json
import re

import onnx
import pytest

from salt_like.errors import UserError
from salt_like.export.triton import changed, config, interface

GRAPH_TYPES = {"TYPE_FP32": 1, "TYPE_INT8": 3, "TYPE_INT32": 6, "TYPE_BOOL": 9}
TENSOR = re.compile(
    r'^(input|output) \{ name: "([^"]+)" data_type: (\w+) dims: \[ ([-0-9, ]+) \]( reshape \{ shape: \[ \] \})? \}$',
    re.M,
)


def manifest_of(bundle):
    return json.loads((bundle / "manifest.json").read_text())


@pytest.mark.parametrize("profile", ["bundle", "single", "athena"])
def test_the_configuration_fits_the_graph(profile, request):
    """By the rules of Triton and of its backend for ONNX Runtime, which refuse the model otherwise."""
    folder = request.getfixturevalue(profile)
    text = config("GN2", [3], manifest_of(folder))
    graph = onnx.load(folder / "model.onnx").graph
    batched = profile == "bundle"
    assert f"max_batch_size: {256 if batched else 0}\n" in text
    assert ("dynamic_batching { }\n" in text) == batched
    assert 'backend: "onnxruntime"\n' in text
    found = TENSOR.findall(text)
    values = {("input", one.name): one.type.tensor_type for one in graph.input}
    values |= {("output", one.name): one.type.tensor_type for one in graph.output}
    assert [(kind, name) for kind, name, *_ in found] == list(values)
    for kind, name, data_type, dims, reshape in found:
        tensor = values[kind, name]
        assert GRAPH_TYPES[data_type] == tensor.elem_type, name
        shape = [axis.dim_value if axis.HasField("dim_value") else -1 for axis in tensor.shape.dim]
        said = [int(axis) for axis in dims.split(",")]
        assert 0 not in said
        if batched:
            assert shape == [-1, *([] if reshape else said)], name
            assert not reshape or said == [1]
        else:  # Triton has no tensor without axes, and forbids to reshape to one; the backend takes [1] for it
            assert not reshape
            assert (shape or [1]) == said, name


def test_all_kinds_of_types_are_there(bundle, athena):
    texts = config("a", [1], manifest_of(bundle)) + config("b", [1], manifest_of(athena))
    assert {one for one in GRAPH_TYPES if one in texts} == set(GRAPH_TYPES)


def test_name_and_versions_change_and_nothing_else(bundle):
    text = config("GN2", [1], manifest_of(bundle)) + "instance_group [ { count: 4 } ]\n"
    other = changed(text, "GN2.production", [2, 10])
    before, after = text.splitlines(), other.splitlines()
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        ('name: "GN2"', 'name: "GN2.production"'),
        (
            "version_policy: { specific: { versions: [ 1 ] } }",
            "version_policy: { specific: { versions: [ 2, 10 ] } }",
        ),
    ]
    assert changed(other, "GN2", [1]) == text


@pytest.mark.parametrize("key", ["name", "version_policy"])
@pytest.mark.parametrize("times", [0, 2])
def test_a_configuration_that_cannot_be_changed_is_refused(bundle, key, times):
    text = config("GN2", [1], manifest_of(bundle))
    line = next(line for line in text.splitlines() if line.startswith(key))
    with pytest.raises(UserError, match=f"'{key}:', and has {times}"):
        changed(text.replace(line + "\n", (line + "\n") * times), "GN2", [2])


def test_the_interface_knows_no_names_and_versions_but_all_shapes(bundle, single):
    described = manifest_of(bundle)
    assert interface(described) == interface({**described, "model": "other", "working_points": [1]})
    assert interface(described) != interface(manifest_of(single))
    other = {**described, "inputs": [{**described["inputs"][0], "shape": ["jets", 99]}, *described["inputs"][1:]]}
    assert interface(described) != interface(other)
