"""The training losses of an epoch, and how many jets were seen, also across an interruption."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor


class EpochLosses(Callback):
    """Logs ``train/loss`` and ``train/<task>/loss``: means over the jets of the epoch.

    The sums are in every checkpoint, so an epoch that is continued in its middle has the means of the whole epoch.

    Attributes:
        jets: Number of jets that training has seen in all epochs, in all processes.
    """

    def __init__(self) -> None:
        self.jets = 0
        self._names: list[str] = []
        self._sums: Tensor | None = None  # one per name, then the jets of the epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the epoch before; not called when an epoch is continued in its middle."""
        self._sums = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add a step to the sums, without waiting for the device."""
        losses, size = outputs["losses"], outputs["jets"]
        self._names = list(losses)
        values = torch.stack([*losses.values(), torch.ones_like(outputs["loss"])])
        exact = torch.float32 if values.device.type == "mps" else torch.float64
        step = values.to(exact) * size
        self._sums = step if self._sums is None else self._sums.to(step) + step
        self.jets += size * trainer.world_size

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the means."""
        if self._sums is None:
            return
        sums = trainer.strategy.reduce(self._sums, reduce_op="sum")
        for name, value in zip(self._names, (sums[:-1] / sums[-1]).float(), strict=True):
            # equal in all processes already; otherwise Lightning would warn
            pl_module.log(f"train/{name}", value, on_epoch=True, prog_bar=name == "loss", sync_dist=True)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the sums; each of several processes gets an equal share back."""
        sums = None if self._sums is None else trainer.strategy.reduce(self._sums, reduce_op="mean").cpu()
        checkpoint["epoch_losses"] = {"names": self._names, "sums": sums, "jets": self.jets}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take the sums up."""
        saved = checkpoint.get("epoch_losses", {"names": [], "sums": None, "jets": 0})  # older ones have none
        self._names, self._sums, self.jets = list(saved["names"]), saved["sums"], int(saved["jets"])
