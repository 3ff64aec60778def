"""From the folder of a run, a checkpoint or a bundle to a tagger that is ready to use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from salt_like.bundle import is_bundle
from salt_like.errors import UserError

# what needs torch or onnxruntime is imported where it is used: a bundle is opened without torch
if TYPE_CHECKING:
    from salt_like.loading.deployed import DeployedTagger
    from salt_like.loading.tagger import LoadedTagger
    from salt_like.training.checkpoint import Saved
    from salt_like.training.run import Run


def load(
    run: str | Path,
    which: str = "best",
    device: str | None = None,
    *,
    calibrated: bool = True,
    prior: Mapping[str, Mapping[str, float]] | None = None,
) -> LoadedTagger | DeployedTagger:
    """A trained tagger.

    Args:
        run: Folder of a run, a checkpoint, or a bundle.
        which: Checkpoint of the run: ``"best"``, ``"last"`` or a path.
        device: Where it computes; ``None`` for a GPU where there is one. A bundle computes on the CPU.
        calibrated: Use the temperatures that `train calibrate` stored with the run, where there are any.
        prior: Class fractions for which probabilities are given, by task and class, such as
            ``{"jets_classification": {"bjets": 0.1, "cjets": 0.2, "ujets": 0.7}}``; those of the training (after class
            weights) for other tasks.

    Raises:
        UserError: No such run or checkpoint, a checkpoint that another configuration made, a calibration that is for
            another checkpoint, class fractions that do not fit, or a bundle that is damaged.
    """
    path = Path(run).expanduser()
    if not is_bundle(path):
        return load_run(path, which, device, calibrated=calibrated, prior=prior)
    from salt_like.loading.deployed import DeployedTagger

    refuse_choices(
        path,
        {
            f"which={which!r}": which != "best",
            f"device={device!r}": device not in (None, "cpu"),
            "calibrated=False": not calibrated,
            "prior": bool(prior),
        },
    )
    return DeployedTagger(path)


def load_run(
    run: str | Path,
    which: str = "best",
    device: str | None = None,
    *,
    calibrated: bool = True,
    prior: Mapping[str, Mapping[str, float]] | None = None,
) -> LoadedTagger:
    """A tagger with the weights of a checkpoint; arguments and errors are those of `load`."""
    from salt_like.loading.calibration import temperatures_for
    from salt_like.loading.tagger import LoadedTagger
    from salt_like.training import checkpoint
    from salt_like.training.run import Run, open_run

    path = Path(run).expanduser()
    if path.suffix == ".ckpt":
        saved, folder = checkpoint.read(path), path.absolute().parent.parent
    else:
        opened = open_run(path)
        saved, folder = checkpoint.read(opened.checkpoint(which)), opened.folder
        _check_belongs(saved, opened)
    temperatures = temperatures_for(saved, Run(folder).calibration) if calibrated else {}
    return LoadedTagger(saved, device, temperatures, prior)


def refuse_choices(bundle: Path, given: Mapping[str, bool]) -> None:
    """Refuse what can be chosen for a run and is fixed in a bundle.

    Args:
        bundle: The bundle.
        given: The choice, as the user writes it → whether it was made.

    Raises:
        UserError: One was made.
    """
    for choice, made in given.items():
        if made:
            raise UserError(
                f"{choice} is for runs, and this is a bundle: {bundle}\n"
                "its checkpoint, temperatures and class fractions were chosen by `train export`; it computes on the CPU"
            )


def _check_belongs(saved: Saved, run: Run) -> None:
    """Refuse a checkpoint that another configuration made."""
    from salt_like.training import checkpoint

    if saved.path.is_relative_to(run.folder) or not any(run.checkpoints.glob("*.ckpt")):
        return
    own = checkpoint.read(run.checkpoint())
    if repr((own.spec, own.config)) != repr((saved.spec, saved.config)):  # as text, because NaN differs from itself
        raise UserError(
            f"the checkpoint was made by another configuration than that of the run\n"
            f"checkpoint: {saved.path} (model {saved.name})\nrun: {run.folder}"
        )
