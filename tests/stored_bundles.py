"""Bundles that a store takes, without a tagger: their graph is never opened."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

JETS = {"name": "jets", "stream": "jets", "dtype": "float32", "shape": ["jets", 2]}
TRACKS = {"name": "tracks", "stream": "tracks", "dtype": "float32", "shape": ["jets", "tracks", 19]}
VALID = {"name": "tracks_valid", "stream": "tracks", "dtype": "bool", "shape": ["jets", "tracks"]}
OUTPUT = {"name": "GN2_pb", "stream": "jets", "dtype": "float32", "shape": ["jets"]}


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
        "model": "GN2",
        "profile": "batched",
        "inputs": [JETS, TRACKS, VALID],
        "outputs": list(outputs),
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
