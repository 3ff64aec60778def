"""Bundles with one thing wrong, whose hashes are right again, so that the comparison itself must find it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from onnx import numpy_helper

from salt_like.export.bundle import write_sums
from salt_like.export.onnx_file import operators


def change_graph(bundle: Path, change: Callable[[Any], None]) -> None:
    """Change the graph, and make the manifest's count of operators and the hashes fit it.

    Args:
        bundle: A copy of a bundle.
        change: Changes the `onnx.ModelProto` that it is given.
    """
    model = onnx.load(bundle / "model.onnx", load_external_data=False)
    change(model)
    data = model.SerializeToString()
    (bundle / "model.onnx").write_bytes(data)
    change_manifest(bundle, lambda content: content["graph"].update(operators=operators(data)))


def change_manifest(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the content of the manifest, and make the hashes fit it."""
    content = json.loads((bundle / "manifest.json").read_text())
    change(content)
    (bundle / "manifest.json").write_text(json.dumps(content))
    write_sums(bundle)


def change_golden(bundle: Path, change: Callable[[h5py.File], Any]) -> None:
    """Change the golden jets, and make the hashes fit them."""
    with h5py.File(bundle / "golden.h5", "r+") as file:
        change(file)
    write_sums(bundle)


def rename(graph: Any, names: dict[str, str]) -> None:
    """Give values of a graph other names, in nodes only: inputs and outputs of the graph keep theirs."""
    for node in graph.node:
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                values[place] = names.get(name, name)


def swap_outputs(model: Any, first: str, second: str) -> None:
    """Two outputs say what the other one should."""
    rename(model.graph, {first: second, second: first})


def permute_inputs(model: Any, name: str, order: list[int]) -> None:
    """The graph reads the variables of an input in another order."""
    rename(model.graph, {name: "permuted"})
    model.graph.initializer.append(numpy_helper.from_array(np.array(order, np.int64), "order"))
    node = onnx.helper.make_node("Gather", [name, "order"], ["permuted"], "permute", axis=-1)
    model.graph.node.insert(0, node)


def change_weights(model: Any, change: Callable[[str, np.ndarray], np.ndarray]) -> int:
    """Change the real numbers that the graph holds.

    Returns:
        Number of weights that are others now.
    """
    changed = 0
    for tensor in model.graph.initializer:
        before = numpy_helper.to_array(tensor)
        if before.dtype != np.float32:
            continue
        after = change(tensor.name, before.copy()).astype(np.float32)
        changed += int(((after != before) & ~np.isnan(before)).sum())
        tensor.CopyFrom(numpy_helper.from_array(after, tensor.name))
    return changed
