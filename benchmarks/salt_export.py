"""Writes Salt's own ONNX export of a GN2 of given sizes (runs in Salt's environment, which also needs ``onnx``).

    python benchmarks/salt_export.py ARCHITECTURE STATISTICS OUT.onnx TASK [TASK …]

The model is built by Salt's classes with the weights that they start from, wrapped in Salt's ``ONNXModel`` and exported
by the call that its ``to_onnx`` makes; checkpoint and metadata are left out.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch
from salt.models.transformer import change_attn_backends
from salt.onnx.to_onnx import ONNXModel, get_default_onnx_feature_map
from salt_model import VARIABLES, salt_wrapper
from worker_config import WorkerConfig


def main(architecture: str, statistics: str, out: str, tasks: list[str]) -> None:
    """Export one graph."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    config = WorkerConfig(architecture, "track_vertexing" in tasks, "", statistics, 1000)
    wrapper = salt_wrapper(config)
    model = ONNXModel(
        get_default_onnx_feature_map("r22default", list(VARIABLES), "jets"),
        VARIABLES,
        name="GN2",
        tasks_to_output=tasks,
        model=wrapper.model,
        lrs_config=wrapper.lrs_config,
        global_object="jets",
        norm_config={
            "norm_dict": Path(statistics) / "norm_dict.yaml",
            "variables": VARIABLES,
            "global_object": "jets",
            "input_map": {"jets": "jets", "tracks": "tracks"},
        },
    )
    model.eval()
    model.float()
    change_attn_backends(model.model, "torch-math")
    model.to_onnx(
        out,
        opset_version=20,
        input_names=model.input_names,
        output_names=model.output_names,
        dynamic_axes=model.dynamic_axes,
        dynamo=False,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
