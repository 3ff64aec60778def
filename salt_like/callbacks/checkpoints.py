"""Best and last checkpoints of a run."""

from __future__ import annotations

import math
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from salt_like.atomic import write_atomically
from salt_like.errors import UserError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under a temporary name and renames it, so that a name never holds half a file."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`.

        Raises:
            UserError: The disk is full, or the file cannot be written for another reason; what was there stays.
        """
        del storage_options
        try:
            # into an open file: torch's own writer reports a full disk as an internal error, without the reason
            with write_atomically(Path(path)) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())  # a machine that fails must not leave an empty file under the name either
        except OSError as error:
            there = "the one before is untouched" if Path(path).exists() else "there is none before"
            raise UserError(
                f"the checkpoint cannot be written: {error.strerror or error}\n{path}: {there}\n"
                "make room, then continue with: train fit --resume RUN"
            ) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint without executing anything that it contains, whatever `weights_only` says."""
        del weights_only
        place = map_location or (lambda storage, _: storage)
        content: dict[str, Any] = torch.load(path, map_location=place, weights_only=True)
        return content


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
        self.epochs: list[int] = []  # in which they were written
        self._complete = False

    @property
    def last(self) -> Path:
        """The checkpoint from which a run is continued."""
        return self.folder / "last.ckpt"

    def save(self, trainer: Trainer) -> None:
        """Write the state in the middle of an epoch as the last one."""
        trainer.save_checkpoint(self.last)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish what a kill interrupted: half-written files go, and the best checkpoints get their names."""
        if trainer.is_global_zero and self.folder.is_dir():
            for part in self.folder.glob(".*.part"):
                part.unlink(missing_ok=True)
            self._put_in_order()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep this state if it is among the best, and as the last one in any case."""
        value = trainer.callback_metrics.get(self.monitor)
        score = math.nan if value is None else float(value)
        rank = sum(kept <= score for kept in self.scores)
        # a loss that is not a number never becomes the best
        is_best = rank < self.best and not math.isnan(score)
        if is_best:
            self.scores = [*self.scores[:rank], score, *self.scores[rank:]][: self.best]
            self.epochs = [*self.epochs[:rank], trainer.current_epoch, *self.epochs[rank:]][: self.best]
        self._complete = True
        try:
            trainer.save_checkpoint(self.last)
        finally:
            self._complete = False
        if is_best and trainer.is_global_zero:
            for place in range(len(self.scores) - 1, rank, -1):
                os.replace(self._path(place - 1), self._path(place))
            _link(self.last, self._path(rank))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to build the model again, and the states of the random generators."""
        checkpoint.update(self.extra)
        checkpoint["epochs_done"] = trainer.current_epoch + self._complete  # Lightning counts this one a little later
        if trainer.validating:
            _before_validation(checkpoint["loops"]["fit_loop"])
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
        """Scores of the kept checkpoints, and their epochs."""
        return {"scores": self.scores, "epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the scores of the kept checkpoints."""
        self.scores = list(state_dict["scores"])
        self.epochs = list(state_dict.get("epochs", ()))  # older ones have none

    def _put_in_order(self) -> None:
        """Give each of the best checkpoints its name, where a kill came between two of them."""
        wanted = {place: epoch for place, epoch in enumerate(self.epochs) if _epoch(self._path(place)) != epoch}
        if not wanted:
            return
        found = {_epoch(path): path for path in self.folder.glob("*.ckpt")}
        aside = {place: self.folder / f".{place}.part" for place, epoch in wanted.items() if epoch in found}
        for place, path in aside.items():
            _link(found[wanted[place]], path)
        for place, path in aside.items():
            os.replace(path, self._path(place))

    def _path(self, place: int) -> Path:
        return self.folder / ("best.ckpt" if place == 0 else f"best-{place + 1}.ckpt")


def _epoch(path: Path) -> int | None:
    """The epoch that a checkpoint completed."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return int(content["epoch"]) if content["epochs_done"] > content["epoch"] else None
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError):
        return None


def _before_validation(loops: dict[str, Any]) -> None:
    """Change what Lightning notes within a validation so that it begins it again: nothing was learnt meanwhile."""
    # "the first batch was begun" is the only place in a validation where it goes on with the validation itself
    progress = loops["epoch_loop.val_loop.batch_progress"]
    for counts in (progress["total"], progress["current"]):
        counts.update(ready=1, started=1, processed=0, completed=0)
    progress["is_last_batch"] = False


def _link(source: Path, target: Path) -> None:
    """Give the file a second name; a copy where the file system has no hard links."""
    with write_atomically(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            temporary.write_bytes(source.read_bytes())
