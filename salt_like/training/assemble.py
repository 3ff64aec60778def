"""What every training gets besides model and data."""

from __future__ import annotations

from typing import Any

from lightning import Callback
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar

from salt_like.callbacks.checkpoints import AtomicCheckpointIO, Checkpoints
from salt_like.callbacks.guard import LossGuard
from salt_like.callbacks.history import History
from salt_like.callbacks.record import RunRecord
from salt_like.training.run import Run

PROGRESS_REFRESH = 20  # in steps: drawing the bar at each short step would triple its time


def callbacks(
    run: Run, monitor: str, contents: dict[str, Any], facts: dict[str, Any], best: int = 1, interactive: bool = False
) -> list[Callback]:
    """Guard, metrics table, run record, checkpoints and progress bar, in the order in which they must act.

    Args:
        run: Folder of the run.
        monitor: Logged quantity that chooses the best checkpoint, the smaller the better.
        contents: What is stored in each checkpoint to build the model again.
        facts: What the run record knows from the start.
        best: Number of best checkpoints that are kept.
        interactive: Whether a person watches a terminal.
    """
    bar = RichProgressBar if interactive else TQDMProgressBar
    return [
        LossGuard(),
        History(run.metrics),
        Checkpoints(run.checkpoints, monitor, contents, best),
        RunRecord(run.record, facts),
        bar(refresh_rate=PROGRESS_REFRESH),
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
