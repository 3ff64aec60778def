"""``run.json`` from the first second, and what is left of a run when something goes wrong."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil

import pytest
import torch
import yaml
from conftest import SMALL

from salt_like.cli import fit_record
from salt_like.cli import main as dispatcher
from salt_like.data.manifest import MANIFEST, DamagedError
from salt_like.data.packed import PackedColumns


def test_a_finished_run_says_everything(trained):
    record = json.loads((trained / "run.json").read_text())
    assert record["schema"] == 1
    assert record["state"] == "finished"
    assert record["started"] <= record["stopped"]
    assert record["jets_seen"] == 300
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert record["configuration"]["resolved"] == json.loads(json.dumps(config))
    assert record["configuration"]["given"]["quickstart"].startswith(("#", "name"))
    assert record["configuration"]["overrides"]["model.dim"] == 8
    (own,) = record["code"]
    assert own["module"] == "salt_like"
    assert len(own["content"]) == 32
    assert {"torch", "lightning", "numpy", "pytest"} <= set(record["installed"])
    assert record["packages"]["torch"] == record["installed"]["torch"]
    assert record["machine"]["memory"] > 1e8
    assert record["device"] == "cpu"
    assert record["threads"] == torch.get_num_threads()
    assert record["determinism"]["deterministic_algorithms"] is False
    files = {(one["split"], one["rows"]) for one in record["data"]}
    assert files == {("train", 5000), ("val", 1000)} or all(rows > 0 for _, rows in files)
    assert all(len(one["fingerprint"]) == 32 and one["size"] > 0 for one in record["data"])
    assert set(record["copies"]) == {"train", "val"}
    assert all(len(os.path.basename(folder)) == 32 for folder in record["copies"].values())


def test_the_record_is_there_before_the_data_are_read(tmp_path, monkeypatch):
    from salt_like.data.module import Data

    seen = {}

    def killed(self, *arguments):
        seen.update(json.loads((tmp_path / "run" / "run.json").read_text()))
        raise KeyboardInterrupt

    monkeypatch.setattr(Data, "_resolved", killed)
    assert dispatcher.main(["fit", *SMALL, "--run", str(tmp_path / "run")]) == 130
    assert seen["state"] == "preparing"
    assert seen["command"].startswith("train fit --config=quickstart")
    assert seen["installed"]["torch"]
    monkeypatch.undo()
    monkeypatch.setenv("SALT_LIKE_CACHE", str(tmp_path / "cache"))
    assert dispatcher.main(["fit", "--resume", str(tmp_path / "run"), "--trainer.limit_train_batches=1"]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [one["state"] for one in record["earlier"]] == ["killed"]
    assert record["changed_configuration"] == {"trainer.limit_train_batches": [None, 1]}


def test_a_disk_that_fills_up_in_the_middle_loses_nothing(trained, tmp_path, monkeypatch, capsys):
    run = shutil.copytree(trained, tmp_path / "run")
    before = (run / "checkpoints" / "last.ckpt").read_bytes()
    save = torch.save

    def full(content, file):
        save(content, file)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        assert dispatcher.main(["fit", "--resume", str(run), "--trainer.max_epochs=2"]) == 2
    message = capsys.readouterr().err
    assert "error: the checkpoint cannot be written: No space left on device" in message
    assert "the one before is untouched" in message
    assert (run / "checkpoints" / "last.ckpt").read_bytes() == before
    assert json.loads((run / "run.json").read_text())["state"] == "failed"
    assert dispatcher.main(["fit", "--resume", str(run), "--trainer.max_epochs=2"]) == 0
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["epochs_done"] == 2


def test_half_deleted_runs(trained, tmp_path, capsys):
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "config.yaml").unlink()
    (run / "run.json").write_text('{"state": ')
    assert dispatcher.main(["fit", "--resume", str(run)]) == 2
    message = capsys.readouterr().err
    assert "cannot be continued without its configuration" in message
    assert "can still be tested and exported" in message
    assert dispatcher.main(["--debug", "test", str(run), "--data.num_test=100"]) == 0
    other = shutil.copytree(trained, tmp_path / "other")
    (other / "checkpoints" / "last.ckpt").unlink()
    assert dispatcher.main(["fit", "--resume", str(other)]) == 2
    assert "the run has no checkpoint 'last'" in capsys.readouterr().err
    shutil.rmtree(other / "checkpoints")
    (other / "metrics.csv").unlink()
    assert dispatcher.main(["--debug", "fit", "--resume", str(other), "--trainer.limit_train_batches=1"]) == 0
    assert (other / "checkpoints" / "last.ckpt").is_file()


class Malicious:
    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_nothing_in_checkpoint_or_cache_is_executed(trained, tmp_path, capsys):
    run, mark = shutil.copytree(trained, tmp_path / "run"), tmp_path / "executed"
    for name in ("last", "best"):
        torch.save({"state_dict": Malicious(mark), "model": {}, "spec": {}}, run / "checkpoints" / f"{name}.ckpt")
    for command in (["fit", "--resume"], ["test"], ["export"]):
        assert dispatcher.main([*command, str(run)]) == 2
        assert "cannot be read as a checkpoint" in capsys.readouterr().err
    assert dispatcher.main(["fit", *SMALL, f"--init_from={run}", "--run", str(tmp_path / "new")]) == 2
    (run / "config.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{mark}']\n")
    assert dispatcher.main(["fit", "--resume", str(run)]) == 2
    cache = tmp_path / "copy"
    cache.mkdir()
    (cache / MANIFEST).write_bytes(pickle.dumps(Malicious(mark)))
    with pytest.raises(DamagedError):
        PackedColumns(cache)
    assert not mark.exists()


def test_modules_of_a_configuration():
    config = {
        "model": {"encoder": {"class_path": "mine.parts.Encoder", "init_args": {"a": [{"class_path": "yours.A"}]}}},
        "trainer": {"callbacks": [{"class_path": "lightning.pytorch.callbacks.EarlyStopping"}]},
    }
    assert fit_record.modules(config) == ["mine", "yours"]
