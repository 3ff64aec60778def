"""What a bundle holds."""

from __future__ import annotations

import json


def test_files(bundle):
    names = {path.name for path in bundle.iterdir()}
    assert {"model.onnx", "manifest.json", "golden.h5", "verify.py", "parity.json", "README.md"} <= names


def test_profiles(single, athena):
    assert json.loads((single / "manifest.json").read_text())["profile"] == "single"
    assert json.loads((athena / "manifest.json").read_text())["model"] == "GN2v1"
