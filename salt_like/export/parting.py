"""Where two computations of a graph part: node by node, from its inputs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from salt_like.loading.session import open_session

Array = NDArray[Any]
Values = Mapping[str, Array]

GROUP = 24  # nodes whose values are kept at a time: those of pairs of constituents are large
TOLERANCE = 1e-5  # of what counts as a difference between two programs


@dataclass(frozen=True)
class Parting:
    """A node at which values part.

    Args:
        place: Its place among the nodes, from 1.
        node: Its name.
        operator: What it does.
        value: Name of the value.
        difference: Largest difference; infinite where shapes or NaN differ.
        weights: Constants of the node that differ, with the largest difference.
    """

    place: int
    node: str
    operator: str
    value: str
    difference: float
    weights: Mapping[str, float]

    def __str__(self) -> str:
        differ = [f"its weight '{name}' differs by {by:.2g}" for name, by in self.weights.items()]
        words = f"node {self.place}, {self.operator} '{self.node}', value '{self.value}', by {self.difference:.2g}"
        return "; ".join([words, *differ])


@dataclass(frozen=True)
class Alignment:
    """Which nodes of two graphs do the same to the same values.

    Args:
        number: How many do, from the first on.
        values: Values of the one graph → those of the other.
        structure: Where the graphs are built otherwise, empty if nowhere.
    """

    number: int
    values: Mapping[str, str]
    structure: str


def align(ours: onnx.ModelProto, theirs: onnx.ModelProto) -> Alignment:
    """Match two graphs node by node, whatever their values are called.

    Args:
        ours: The one.
        theirs: The other.
    """
    same = {one.name: one.name for one in ours.graph.input}
    constants = [{one.name for one in model.graph.initializer} for model in (ours, theirs)]
    nodes, others = ours.graph.node, theirs.graph.node
    for place in range(max(len(nodes), len(others))):
        if place >= min(len(nodes), len(others)):
            more = nodes if len(nodes) > len(others) else others
            whose = "the bundle" if more is nodes else "the reference"
            return Alignment(place, same, f"{whose} has {len(more)} nodes, the other {place}")
        one, other = nodes[place], others[place]
        why = _unlike(one, other, same, constants)
        if why:
            words = f"node {place + 1}: {why}: {_words(one)} in the bundle, {_words(other)} in the reference"
            return Alignment(place, same, words)
        same.update(zip(one.output, other.output, strict=True))
    return Alignment(len(nodes), same, _outputs_elsewhere(ours, theirs, same))


def _unlike(
    one: onnx.NodeProto, other: onnx.NodeProto, same: dict[str, str], constants: Sequence[set[str]]
) -> str | None:
    if (one.op_type, one.domain) != (other.op_type, other.domain):
        return "another operator"
    if sorted(_attributes(one)) != sorted(_attributes(other)):
        return "other attributes"
    if (len(one.input), len(one.output)) != (len(other.input), len(other.output)):
        return "another number of inputs or outputs"
    for mine, yours in zip(one.input, other.input, strict=True):
        if mine in constants[0] and yours in constants[1]:
            same[mine] = yours
        elif mine and same.get(mine) != yours:
            return "another input"
    return None


def _attributes(node: onnx.NodeProto) -> Iterator[bytes]:
    for one in node.attribute:
        copy = onnx.AttributeProto()
        copy.CopyFrom(one)
        copy.doc_string = ""
        yield copy.SerializeToString(deterministic=True)


def _words(node: onnx.NodeProto) -> str:
    return f"{node.op_type} '{node.name}' of {', '.join(node.input)}"


def _outputs_elsewhere(ours: onnx.ModelProto, theirs: onnx.ModelProto, same: Mapping[str, str]) -> str:
    made = {name: node for node in ours.graph.node for name in node.output}
    wrong = [one.name for one in theirs.graph.output if same.get(one.name) != one.name]
    if not wrong:
        return ""
    by = {yours: mine for mine, yours in same.items()}
    first = wrong[0]
    node, right = made.get(first), made.get(by.get(first, ""))
    place = _words(node) if node is not None else "nothing"
    where = _words(right) if right is not None else "nothing"
    return f"output {', '.join(wrong)}: '{first}' comes from {place}, in the reference from what here is {where}"


def bisect(model: bytes, reference: bytes, feeds: Values) -> dict[str, Any]:
    """The first nodes at which two graphs part, both computed by onnxruntime without its optimisations.

    Args:
        model: The graph.
        reference: The graph as it should be.
        feeds: Jets.

    Returns:
        For JSON: the number of ``nodes`` and of those ``compared``, where the ``structure`` parts, the ``first`` node
        with any difference and the first that is ``beyond`` rounding; both may be missing.
    """
    ours, theirs = onnx.load_from_string(model), onnx.load_from_string(reference)
    aligned = align(ours, theirs)
    if {one.name for one in ours.graph.input} != set(feeds):
        aligned = Alignment(0, {}, aligned.structure or "the graph has other inputs")
    first = beyond = None
    for group in _in_groups(aligned.number):
        nodes = [(place, name) for place in group for name in ours.graph.node[place].output if name]
        names = [name for _, name in nodes]
        mine = run(ours, names, feeds, group[-1] + 1)
        yours = run(theirs, [aligned.values[name] for name in names], feeds, group[-1] + 1)
        for (place, name), one, other in zip(nodes, mine, yours, strict=True):
            by, is_beyond = apart(one, other)
            if by == 0:
                continue
            node = ours.graph.node[place]
            weights = _weights(ours, theirs, node, aligned.values)
            made = Parting(place + 1, node.name, node.op_type, name, by, weights)
            first = first or made
            beyond = beyond or (made if is_beyond else None)
        if beyond is not None:
            break
    return {
        "nodes": len(ours.graph.node),
        "compared": aligned.number,
        "structure": aligned.structure,
        "first": _plain(first),
        "beyond": _plain(beyond),
    }


def judge_runtime(model: bytes, feeds: Values) -> dict[str, Any]:
    """Compare onnxruntime with the reference implementation of ONNX in numpy, each node for itself.

    Args:
        model: The graph.
        feeds: Jets.

    Returns:
        For JSON: the first node whose result is ``beyond`` rounding for the values that it was given, nodes that were
        ``not_judged`` because the reference implementation fails, and the outputs that the runtime's optimisations of
        the graph ``change`` by more than rounding.
    """
    ours = onnx.load_from_string(model)
    constants = {one.name: numpy_helper.to_array(one) for one in ours.graph.initializer}
    known = {**constants, **feeds}
    beyond, failed = None, []
    for group in _in_groups(len(ours.graph.node)):
        nodes = [ours.graph.node[place] for place in group]
        names = list(dict.fromkeys(name for node in nodes for name in (*node.output, *node.input) if name))
        names = [name for name in names if name not in known]
        values = {**known, **dict(zip(names, run(ours, names, feeds, group[-1] + 1), strict=True))}
        for place, node in zip(group, nodes, strict=True):
            try:
                said = ReferenceEvaluator(node, opsets={one.domain: one.version for one in ours.opset_import}).run(
                    None, {name: values[name] for name in node.input if name}
                )
            except Exception:  # it is not complete, and fails in many ways
                failed.append(node.name)
                continue
            for name, value in zip(node.output, said, strict=False):
                by, is_beyond = apart(values[name], value) if name else (0.0, False)
                if is_beyond and beyond is None:
                    beyond = Parting(place + 1, node.name, node.op_type, name, by, {})
    return {"beyond": _plain(beyond), "not_judged": failed, "changed": _changed(ours, model, feeds)}


def _changed(ours: onnx.ModelProto, model: bytes, feeds: Values) -> dict[str, float]:
    names = [one.name for one in ours.graph.output]
    optimised = open_session(model).run(names, dict(feeds))
    pairs = zip(names, optimised, run(ours, names, feeds, len(ours.graph.node)), strict=True)
    found = {name: apart(one, other) for name, one, other in pairs}
    return {name: by for name, (by, is_beyond) in found.items() if is_beyond}


def run(model: onnx.ModelProto, names: Sequence[str], feeds: Values, number: int) -> list[Array]:
    """Values within a graph.

    Args:
        model: The graph.
        names: The values.
        feeds: Jets.
        number: How many of the nodes are computed.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    part = _part(model, names, number).SerializeToString()
    session = onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
    known = {one.name for one in session.get_inputs()}
    found: list[Array] = session.run(list(names), {name: one for name, one in feeds.items() if name in known})
    return found


def _part(model: onnx.ModelProto, names: Sequence[str], number: int) -> onnx.ModelProto:
    """The first nodes of a graph, which return some of their values."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.node[number:]
    del part.graph.output[:]
    part.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    return part


def _in_groups(number: int) -> Iterator[list[int]]:
    return (list(range(start, min(start + GROUP, number))) for start in range(0, number, GROUP))


def apart(ours: Array, theirs: Array) -> tuple[float, bool]:
    """The largest difference of two values, and whether it is more than rounding."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape:
        return float("inf"), True
    if ours.dtype.kind != "f":
        by = float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(initial=0.0))
        return by, by > 0
    x, y = theirs.astype(np.float64), ours.astype(np.float64)
    with np.errstate(all="ignore"):
        change = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(y - x))
        change = np.where(np.isnan(change), np.inf, change)
        is_beyond = bool((change > TOLERANCE * (1 + np.abs(np.nan_to_num(x)))).any())
    return float(change.max(initial=0.0)), is_beyond


def _weights(
    ours: onnx.ModelProto, theirs: onnx.ModelProto, node: onnx.NodeProto, same: Mapping[str, str]
) -> dict[str, float]:
    mine, yours = ({one.name: one for one in model.graph.initializer} for model in (ours, theirs))
    found = {}
    for name in node.input:
        if name in mine and same.get(name) in yours:
            by, _ = apart(numpy_helper.to_array(mine[name]), numpy_helper.to_array(yours[same[name]]))
            if by:
                found[name] = by
    return found


def _plain(one: Parting | None) -> dict[str, Any] | None:
    return None if one is None else {**asdict(one), "words": str(one)}
