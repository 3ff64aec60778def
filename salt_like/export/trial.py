"""Whether a convolution can be exported, tried on its own before anything is trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from salt_like.encoders import GraphEncoder
from salt_like.export import onnx_file

TOLERANCE = 1e-4
NODES, EDGES = 5, 9


class _Alone(nn.Module):
    """A convolution with the arguments that `GraphEncoder` gives it, by position."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor, index: Tensor, features: Tensor | None = None) -> Tensor:
        given = {} if features is None else {"edge_attr": features}
        return self.convolution(x, index, **given)  # type: ignore[no-any-return]


def what_keeps_from_export(encoder: GraphEncoder) -> str | None:
    """Why the convolution of an encoder has no ONNX form that says the same; ``None`` where it has one.

    Args:
        encoder: The encoder; its first layer is looked at.
    """
    alone = _Alone(encoder.convolution)
    training = alone.training
    given = _example(encoder, NODES, EDGES)
    free = torch.export.Dim.DYNAMIC
    shapes = ({0: free}, {1: free}, {0: free})[: len(given)]
    try:
        with torch.no_grad(), onnx_file.quiet():
            program = torch.onnx.export(
                alone.eval(),
                given,
                dynamo=True,
                dynamic_shapes=shapes,
                opset_version=onnx_file.OPSET,
                external_data=False,
                verbose=False,
            )
            assert program is not None
            return _difference(alone, program.model_proto, encoder)
    except torch.onnx.errors.OnnxExporterError as error:
        return _reason(error)
    finally:
        alone.train(training)


def _example(encoder: GraphEncoder, nodes: int, edges: int) -> tuple[Tensor, ...]:
    """Nodes in a ring with some chords, and loops of the last one."""
    numbers = torch.arange(edges)
    senders, receivers = numbers % nodes, (numbers * numbers + 1) % nodes
    index = torch.stack([senders, receivers])
    index = torch.where(senders == nodes - 1, torch.full_like(index, nodes - 1), index)
    x = torch.linspace(-1, 1, nodes * encoder.in_dim).reshape(nodes, encoder.in_dim)
    if encoder.edge_dim is None:
        return x, index
    return x, index, torch.linspace(-1, 1, edges * encoder.edge_dim).reshape(edges, encoder.edge_dim)


def _difference(alone: nn.Module, model, encoder: GraphEncoder) -> str | None:  # type: ignore[no-untyped-def]
    """What is different in a graph of another size, and in one that has nothing but the node that is never real."""
    import onnxruntime

    model.ir_version = onnx_file.IR_VERSION
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for nodes, edges in ((13, 40), (1, 1)):
        given = _example(encoder, nodes, edges)
        names = [one.name for one in session.get_inputs()]
        (found,) = session.run(None, dict(zip(names, (one.numpy() for one in given), strict=True)))
        expected = alone(*given).numpy()
        if not np.allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE):
            largest = np.abs(found - expected).max()
            return f"the exported form says something else with {nodes} nodes: differences up to {largest:.2g}"
    return None


def _reason(error: BaseException) -> str:
    """What the innermost error begins with, which says more than that a step has failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1]) or "no reason given"
    return f"{type(error).__name__}: {text[:240]}"
