"""Best and last checkpoints of a run."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from salt_like.atomic import write_atomically


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under a temporary name and renames it, so that a name never holds half a file."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`."""
        del storage_options
        with write_atomically(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


class Checkpoints(Callback):
    """Keeps ``best.ckpt`` (then ``best-2.ckpt``, …) by a validation loss and ``last.ckpt`` of every epoch.

    Args:
        folder: Where checkpoints go.
        monitor: Logged quantity, the smaller the better.
        best: Number of best checkpoints that are kept.
        extra: Plain data stored with each checkpoint: what is needed to build the model again.

    Raises:
        ValueError: `best` is negative.
    """

    def __init__(self, folder: Path, monitor: str, extra: dict[str, Any], best: int = 1) -> None:
        if best < 0:
            raise ValueError(f"best must be a number of checkpoints, not {best}")
        self.folder = folder
        self.monitor = monitor
        self.best = best
        self.extra = extra
        self.scores: list[float] = []  # of the kept checkpoints, best first

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep this state if it is among the best, and as the last one in any case."""
        value = trainer.callback_metrics.get(self.monitor)
        score = math.nan if value is None else float(value)
        rank = sum(kept <= score for kept in self.scores)
        # a loss that is not a number never becomes the best
        is_best = rank < self.best and not math.isnan(score)
        if is_best:
            self.scores = [*self.scores[:rank], score, *self.scores[rank:]][: self.best]
        last = self.folder / "last.ckpt"
        trainer.save_checkpoint(last)
        if is_best and trainer.is_global_zero:
            for place in range(len(self.scores) - 1, rank, -1):
                os.replace(self._path(place - 1), self._path(place))
            _link(last, self._path(rank))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to build the model again, and the states of the random generators."""
        checkpoint.update(self.extra)
        state = np.random.get_state(legacy=False)  # noqa: NPY002 - the global generator is what user code may use
        checkpoint["random"] = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": torch.from_numpy(state["state"]["key"].astype(np.int64)),
            "numpy_position": [int(state["state"]["pos"]), int(state["has_gauss"]), float(state["gauss"])],
            "python": list(random.getstate()[1]),
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Set the random generators to where the checkpoint left them."""
        saved = checkpoint["random"]
        torch.set_rng_state(saved["torch"])
        if torch.cuda.is_available():  # pragma: needs cuda
            torch.cuda.set_rng_state_all(saved["cuda"])
        position, has_gauss, gauss = saved["numpy_position"]
        key = saved["numpy"].numpy().astype(np.uint32)
        np.random.set_state(("MT19937", key, position, has_gauss, gauss))  # noqa: NPY002
        random.setstate((3, tuple(saved["python"]), None))

    def state_dict(self) -> dict[str, Any]:
        """Scores of the kept checkpoints."""
        return {"scores": self.scores}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the scores of the kept checkpoints."""
        self.scores = list(state_dict["scores"])

    def _path(self, place: int) -> Path:
        return self.folder / ("best.ckpt" if place == 0 else f"best-{place + 1}.ckpt")


def _link(source: Path, target: Path) -> None:
    """Give the file a second name; a copy where the file system has no hard links."""
    with write_atomically(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            temporary.write_bytes(source.read_bytes())
