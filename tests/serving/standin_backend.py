"""Stands in for Triton's ONNX Runtime backend where only its Python backend is: loads a model if, and only if, the
configuration fits the graph by the rules of the real one, and answers with what the graph says. It runs inside the
server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

# type in a configuration → type of a graph
TYPES = {
    "TYPE_FP32": "tensor(float)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_INT8": "tensor(int8)",
    "TYPE_BOOL": "tensor(bool)",
}


def refuse_wrong_configuration(configuration, session):
    """The real backend checks number, names, types and shapes when it loads a model; of outputs the shape exactly."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(configuration["input"]) != len(inputs):
        raise ValueError(f"configuration expects {len(configuration['input'])} inputs, model provides {len(inputs)}")
    batched = configuration["max_batch_size"] > 0
    for kind, described in (("input", inputs), ("output", outputs)):
        in_graph = {one.name: one for one in described}
        for one in configuration[kind]:
            name = one["name"]
            if name not in in_graph:
                raise ValueError(f"unexpected {kind} '{name}', allowed: {', '.join(in_graph)}")
            if TYPES[one["data_type"]] != in_graph[name].type:
                raise ValueError(f"{kind} '{name}' is {in_graph[name].type}, configuration says {one['data_type']}")
            shape = [axis if isinstance(axis, int) else -1 for axis in in_graph[name].shape]
            dims = [int(axis) for axis in (one["reshape"]["shape"] if "reshape" in one else one["dims"])]
            if not shape and not batched:  # a scalar
                fits = all(axis == 1 for axis in dims)
            else:
                full = [-1, *dims] if batched else dims
                exact = kind == "output"
                fits = len(full) == len(shape) and (not batched or shape[0] == -1)
                pairs = zip(full, shape, strict=True) if fits else []
                fits = fits and all(ours == theirs or (theirs == -1 and not exact) for ours, theirs in pairs)
            if not fits:
                raise ValueError(f"{kind} '{name}' has shape {shape} in the model, the configuration says {dims}")


class TritonPythonModel:
    def initialize(self, args):
        configuration = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])
        refuse_wrong_configuration(configuration, self.session)
        self.batched = configuration["max_batch_size"] > 0
        self.inputs = [one["name"] for one in configuration["input"]]
        self.outputs = {one["name"]: [int(axis) for axis in one["dims"]] for one in configuration["output"]}

    def execute(self, requests):
        """All requests that Triton put together are one batch of the graph, as in the real backend."""
        asked = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            for request in requests
        ]
        if not self.batched:
            return [self.response(self.run(one)) for one in asked]
        sizes = [len(next(iter(one.values()))) for one in asked]
        found = self.run({name: np.concatenate([one[name] for one in asked]) for name in self.inputs})
        parts = {name: np.split(values, np.cumsum(sizes)[:-1]) for name, values in found.items()}
        return [self.response({name: part[number] for name, part in parts.items()}) for number in range(len(requests))]

    def run(self, inputs):
        found = dict(zip(self.outputs, self.session.run(list(self.outputs), inputs), strict=True))
        # a scalar has the shape that the configuration gives it
        return {name: values if values.ndim else values.reshape(self.outputs[name]) for name, values in found.items()}

    def response(self, found):
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, values) for name, values in found.items()])
