"""The metrics of every epoch as a table on disk."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from salt_like.atomic import write_atomically


class History(Callback):
    """Writes ``metrics.csv``: one row per epoch with everything that was logged.

    Args:
        path: The file; rows that it already has for earlier epochs are kept (a resumed run).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self._start = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take up the rows of a run that is resumed; only now does the trainer know its epoch."""
        self._start = time.monotonic()  # a run that is resumed in the middle of an epoch does not begin that epoch
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as stream:
                self.rows = [row for row in csv.DictReader(stream) if int(row["epoch"]) < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add this epoch's row; Lightning calls it after validation."""
        if not trainer.is_global_zero:
            return
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "seconds": round(time.monotonic() - self._start, 3),
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
        }
        row.update({name: float(value) for name, value in sorted(trainer.callback_metrics.items())})
        self.rows.append(row)
        columns = list(dict.fromkeys(name for one in self.rows for name in one))
        with write_atomically(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(self.rows)
