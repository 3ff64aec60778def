"""Showing others that a training goes on."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer

SIGN = 20.0  # seconds between signs of life


class SignsOfLife(Callback):
    """Touches the lock of a run's folder while batches go by, so that other machines see that its owner works.

    Args:
        lock: The file; nothing happens where it is not.
    """

    def __init__(self, lock: Path) -> None:
        self.lock = lock
        self._touched = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Touch it, where that was some time ago."""
        self._sign(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Touch it, where that was some time ago."""
        self._sign(trainer)

    def _sign(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if trainer.is_global_zero and now - self._touched > SIGN:
            with contextlib.suppress(OSError):  # removed by the user, or a file system that is away for a moment
                os.utime(self.lock)
            self._touched = now
