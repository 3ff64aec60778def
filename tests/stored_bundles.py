"""Bundles that a store takes, without a tagger: their graph is never opened."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def _input(stream: str, shape: list[object]) -> dict:
    names = [f"variable {number}" for number in range(int(str(shape[-1])))]
    variables = [{"name": name, "unit": "", "smallest": 0, "largest": 1, "not_measured": None} for name in names]
    return {"name": stream, "stream": stream, "dtype": "float32", "shape": shape, "variables": variables}


JETS = _input("jets", ["jets", 2])
TRACKS = _input("tracks", ["jets", "tracks", 19])
VALID = {"name": "tracks_valid", "stream": "tracks", "dtype": "bool", "shape": ["jets", "tracks"]}
OUTPUT = {
    "name": "GN2_pb",
    "stream": "jets",
    "dtype": "float32",
    "shape": ["jets"],
    "kind": "probability",
    "unit": "",
    "class": "bjets",
    "classes": [],
    "column": "GN2_pb",
    "meaning": "probability of bjets",
    "tolerance": {"absolute": 1e-5, "relative": 1e-5, "logarithm": 1e-4},
}
GRAPH = {"file": "model.onnx", "opset": 18, "ir_version": 8, "operators": {"Add": 1}, "oldest_runtime": "1.17.0"}


def made_bundle(folder: Path, graph: str = "graph", outputs: tuple[dict, ...] = (OUTPUT,), **more: object) -> Path:
    """A folder with a manifest, a graph that is a text, and their hashes.

    Args:
        folder: The bundle.
        graph: The text.
        outputs: Outputs in the manifest.
        more: Further keys of the manifest.
    """
    folder.mkdir(parents=True)
    content = {
        "format": "salt-like bundle",
        "schema_version": 1,
        "package_version": "0.1.0",
        "model": "GN2",
        "profile": "batched",
        "inputs": [JETS, TRACKS, VALID],
        "outputs": list(outputs),
        "graph": GRAPH,
        "tasks": {},
        "discriminants": {},
        "working_points": [],
        "golden": {"jets": 200, "edge_cases": 0},
        "provenance": {"run": "run", "checkpoint": "best.ckpt"},
        **more,
    }
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / "model.onnx").write_text(graph)
    (folder / "README.md").write_text("a card")
    (folder / "cpp").mkdir()
    (folder / "cpp" / "check.cpp").write_text("int main() {}")
    summed(folder)
    return folder


def summed(folder: Path) -> None:
    """Write the hashes of a bundle's files as they are now."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def tree(folder: Path) -> dict[str, str]:
    """What lies below a folder: content of files, targets of links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
    return found
