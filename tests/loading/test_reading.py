"""Damaged bundles, and runtimes that are too old."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from bundles import copied

import salt_like
from salt_like.bundle import is_bundle, read_bundle
from salt_like.errors import UserError
from salt_like.export import manifest as writing
from salt_like.export.bundle import write_sums
from salt_like.loading.deployed import DeployedTagger


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return copied(bundle, tmp_path / "copy")


def changed(folder: Path, **values: Any) -> None:
    """Another manifest, with right hashes."""
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    write_sums(folder)


def message(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        salt_like.load(folder)
    assert len(str(caught.value).splitlines()) <= 5
    return str(caught.value)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "spec.json"])
def test_a_changed_byte(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[-2] ^= 1
    (copy / name).write_bytes(content)
    assert f"{name} of the bundle was changed: it is not what SHA256SUMS says\nin {copy}" in message(copy)


@pytest.mark.parametrize("name", ["model.onnx", "spec.json", "SHA256SUMS"])
def test_a_missing_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert f"the bundle has no {name}: {copy}" in message(copy)


def test_a_file_without_a_hash(copy: Path) -> None:
    path = copy / "SHA256SUMS"
    path.write_text("".join(one for one in path.read_text().splitlines(True) if "model.onnx" not in one))
    assert "SHA256SUMS of the bundle has no hash of model.onnx" in message(copy)


def test_what_is_a_bundle(copy: Path, tmp_path: Path) -> None:
    assert is_bundle(copy)
    assert not is_bundle(tmp_path)
    assert not is_bundle(copy / "model.onnx")
    (tmp_path / "manifest.json").write_text('{"format": "something else"}')
    assert not is_bundle(tmp_path)
    with pytest.raises(UserError, match="not a bundle"):
        DeployedTagger(tmp_path)
    assert "no run folder" in message(tmp_path / "nothing")
    path = copy / "manifest.json"
    path.write_text(path.read_text()[:-5])  # still one, but damaged
    assert "manifest.json of the bundle was changed" in message(copy)


def test_a_newer_bundle(copy: Path) -> None:
    changed(copy, schema_version=2)
    assert "the manifest of the bundle has schema version 2, known here are those up to 1" in message(copy)
    spec = json.loads((copy / "spec.json").read_text())
    (copy / "spec.json").write_text(json.dumps({**spec, "version": 7}))
    changed(copy, schema_version=1)
    assert "schema version 7" in message(copy)


def test_a_runtime_too_old_is_said_before_the_graph_is_loaded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "model.onnx").write_bytes(b"what an old runtime would stumble over")
    write_sums(copy)
    assert "cannot load the graph" in message(copy)
    monkeypatch.setattr(onnxruntime, "__version__", "1.9.0")
    assert message(copy).splitlines() == [
        "the bundle needs onnxruntime 1.17.0 or newer, here is 1.9.0",
        "pip install 'onnxruntime>=1.17.0'",
    ]


def test_parts_that_do_not_belong_together(copy: Path) -> None:
    outputs = json.loads((copy / "manifest.json").read_text())["outputs"]
    changed(copy, outputs=[{**one, "name": f"{one['name']}x"} for one in outputs])
    assert f"graph, manifest and spec of the bundle do not belong together: {copy}" in message(copy)
    changed(copy, outputs=outputs)
    salt_like.load(copy)
    spec = json.loads((copy / "spec.json").read_text())
    spec["streams"][0]["variables"].reverse()
    (copy / "spec.json").write_text(json.dumps(spec))
    write_sums(copy)
    assert "do not belong together" in message(copy)


def test_reader_and_writer_name_the_same_format(bundle: Path) -> None:
    read = read_bundle(bundle)
    assert (read.manifest["format"], read.manifest["schema_version"]) == (writing.FORMAT, writing.SCHEMA_VERSION)
    assert read.model == (bundle / "model.onnx").read_bytes()
