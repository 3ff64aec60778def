"""How much of a graph's time are the products with its weight matrices, and how fast the core computes them."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

PRODUCTS = ("Gemm", "FusedGemm")
RUNS = 40


def matrix_products(model: bytes, given: dict[str, Any], jets: int) -> dict[str, float]:
    """What onnxruntime's own profile says of a graph on one thread.

    Args:
        model: The graph.
        given: What it is given.
        jets: Number of jets in that.

    Returns:
        Microseconds per jet of all operators and of the products, each the sum of the shortest of the times that an
        operator took in any run, so that other work on the machine is not counted; and billions of floating-point
        operations per second in the products.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(RUNS):
            session.run(None, given)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    times: dict[str, list[float]] = defaultdict(list)
    products: dict[str, int] = {}
    for one in events:
        if one.get("cat") == "Node" and one["name"].endswith("_kernel_time"):
            times[one["name"]].append(one["dur"])
            if one["args"]["op_name"] in PRODUCTS:
                products[one["name"]] = _operations(one["args"])
    shortest = {name: min(some) for name, some in times.items()}
    taken = sum(shortest[name] for name in products)
    return {
        "microseconds": sum(shortest.values()) / jets,
        "in_products": taken / jets,
        "gigaflops": sum(products.values()) / taken / 1e3 if taken else math.nan,
        "megaflop_per_jet": sum(products.values()) / jets / 1e6,
    }


def _operations(arguments: dict[str, Any]) -> int:
    """Additions and multiplications of one product: each number of the result is a row times a column."""
    (result,) = (math.prod(_shape(one)) for one in arguments["output_type_shape"])
    rows, shared = _shape(arguments["input_type_shape"][0])
    return 2 * result * shared if rows else 0


def _shape(described: dict[str, Any] | str) -> list[int]:
    """Of ``{"float": [3, 4]}``."""
    return [int(number) for number in re.findall(r"\d+", re.sub(r"[a-z]+\d*", "", json.dumps(described)))]
