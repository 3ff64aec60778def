"""Bundles are predicted with where torch is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
from field_files import make_arrays, write

from salt_like.loading import load_run

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "lightning", "torchmetrics", "torch_geometric", "onnx", "safetensors"):
            raise ModuleNotFoundError(f"No module named '{name}'")

sys.meta_path.insert(0, Missing())
"""
PREDICT = """
from salt_like.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
NOTEBOOK = """
import h5py, numpy, salt_like
with h5py.File(sys.argv[2]) as file:
    arrays = {name: data[:] for name, data in file.items()}
found = salt_like.load(sys.argv[1]).predict(arrays)
numpy.savez(sys.argv[3], jets=found["jets"]["GN2_pb"], tracks=found["tracks"]["VertexIndex"])
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *arguments], check=False, capture_output=True, text=True
    )


def test_the_prediction_file(bundle: Path, tmp_path: Path) -> None:
    data, out = write(tmp_path / "test.h5", make_arrays(50, seed=3)), tmp_path / "out.h5"
    done = run(PREDICT, "predict", str(bundle), "--data", str(data), "--out", str(out), "--threads", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"predicted 50 of 50 jets with {bundle}" in done.stdout
    expected = load_run(bundle.parent / "run").predict(make_arrays(50, seed=3))
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["jets"]["GN2_pb"], expected["jets"]["GN2_pb"], 1e-5)
        np.testing.assert_array_equal(file["tracks"]["VertexIndex"], expected["tracks"]["VertexIndex"])
    refused = run(PREDICT, "predict", str(bundle.parent / "run"), "--data", str(data), "--out", str(tmp_path / "b.h5"))
    assert refused.returncode != 0  # the finder does keep torch away
    assert "torch" in refused.stderr


def test_notebooks_inspection_and_messages(bundle: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "test.h5", make_arrays(50, seed=3))
    done = run(NOTEBOOK, str(bundle), str(data), str(tmp_path / "found.npz"))
    assert (done.returncode, done.stderr) == (0, "")
    expected = load_run(bundle.parent / "run").predict(make_arrays(50, seed=3))
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_allclose(found["jets"], expected["jets"]["GN2_pb"], 1e-5)
        np.testing.assert_array_equal(found["tracks"], expected["tracks"]["VertexIndex"])
    done = run(PREDICT, "inspect", str(bundle))
    assert (done.returncode, done.stderr) == (0, "")
