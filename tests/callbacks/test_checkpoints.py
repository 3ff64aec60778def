"""What is in the folder of checkpoints after a full disk, a kill, or an attack."""

from __future__ import annotations

import errno
import os
import pickle
from types import SimpleNamespace

import pytest
import torch

from salt_like.callbacks.checkpoints import AtomicCheckpointIO, Checkpoints
from salt_like.errors import UserError


class Malicious:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    writer = AtomicCheckpointIO()
    writer.save_checkpoint({"epoch": 1}, path)
    before = path.read_bytes()

    def full(content, file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device") as raised:
        writer.save_checkpoint({"epoch": 2}, path)
    assert "last.ckpt: the one before is untouched" in str(raised.value)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["last.ckpt"]


def test_lightning_too_reads_without_executing(tmp_path):
    path, mark = tmp_path / "last.ckpt", tmp_path / "executed"
    torch.save({"epoch": Malicious(mark)}, path)
    with pytest.raises(pickle.UnpicklingError):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=False)
    assert not mark.exists()


def content(epoch, done=1):
    return {"epoch": epoch, "epochs_done": epoch + done}


@pytest.mark.parametrize("present", ["none", "shifted", "right"])
def test_the_best_get_their_names_after_a_kill_between_two_of_them(tmp_path, present):
    # epoch 4 was better than 2 and 1, and was killed while it became the best
    torch.save(content(4), tmp_path / "last.ckpt")
    first = {"none": 2, "shifted": None, "right": 4}[present]
    second = {"none": 1, "shifted": 2, "right": 2}[present]
    for name, epoch in (("best", first), ("best-2", second)):
        if epoch is not None:
            torch.save(content(epoch), tmp_path / f"{name}.ckpt")
    (tmp_path / ".last.ckpt.77.part").write_bytes(b"half")
    kept = Checkpoints(tmp_path, "loss", {}, best=2)
    kept.load_state_dict({"scores": [0.1, 0.2], "epochs": [4, 2]})
    kept.on_train_start(SimpleNamespace(is_global_zero=True), None)
    epochs = {path.name: torch.load(path, weights_only=True)["epoch"] for path in tmp_path.iterdir()}
    assert epochs == {"last.ckpt": 4, "best.ckpt": 4, "best-2.ckpt": 2}
