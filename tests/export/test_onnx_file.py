"""ONNX files: what can go wrong on the way to one, and which operators stand in it."""

from __future__ import annotations

from functools import partial

import jets
import onnx
import pytest
import torch
from bundles import require_export
from export.test_interface import described
from torch import nn

from salt_like.errors import UserError
from salt_like.export.graph import Graph
from salt_like.export.interface import interface_of
from salt_like.export.onnx_file import operators, to_onnx
from salt_like.tagger import Tagger
from salt_like.tasks import Classification

FLAVOUR = partial(Classification, stream="jets", label="flavour_label")


def graph(**options) -> Graph:
    torch.manual_seed(0)
    model = jets.randomise(Tagger(described(), 8, {"flavour": FLAVOUR}, **options)).eval()
    return Graph(model, interface_of(model, "GN2", "single")).eval()


def test_a_torch_that_is_too_old(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(UserError, match=r"torch 2\.5\.1\+cpu cannot export.*\n.*2\.6 or newer"):
        to_onnx(graph(), {})


class Sorted(nn.Module):
    """An activation whose operation the exporter does not know."""

    def forward(self, x):
        return torch.linalg.eigvals(x[..., None] * x[..., None, :]).real


def test_an_operation_without_an_onnx_form():
    require_export()
    one = graph()
    one.tagger.task("flavour").head = nn.Sequential(one.tagger.task("flavour").head, Sorted())
    with pytest.raises(UserError, match="an operation of the model has no ONNX form\nfound: "):
        to_onnx(one, {})


def test_metadata_operators_and_the_same_bytes_twice():
    require_export()
    first, second = (to_onnx(graph(), {"key": "value"}) for _ in range(2))
    assert first == second
    model = onnx.load_from_string(first)
    assert {one.key: one.value for one in model.metadata_props} == {"key": "value"}
    assert sum(operators(first).values()) == len(model.graph.node)
    assert operators(first)["Softmax"] >= 1


def test_operators_of_graphs_within_the_graph_and_of_functions_are_counted():
    add = onnx.helper.make_node("Add", ["a", "a"], ["b"])
    branch = onnx.helper.make_graph([add, add], "branch", [], [])
    node = onnx.helper.make_node("If", ["c"], ["out"], then_branch=branch, else_branch=branch)
    outer = onnx.helper.make_graph([node, add], "outer", [], [])
    versions = [onnx.helper.make_opsetid("", 18)]
    function = onnx.helper.make_function("own", "Sum", ["a"], ["b"], [add, node], versions)
    model = onnx.helper.make_model(outer, opset_imports=versions, functions=[function])
    assert operators(model.SerializeToString()) == {"Add": 10, "If": 2}
