"""From the folder of a run, or a checkpoint, to a tagger that is ready to use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from salt_like.errors import UserError
from salt_like.loading.calibration import temperatures_for
from salt_like.loading.tagger import LoadedTagger
from salt_like.training import checkpoint
from salt_like.training.run import Run, open_run


def load(
    run: str | Path,
    which: str = "best",
    device: str | None = None,
    *,
    calibrated: bool = True,
    prior: Mapping[str, Mapping[str, float]] | None = None,
) -> LoadedTagger:
    """A trained tagger.

    Args:
        run: Folder of a run, or a checkpoint.
        which: Checkpoint of the run: ``"best"``, ``"last"`` or a path.
        device: Where it computes; ``None`` for a GPU where there is one.
        calibrated: Use the temperatures that `train calibrate` stored with the run, where there are any.
        prior: Class fractions for which probabilities are given, by task and class, such as
            ``{"jets_classification": {"bjets": 0.1, "cjets": 0.2, "ujets": 0.7}}``; those of the training (after class
            weights) for other tasks.

    Raises:
        UserError: No such run or checkpoint, a checkpoint that another configuration made, a calibration that is for
            another checkpoint, or class fractions that do not fit.
    """
    path = Path(run).expanduser()
    if path.suffix == ".ckpt":
        saved, folder = checkpoint.read(path), path.absolute().parent.parent
    else:
        opened = open_run(path)
        saved, folder = checkpoint.read(opened.checkpoint(which)), opened.folder
        _check_belongs(saved, opened)
    temperatures = temperatures_for(saved, Run(folder).calibration) if calibrated else {}
    return LoadedTagger(saved, device, temperatures, prior)


def _check_belongs(saved: checkpoint.Saved, run: Run) -> None:
    """Refuse a checkpoint that another configuration made."""
    if saved.path.is_relative_to(run.folder) or not any(run.checkpoints.glob("*.ckpt")):
        return
    own = checkpoint.read(run.checkpoint())
    if repr((own.spec, own.config)) != repr((saved.spec, saved.config)):  # as text, because NaN differs from itself
        raise UserError(
            f"the checkpoint was made by another configuration than that of the run\n"
            f"checkpoint: {saved.path} (model {saved.name})\nrun: {run.folder}"
        )
