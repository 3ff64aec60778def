"""What trackers are told while a training goes on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from salt_like.tracking.comet import Comet
from salt_like.tracking.steady import Steady
from salt_like.training.record import PATCH
from salt_like.training.run import Run


class Tracking(Callback):
    """Tells all loggers the configuration and the losses of single steps, and Comet the files of the run.

    Metrics of epochs go to loggers by themselves. The losses of a step are asked for every
    ``trainer.log_every_n_steps`` steps only, since asking waits for the device.

    Args:
        run: Folder of the run.
        config: The resolved configuration.
        comet: Comet, where it is used, and what keeps its failures from the training.
    """

    def __init__(self, run: Run, config: Mapping[str, Any], comet: tuple[Comet, Steady] | None = None) -> None:
        self.run = run
        self.config = config
        self.comet = comet

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell the configuration, and what is in the folder from the start."""
        for logger in trainer.loggers:
            logger.log_hyperparams(dict(self.config))
        self._send([self.run.config, self.run.spec, self.run.record, self.run.folder / PATCH])

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        """Tell the losses of this step, where it is one of those that are told."""
        if not trainer.loggers or trainer.global_step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        losses = {f"train_step/{name}": float(value) for name, value in outputs["losses"].items()}
        losses["lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        for logger in trainer.loggers:
            logger.log_metrics(losses | {"epoch": trainer.current_epoch}, trainer.global_step)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand over record, metrics and checkpoints."""
        self._send([self.run.record, self.run.metrics])
        if self.comet is not None and trainer.is_global_zero:
            comet, steady = self.comet
            for path in sorted(self.run.checkpoints.glob("*.ckpt")):
                steady.attempt(partial(comet.log_model, path.stem, path))

    def _send(self, files: list[Path]) -> None:
        if self.comet is not None:
            comet, steady = self.comet
            steady.attempt(lambda: comet.log_files(files, self.run.folder))
