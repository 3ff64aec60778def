"""A run that was killed goes on as if nothing had happened, also in the middle of an epoch."""

from __future__ import annotations

import csv
import json

import pytest
import torch

from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder, shipped

SAMPLES = shipped.FOLDER.parent / "samples"
OPTIONS = [
    "--config=quickstart",
    "--model.dim=8",
    "--model.encoder={layers: 1, heads: 2, dropout: 0.2}",
    "--model.ema=0.8",
    "--data.num_train=600",
    "--data.num_val=100",
    "--data.batch_size=100",
    "--data.augment=[{class_path: ConstituentDropout, init_args: {stream: tracks, probability: 0.2}}]",
    "--trainer.max_epochs=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.accelerator=cpu",
]
WATCH = """
import json
from pathlib import Path
from lightning import Callback

class Killed(RuntimeError): ...

class Watch(Callback):
    def __init__(self, file: str, checkpoint: str = "", save: int = 0, kill: int = 0) -> None:
        self.file, self.checkpoint, self.save, self.kill = Path(file), checkpoint, save, kill

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        parts = batch if isinstance(batch, tuple) else (batch,)
        with self.file.open("a") as stream:
            place = [trainer.current_epoch, batch_idx, trainer.global_step]
            stream.write(json.dumps([place, [row for part in parts for row in part.rows.tolist()]]) + "\\n")
        if trainer.global_step == self.save:
            trainer.save_checkpoint(self.checkpoint)
        if trainer.global_step == self.kill:
            raise Killed
"""


DRAWN = ["--data.accumulate=2", "--data.num_workers=1", "--data.start_method=fork", "--data.reweight.mode=sampling"]


@pytest.mark.parametrize("extra", [[], DRAWN])
@pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec", "ignore:.*num_workers")
def test_killed_in_the_middle_of_an_epoch_it_ends_with_the_same_weights(extra, tmp_path, monkeypatch):
    monkeypatch.setenv("SALT_LIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(run_folder.HANDED_OVER, "")
    (tmp_path / "watching.py").write_text(WATCH)
    monkeypatch.syspath_prepend(tmp_path)
    steps = 3 if extra else 6  # of an epoch

    def fit(name, *options, **settings):
        settings["file"] = str(tmp_path / f"{name}.log")
        callback = json.dumps([{"class_path": "watching.Watch", "init_args": settings}])
        return dispatcher.main(["--debug", "fit", *options, f"--trainer.callbacks={callback}"])

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert fit("whole", *OPTIONS, *extra, "--run", str(whole)) == 0
    last = broken / "checkpoints" / "last.ckpt"
    settings = {"checkpoint": str(last), "save": steps + 1, "kill": steps + 2}
    with pytest.raises(RuntimeError):
        fit("first", *OPTIONS, *extra, "--run", str(broken), **settings)
    assert fit("second", "--resume", str(broken)) == 0

    straight, second = (
        [json.loads(line) for line in (tmp_path / f"{name}.log").read_text().splitlines()]
        for name in ("whole", "second")
    )
    assert len(straight) == 2 * steps
    assert second == straight[steps + 1 :]
    for epoch in (0, 1):
        rows = [row for place, some in straight if place[0] == epoch for row in some]
        assert len(rows) == 600
        assert (len(set(rows)) == 600) == (not extra)  # what is drawn with replacement has some twice
    one, two = (torch.load(path, weights_only=True) for path in (whole / "checkpoints" / "last.ckpt", last))
    assert one["global_step"] == two["global_step"] == 2 * steps
    assert any(name.startswith("averaged") for name in one["state_dict"])
    for name, value in one["state_dict"].items():
        torch.testing.assert_close(value, two["state_dict"][name], rtol=0, atol=0, equal_nan=True, msg=name)
    with (broken / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert all(0 < float(row["seconds"]) < 100 for row in rows)
