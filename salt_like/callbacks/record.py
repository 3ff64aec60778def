"""Keeps the run record up to date while training goes on."""

from __future__ import annotations

import importlib.metadata
import os
from typing import Any, Protocol

import torch
from lightning import Callback, LightningModule, Trainer

from salt_like.callbacks.interruptions import StoppedError
from salt_like.callbacks.losses import EpochLosses
from salt_like.provenance.machine import machine, packages
from salt_like.training.record import Record, now
from salt_like.version import __version__

PACKAGES = ("torch", "lightning", "jsonargparse", "numpy", "h5py", "torchmetrics", "torch_geometric", "scipy")


class Keeps(Protocol):
    """A data module that says which packed copies it uses."""

    def copies(self) -> dict[str, str]:
        """Folder of the packed copy of each sample that has one."""


class RunRecord(Callback):
    """Completes ``run.json`` while training goes on and when it ends, whatever the reason.

    Args:
        record: The record.
        losses: Counts the jets.
    """

    def __init__(self, record: Record, losses: EpochLosses) -> None:
        self.record = record
        self.losses = losses
        self._began = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is known now that everything is built."""
        self._began = True
        if "started" not in self.record.facts:
            self.record.begin(**surroundings())
        number = sum(parameter.numel() for parameter in pl_module.parameters() if parameter.requires_grad)
        self._write(trainer, state="running", parameters=number, device=str(trainer.strategy.root_device))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write which packed copies are read."""
        data: Any = getattr(trainer, "datamodule", None)
        if data is not None:
            keeps: Keeps = data
            self._write(trainer, copies=keeps.copies())

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write that training came to its end, or was interrupted by the user."""
        self._write(trainer, state="interrupted" if trainer.interrupted else "finished", stopped=now())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note how far the run got."""
        self._write(trainer, epochs_done=trainer.current_epoch + 1)  # Lightning counts this one a little later

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write why training stopped, if it had begun."""
        if not self._began:
            return
        interrupted = isinstance(exception, (KeyboardInterrupt, SystemExit))  # Ctrl-C, or a signal to end
        reason = type(exception).__name__ + (f": {exception}" if str(exception) else "")
        if isinstance(exception, StoppedError):
            reason = exception.signal
        self._write(trainer, state="interrupted" if interrupted else "failed", stopped=now(), reason=reason)

    def _write(self, trainer: Trainer, **news: Any) -> None:
        self.record.writes = self.record.writes and trainer.is_global_zero
        done = {"epochs_done": trainer.current_epoch, "steps_done": trainer.global_step, "jets_seen": self.losses.jets}
        self.record.write(**(done | news))


def surroundings() -> dict[str, Any]:
    """Versions, machine, threads and the settings on which equal numbers depend."""
    return {
        "salt_like": __version__,
        **machine(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "installed": packages(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "driver": {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()},
        "determinism": {
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "tf32": torch.backends.cuda.matmul.allow_tf32,
            "processes": int(os.environ.get("WORLD_SIZE", "1")),
        },
    }
