"""Reusable modules, tasks and training for particle-jet taggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from salt_like.loading.deployed import DeployedTagger
    from salt_like.loading.tagger import LoadedTagger


def load(
    run: str | Path,
    which: str = "best",
    device: str | None = None,
    *,
    calibrated: bool = True,
    prior: Mapping[str, Mapping[str, float]] | None = None,
) -> LoadedTagger | DeployedTagger:
    """A trained tagger, ready to predict.

    Args:
        run: Folder of a run, a checkpoint, or a bundle, which needs no torch.
        which: Checkpoint of the run: ``"best"``, ``"last"`` or a path.
        device: Where it computes; ``None`` for a GPU where there is one. A bundle computes on the CPU.
        calibrated: Use the temperatures that `train calibrate` stored with the run, where there are any.
        prior: Class fractions for which probabilities are given, by task and class, such as
            ``{"jets_classification": {"bjets": 0.1, "cjets": 0.2, "ujets": 0.7}}``; those of the training (after class
            weights) for other tasks.

    Raises:
        UserError: No such run or checkpoint, a calibration that is for another checkpoint, class fractions that do
            not fit, or a bundle that is damaged.
    """
    from salt_like.loading import load as load_tagger  # importing the package alone imports no torch

    return load_tagger(run, which, device, calibrated=calibrated, prior=prior)
