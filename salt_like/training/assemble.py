"""What every training gets besides model and data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning import Callback
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar

from salt_like.callbacks.checkpoints import AtomicCheckpointIO, Checkpoints
from salt_like.callbacks.guard import LossGuard
from salt_like.callbacks.history import History
from salt_like.callbacks.interruptions import Interruptions
from salt_like.callbacks.losses import EpochLosses
from salt_like.callbacks.record import RunRecord
from salt_like.training.record import Record
from salt_like.training.run import Run

PROGRESS_REFRESH = 20  # in steps: drawing the bar at each short step would triple its time


def callbacks(
    run: Run,
    monitor: str,
    contents: dict[str, Any],
    record: Record,
    best: int = 1,
    *,
    minutes: float | None = None,
    interactive: bool = False,
    own: Sequence[Callback] = (),
) -> list[Callback]:
    """What every training has and the user's own, in the order in which they must act.

    Checkpoints come after everything that keeps a state, so that each is complete.

    Args:
        run: Folder of the run.
        monitor: Logged quantity that chooses the best checkpoint, the smaller the better.
        contents: What is stored in each checkpoint to build the model again.
        record: The run record.
        best: Number of best checkpoints that are kept.
        minutes: Time between checkpoints in the middle of an epoch, ``None`` for none.
        interactive: Whether a person watches a terminal.
        own: Callbacks of the user.
    """
    bar = RichProgressBar if interactive else TQDMProgressBar
    checkpoints = Checkpoints(run.checkpoints, monitor, contents, best)
    losses = EpochLosses()
    return [
        LossGuard(),
        losses,
        History(run.metrics),
        bar(refresh_rate=PROGRESS_REFRESH),
        *own,
        checkpoints,
        RunRecord(record, losses),
        Interruptions(checkpoints, minutes),
    ]


def trainer_defaults() -> dict[str, Any]:
    """Arguments of the trainer where they differ from Lightning's own defaults."""
    return {
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "plugins": [AtomicCheckpointIO()],
    }
