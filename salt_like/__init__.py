"""Reusable modules, tasks and training for particle-jet taggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from salt_like.loading import LoadedTagger


def load(run: str | Path, which: str = "best", device: str | None = None) -> LoadedTagger:
    """A trained tagger, ready to predict.

    Args:
        run: Folder of a run, or a checkpoint.
        which: Checkpoint of the run: ``"best"``, ``"last"`` or a path.
        device: Where it computes; ``None`` for a GPU where there is one.

    Raises:
        UserError: No such run or checkpoint.
    """
    from salt_like.loading import load as load_tagger  # importing the package alone imports no torch

    return load_tagger(run, which, device)
