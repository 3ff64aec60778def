"""Saving in the middle of an epoch: every few minutes, and when a signal asks the training to end."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from types import FrameType
from typing import Any, NoReturn, Protocol

import torch
from lightning import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
AGREE = 10  # steps between questions whether another process was asked to end


class Saves(Protocol):
    """What writes a checkpoint in the middle of an epoch."""

    def save(self, trainer: Trainer) -> None:
        """Write the state as the last one."""


class StoppedError(SystemExit):
    """A training that a signal ended, after its checkpoint was written.

    Args:
        number: Of the signal; the exit code is 128 more.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name


class Interruptions(Callback):
    """Saves every few minutes, and on SIGTERM, SIGUSR1 and Ctrl-C at the end of the step, and then ends the training.

    It must be the last callback: what the others keep of a step is in the checkpoint only when they had their turn.

    Args:
        checkpoints: What writes the checkpoint.
        minutes: Time between checkpoints within an epoch, ``None`` for none.
    """

    def __init__(self, checkpoints: Saves, minutes: float | None = None) -> None:
        self.checkpoints = checkpoints
        self.seconds = None if minutes is None else 60 * minutes
        self.caught = 0  # number of a signal
        self._since = 0.0
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to signals; only now has Lightning put its own handlers in place."""
        self._since = time.monotonic()
        self._process = os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where it is time, and end where a signal came; after the last step the epoch's end does that."""
        if trainer.is_last_batch or trainer.global_step == trainer.max_steps:
            return
        due = self.seconds is not None and time.monotonic() - self._since >= self.seconds
        ending, due = self._agreed(trainer, due, batch_idx % AGREE == 0)
        if ending or due:
            self._save(trainer)
        if ending:
            self._end(ending)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """End where a signal came: the validation is made again, the steps before it are not."""
        if self.caught and not trainer.sanity_checking and trainer.world_size == 1:
            self._save(trainer)
            self._end(self.caught)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End where a signal came and there is more to do; the checkpoint of the epoch has been written."""
        self._since = time.monotonic()
        ending, _ = self._agreed(trainer, False)
        if ending and not _is_over(trainer):
            self._end(ending)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave signals to who had them before."""
        self._release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave signals to who had them before."""
        self._release()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a worker of the loader, told together with us: it is ended by us
            return
        if self.caught == signal.SIGINT == number:
            self._release()
            raise KeyboardInterrupt
        self.caught = number
        if number == signal.SIGINT:
            log.warning("ending after this step, with a checkpoint; Ctrl-C again ends at once, without one")

    def _agreed(self, trainer: Trainer, due: bool, asked: bool = True) -> tuple[int, bool]:
        """The signal that ends the training (0 for none) and whether to save, the same in all processes.

        Args:
            trainer: The trainer.
            due: Whether this process thinks that it is time to save.
            asked: Whether this is a step at which processes ask each other.
        """
        if trainer.world_size == 1:
            return self.caught, due
        if not asked:
            return 0, False
        mine = torch.tensor([self.caught, int(due)], device=trainer.strategy.root_device)
        signal_number, save = trainer.strategy.reduce(mine, reduce_op="max").tolist()
        return int(signal_number), bool(save)

    def _save(self, trainer: Trainer) -> None:
        self.checkpoints.save(trainer)
        self._since = time.monotonic()

    @staticmethod
    def _end(number: int) -> NoReturn:
        raise KeyboardInterrupt if number == signal.SIGINT else StoppedError(number)

    def _release(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)
        self._before = {}


def _is_over(trainer: Trainer) -> bool:
    """Whether this epoch is the last one."""
    done = trainer.current_epoch + 1
    most = trainer.max_epochs
    return (most not in (None, -1) and done >= (most or 0)) or trainer.global_step == trainer.max_steps
