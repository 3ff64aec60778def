from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from salt_like.callbacks import alive


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_validation_batch_end"])
def test_the_lock_is_touched_now_and_then_by_the_first_process(tmp_path, monkeypatch, hook):
    lock = tmp_path / "training.lock"
    signs = alive.SignsOfLife(lock)
    first, other = SimpleNamespace(is_global_zero=True), SimpleNamespace(is_global_zero=False)
    lock.touch()
    os.utime(lock, (1, 1))
    getattr(signs, hook)(first, None, None, None, 0)
    assert lock.stat().st_mtime == 1  # too early
    monkeypatch.setattr(alive, "SIGN", -1.0)
    getattr(signs, hook)(other, None, None, None, 0)
    assert lock.stat().st_mtime == 1
    getattr(signs, hook)(first, None, None, None, 0)
    assert lock.stat().st_mtime > 1
    lock.unlink()
    getattr(signs, hook)(first, None, None, None, 0)
    assert not lock.exists()
