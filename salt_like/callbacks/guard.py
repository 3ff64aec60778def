"""Stops a training whose loss is no longer a number."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from salt_like.batch import Batch
from salt_like.errors import UserError


class NonFiniteLossError(UserError):
    """The training loss became NaN or infinite."""


class LossGuard(Callback):
    """Reports the first step whose loss is NaN or infinite, with the rows of its batch.

    The loss is judged on the device; the host asks only every `interval` steps and before a checkpoint is written.

    Args:
        interval: Number of steps between questions to the device.
    """

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._recent: deque[tuple[int, Tensor]] = deque(maxlen=interval)
        self._first: Tensor | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note whether the loss of this step is finite."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if loss is None:
            return
        self._recent.append((batch_idx, _rows_of(batch)))
        if self._first is None:
            self._first = torch.full((), -1, dtype=torch.int64, device=loss.device)
        bad = ~torch.isfinite(loss.detach()) & (self._first < 0)
        self._first = torch.where(bad, batch_idx, self._first)
        if (batch_idx + 1) % self.interval == 0:
            self._check(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask before validation, and so before the checkpoint that follows it."""
        self._check(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Ask before a checkpoint is written."""
        self._check(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count anew."""
        self._recent.clear()
        self._first = None

    def _check(self, trainer: Trainer) -> None:
        if self._first is None:
            return
        step = int(self._first)
        if step < 0:
            return
        rows = next((rows for index, rows in self._recent if index == step), None)
        shown = "unknown" if rows is None else ", ".join(str(row) for row in rows[:10].tolist())
        more = 0 if rows is None else max(0, rows.shape[0] - 10)
        raise NonFiniteLossError(
            f"the training loss is not a finite number since step {step} of epoch {trainer.current_epoch}\n"
            f"rows of that batch in the training sample: {shown}{f' and {more} more' if more else ''}\n"
            "common causes: a learning rate that is too high (model.optimizer), extreme inputs (train inspect FILE),\n"
            "or no gradient clipping (trainer.gradient_clip_val: 1.0); no checkpoint was written from it"
        )


def _rows_of(batch: Batch | Sequence[Batch]) -> Tensor:
    return torch.cat([part.rows for part in ((batch,) if isinstance(batch, Batch) else batch)])
