"""What Triton wants beside a graph: `config.pbtxt`, with inputs and outputs as the manifest describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from salt_like.errors import UserError

CONFIG = "config.pbtxt"
MAX_BATCH_SIZE = 256
_TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32", "int8": "TYPE_INT8", "bool": "TYPE_BOOL"}
_NAME = re.compile(r"^name:.*$", re.MULTILINE)
_POLICY = re.compile(r"^version_policy:.*$", re.MULTILINE)
_HEAD = """\
# The lines `name` and `version_policy` are rewritten by `train deploy`; all others are written once and may be changed.
"""


def config(name: str, versions: Sequence[int], manifest: Mapping[str, Any]) -> str:
    """The text of `config.pbtxt`.

    A graph for many jets is served in batches, and the axis of jets is left out, as Triton adds it; a graph for one jet
    is served request by request. Axes of constituents are of any length (-1).

    Args:
        name: Name of the model in the repository, that of its folder.
        versions: Versions that are served.
        manifest: The manifest of a bundle.
    """
    batched = manifest["profile"] == "batched"
    lines = [
        f"name: {_quoted(name)}",
        'backend: "onnxruntime"',
        f"max_batch_size: {MAX_BATCH_SIZE if batched else 0}",
        _policy(versions),
    ]
    if batched:
        # no queueing delay: what waits anyway while the model is busy is put together
        lines.append("dynamic_batching { }")
    lines += [_tensor("input", one, batched) for one in manifest["inputs"]]
    lines += [_tensor("output", one, batched) for one in manifest["outputs"]]
    return _HEAD + "\n".join(lines) + "\n"


def changed(text: str, name: str, versions: Sequence[int]) -> str:
    """An existing `config.pbtxt` for other versions or under another name; what else stands there is kept.

    Args:
        text: The content.
        name: Name of the model in the repository.
        versions: Versions that are served.

    Raises:
        UserError: One of the two lines that are to be replaced is not there.
    """
    for key, pattern, line in (
        ("name", _NAME, f"name: {_quoted(name)}"),
        ("version_policy", _POLICY, _policy(versions)),
    ):
        text, found = pattern.subn(line.replace("\\", r"\\"), text)
        if found != 1:
            raise UserError(
                f"{CONFIG} of '{name}' must have one line that begins with '{key}:', and has {found}\n"
                "it says which version is served; write it back, as in the other models of the store"
            )
    return text


def interface(manifest: Mapping[str, Any]) -> str:
    """What all versions of a served model must have in common: the configuration without name and versions.

    Args:
        manifest: The manifest of a bundle.
    """
    return config("", [], manifest)


def _policy(versions: Sequence[int]) -> str:
    return f"version_policy: {{ specific: {{ versions: [ {', '.join(map(str, versions))} ] }} }}"


def _tensor(kind: str, described: Mapping[str, Any], batched: bool) -> str:
    shape = described["shape"][1:] if batched else described["shape"]
    dims = ", ".join(str(axis if isinstance(axis, int) else -1) for axis in shape)
    inner = [
        f"name: {_quoted(described['name'])}",
        f"data_type: {_TYPES[described['dtype']]}",
        f"dims: [ {dims or 1} ]",
    ]
    if batched and not dims:
        # Triton knows no tensor without axes: a client gets (jets, 1) of what is (jets,) in the graph
        inner.append("reshape { shape: [ ] }")
    return f"{kind} {{ {' '.join(inner)} }}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
