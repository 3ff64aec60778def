"""Opens a graph in onnxruntime, quietly and on so many threads as one wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_like.bundle import apart
from salt_like.errors import UserError


def open_session(model: bytes | Path, threads: int = 1) -> Any:
    """A session on the CPU.

    Args:
        model: The model, or its file.
        threads: Threads within an operation; 0 for as many as there are cores.

    Raises:
        UserError: onnxruntime does not take the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    given = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base that it exports
        first = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise UserError(f"onnxruntime {onnxruntime.__version__} cannot load the graph\nfound: {first}") from error


def require_runtime(oldest: str) -> None:
    """Refuse an onnxruntime that is too old for a graph, before it is given one.

    Args:
        oldest: The oldest version that has all operators of the graph.

    Raises:
        UserError: The installed one is older.
    """
    import onnxruntime

    if _numbers(onnxruntime.__version__) < _numbers(oldest):
        raise UserError(
            f"the bundle needs onnxruntime {oldest} or newer, here is {onnxruntime.__version__}\n"
            f"pip install 'onnxruntime>={oldest}'"
        )


def require_names(session: Any, manifest: Mapping[str, Any], bundle: Path) -> None:
    """Refuse a graph whose inputs and outputs have other names than in the manifest.

    Args:
        session: The graph.
        manifest: The manifest.
        bundle: The bundle, for messages.

    Raises:
        UserError: They have.
    """
    graph = ({one.name for one in session.get_inputs()}, {one.name for one in session.get_outputs()})
    if graph != tuple({one["name"] for one in manifest[key]} for key in ("inputs", "outputs")):
        raise apart(bundle)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"\d+", version)[:3])
