from __future__ import annotations

import pytest

from salt_like.errors import UserError
from salt_like.training.run import open_run


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "first"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("best", "best-2", "last"):
        (folder / "checkpoints" / f"{name}.ckpt").touch()
    return open_run(folder)


def test_finds_checkpoints_by_name_and_path(run, tmp_path):
    assert run.checkpoint().name == "best.ckpt"
    assert run.checkpoint("best-2").name == "best-2.ckpt"
    assert run.checkpoint("last").name == "last.ckpt"
    elsewhere = tmp_path / "mine.ckpt"
    elsewhere.touch()
    assert run.checkpoint(str(elsewhere)) == elsewhere


def test_without_a_best_checkpoint_the_last_one_is_used(run):
    (run.checkpoints / "best.ckpt").unlink()
    assert run.checkpoint("best").name == "last.ckpt"


def test_names_what_is_missing(run, tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint 'lats' \(did you mean 'last'\?\)"):
        run.checkpoint("lats")
    with pytest.raises(UserError, match="no checkpoint at nowhere.ckpt"):
        run.checkpoint("nowhere.ckpt")
    with pytest.raises(UserError, match=r"no run folder at .*frist \(did you mean 'first'\?\)"):
        open_run(tmp_path / "runs" / "frist")
    with pytest.raises(UserError, match="is not a run folder"):
        open_run(tmp_path)
    for path in run.checkpoints.iterdir():
        path.unlink()
    with pytest.raises(UserError, match="the run has no checkpoint: .*\n.*after the first epoch"):
        run.checkpoint()
