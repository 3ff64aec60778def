from __future__ import annotations

import pytest

from salt_like.cli import inspect_samples
from salt_like.errors import UserError


def test_samples_and_their_names(sample, tmp_path, monkeypatch):
    for name in ("more.h5", "a=b.h5", "c,d.h5"):
        (tmp_path / name).write_bytes(sample.read_bytes())
    monkeypatch.chdir(tmp_path)
    found = inspect_samples.samples(["small.h5", "both=small.h5,more.h5", "mo*.h5", "a=b.h5", "c,d.h5"])
    assert {name: len(one.paths) for name, one in found.items()} == {
        "small": 1,
        "both": 2,
        "more": 1,
        "a=b": 1,
        "c,d": 1,
    }
    (tmp_path / "other").mkdir()
    (tmp_path / "other/small.h5").write_bytes(sample.read_bytes())
    assert list(inspect_samples.samples(["small.h5", "other/small.h5"])) == ["small", "other/small.h5"]
    with pytest.raises(UserError, match=r"two samples are called 'x': name them"):
        inspect_samples.samples(["x=small.h5", "x=more.h5"])
    with pytest.raises(UserError, match=r"no such file: smal.h5 \(train inspect\) \(did you mean 'small.h5'\?\)"):
        inspect_samples.samples(["small.h5", "smal.h5"])
    with pytest.raises(UserError, match="no file matches"):
        inspect_samples.samples(["z*.h5"])
