"""Bundles of earlier versions are kept and stay valid: they are never made again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from salt_like import load
from salt_like.cli import main as dispatcher

OLD = sorted(path for path in (Path(__file__).parent / "old").iterdir() if path.is_dir())


@pytest.fixture(params=OLD, ids=lambda path: path.name)
def old(request) -> Path:
    return request.param


def test_there_is_one_of_every_schema():
    schemas = [json.loads((path / "manifest.json").read_text())["schema_version"] for path in OLD]
    assert schemas == [int(path.name.removeprefix("schema-")) for path in OLD] == list(range(1, len(OLD) + 1))


def test_verified_by_the_installed_copy(old, capsys):
    assert dispatcher.main(["--debug", "verify", str(old)]) == 0
    assert "passed" in capsys.readouterr().out


def test_verified_by_its_own_copy(old):
    done = subprocess.run([sys.executable, "-B", old / "verify.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_predicts_what_it_predicted(old):
    tagger = load(old)
    with h5py.File(old / "golden.h5") as file:
        drawn = np.array([one == b"data" for one in file["case"]])
        arrays = {
            stream: {name: file[f"inputs/{stream}"][drawn][..., index] for index, name in enumerate(names)}
            for stream, names in tagger.inputs.items()
        }
        for stream, fields in arrays.items():
            if f"valid/{stream}" in file:
                fields["valid"] = file[f"valid/{stream}"][drawn]
        said = tagger.predict(arrays)
        assert drawn.sum() > 50
        for name in file["float32"]:
            if not name.startswith("tracks_") and file[f"float32/{name}"].ndim == 1:
                expected = file[f"float32/{name}"][drawn]
                np.testing.assert_allclose(said["jets"][name], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(said["tracks"]["VertexIndex"], file["float32/tracks_VertexIndex"][drawn])
