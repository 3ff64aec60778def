"""`init_from` on the command line."""

from __future__ import annotations

import json

import torch
import yaml
from conftest import SMALL

from salt_like.cli import main as dispatcher


def test_weights_norms_and_freezing(trained, tmp_path, capsys):
    run = tmp_path / "tuned"
    given = [
        *SMALL,
        f"--init_from={trained}",
        "--init_from.freeze=[encoder]",
        "--data.num_train=200",
        "--model.lr_factors={pooling: 0.1}",
        "--model.tasks.track_origin=null",
    ]
    assert dispatcher.main(["--debug", "fit", *given, "--run", str(run)]) == 0
    said = capsys.readouterr().out
    assert f"weights from {trained}/checkpoints/best.ckpt (normalisation as the weights know it)" in said
    assert "not used: tasks.track_origin" in said
    before = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    after = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    for name, value in after["state_dict"].items():
        same = value.numpy().tobytes() == before["state_dict"][name].numpy().tobytes()  # some are NaN
        assert same or not name.startswith(("tagger.encoder.", "tagger.norms.")), name
        assert not same or "pooling" not in name
    record = json.loads((run / "run.json").read_text())["init_from"]
    assert record["left"] == {}
    assert all(name.startswith("encoder.") for name in record["frozen"])
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["init_from"] == {
        "path": str(trained),
        "take": ["*"],
        "freeze": ["encoder"],
        "normalisation": "kept",
    }
    # a run that is continued needs the other one no more, and keeps frozen what was
    config["init_from"]["path"] = str(tmp_path / "gone")
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert dispatcher.main(["--debug", "fit", "--resume", str(run), "--trainer.max_epochs=2"]) == 0
    again = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for name, value in again.items():
        if name.startswith("tagger.encoder."):
            assert torch.equal(value, before["state_dict"][name])


def test_mistakes_leave_nothing_behind(trained, tmp_path, capsys):
    run = tmp_path / "tuned"
    for given, message in {
        f"--init_from={tmp_path / 'none'}": "no run folder at",
        f"--init_from={{path: {trained}, tke: []}}": "unknown key 'init_from.tke'",
        "--checkpoint_minutes=-1": "checkpoint_minutes = -1",
        "--trainer.gradient_clip_val=-1": "trainer.gradient_clip_val = -1",
    }.items():
        assert dispatcher.main(["fit", *SMALL, given, "--run", str(run)]) == 2
        assert message in capsys.readouterr().err
    assert not run.exists()
