"""From the graph of a tagger to an ONNX file that old runtimes read and that says nothing of where it was made."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from salt_like.errors import UserError
from salt_like.export import verify
from salt_like.export.graph import Graph
from salt_like.export.interface import GraphInput, Interface
from salt_like.trees.ensemble import DOMAIN, NODE, ensembles

OPSET, IR_VERSION = 18, 8
OLDEST_RUNTIME = "1.17.0"  # the oldest that the files are tried on, see the documentation
OLDEST_TORCH = (2, 6)
EXAMPLE_JETS = 3


def to_onnx(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """The graph as an ONNX model with its weights.

    Args:
        graph: The graph, in evaluation mode, on the CPU.
        metadata: Keys and values that the model carries.

    Raises:
        UserError: This torch cannot export, or an operation of the model has no ONNX form.
    """
    if not can_export():
        needed = ".".join(map(str, OLDEST_TORCH))
        raise UserError(f"torch {torch.__version__} cannot export graphs like these\nneeded is {needed} or newer")
    interface = graph.interface
    example = tuple(_example(one, interface, number) for number, one in enumerate(interface.inputs))
    shapes = tuple(_dynamic(one, interface) for one in interface.inputs)
    try:
        with torch.no_grad(), quiet():
            program = torch.onnx.export(
                graph,
                example,
                dynamo=True,
                input_names=[one.name for one in interface.inputs],
                output_names=[one.name for one in interface.outputs],
                dynamic_shapes=(shapes,),
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise UserError(f"an operation of the model has no ONNX form\nfound: {first.strip()[:300]}") from error
    assert program is not None
    model = program.model_proto
    _plant(model, graph)
    return _finished(model, interface, metadata)


def can_export() -> bool:
    """Whether this torch is new enough."""
    return tuple(int(part) for part in torch.__version__.split(".")[:2]) >= OLDEST_TORCH


def operators(model: bytes) -> dict[str, int]:
    """How often each operator stands in a model, in the graphs and functions within it too."""
    return dict(sorted(verify.read_model(model).operators.items()))


def _plant(model, graph: Graph) -> None:  # type: ignore[no-untyped-def]
    """Put boosted trees into the operators that stand for them."""
    from onnx.helper import make_attribute

    nodes = [node for node in model.graph.node if (node.domain, node.op_type) == (DOMAIN, NODE)]
    if nodes:
        for node, trees in zip(nodes, ensembles(graph), strict=True):
            node.attribute.extend(make_attribute(name, value) for name, value in trees.attributes().items())


def _example(one: GraphInput, interface: Interface, number: int) -> Tensor:
    # axes of different meaning have different sizes, and none is 1, which the exporter would take for constant
    slots = 5 + number
    if one.is_mask:
        return torch.ones(EXAMPLE_JETS, slots - 1, dtype=torch.bool)
    width = len(one.variables)
    if one.is_global:
        return torch.ones(EXAMPLE_JETS if interface.batched else 1, width)
    return torch.ones(EXAMPLE_JETS, slots, width) if interface.batched else torch.ones(slots, width)


def _dynamic(one: GraphInput, interface: Interface) -> dict[int, object]:
    free = torch.export.Dim.DYNAMIC
    if one.is_global:
        return {0: free} if interface.batched else {}
    return {0: free, 1: free} if interface.batched else {0: free}


def _finished(model, interface: Interface, metadata: Mapping[str, str]) -> bytes:  # type: ignore[no-untyped-def]
    """Old enough for old runtimes, without names of source files, with axes that say what they count."""
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.doc_string = "salt-like", "", ""
    model.graph.name, model.graph.doc_string = interface.model, ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.initializer):
        value.doc_string = ""
        if "metadata_props" in value.DESCRIPTOR.fields_by_name:
            del value.metadata_props[:]
    del model.graph.value_info[:]  # shapes of intermediate values, which runtimes find themselves
    names = {}
    for one, value in zip(interface.inputs, model.graph.input, strict=True):
        axes = value.type.tensor_type.shape.dim
        wanted = [] if one.is_global and not interface.batched else ["jets"]
        if not one.is_global:
            wanted = ["jets", one.stream] if interface.batched else [one.stream]
        for axis, name in zip(axes, wanted, strict=False):
            names[axis.dim_param] = name
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = ""
        if "metadata_props" in value.DESCRIPTOR.fields_by_name:
            del value.metadata_props[:]
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = names.get(axis.dim_param, axis.dim_param)
    del model.metadata_props[:]
    for key, text in metadata.items():
        model.metadata_props.add(key=key, value=text)
    written: bytes = model.SerializeToString(deterministic=True)
    return written


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporter warns of missing packages and prints its progress: nothing that a user could act on."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export", "torch.fx")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
