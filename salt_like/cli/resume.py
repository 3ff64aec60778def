"""Continuing a run: what its last checkpoint says wins, and what contradicts it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.spec import DataSpec
    from salt_like.training.checkpoint import Saved
    from salt_like.training.run import Run

# What the weights, the state of the optimiser and the description of the data in the checkpoint depend on.
_MODEL = (
    *("tasks", "dim", "tokenizer", "tokenizers", "encoder", "pooling", "attach_global", "join_global"),
    *("optimizer", "scheduler", "weighting", "ema", "lr_factors"),
)
_DATA = (
    *("inputs", "global_stream", "select", "order", "max_constituents", "defaults", "labels"),
    *("norm_dict", "class_dict", "discriminants", "event", "weight", "reweight", "parameter"),
)


def configuration(folder: Path) -> Path:
    """The configuration of a run that can be continued.

    Args:
        folder: Of the run.

    Raises:
        UserError: It is no run, or what is needed to go on is gone.
    """
    from salt_like.training import record
    from salt_like.training.run import open_run

    run = open_run(folder)
    if not any(run.checkpoints.glob("*.ckpt")) and not record.read(run.record):
        run.checkpoint("last")
    if not run.config.is_file() or not run.config.stat().st_size:
        rest = "its checkpoints can still be tested and exported, and trained on with init_from"
        raise UserError(
            f"the run cannot be continued without its configuration: {run.config} is missing or empty\n"
            + (
                rest
                if any(run.checkpoints.glob("*.ckpt"))
                else "it was ended before anything was written: start it again"
            )
        )
    return run.config


def last(run: Run) -> Resumed | None:
    """The last checkpoint of a run; nothing when it was ended before its first one, so that it begins again.

    Args:
        run: The run.

    Raises:
        UserError: The last checkpoint is gone and others are there, or it cannot be read.
    """
    if not any(run.checkpoints.glob("*.ckpt")):
        return None
    return Resumed(run.checkpoint("last"))


class Resumed:
    """The last checkpoint of a run that is continued.

    Args:
        path: The checkpoint.

    Raises:
        UserError: It cannot be read, or holds no network.
    """

    def __init__(self, path: Path) -> None:
        from salt_like.training import checkpoint

        self.path = path
        self.saved: Saved = checkpoint.read(path)
        if "trees" in self.saved.config:
            raise UserError(f"boosted trees are not continued: {path}\ntrain new ones: train baseline xgboost CONFIG")
        if "ensemble" in self.saved.config:
            raise UserError(f"an ensemble is not trained: {path}\ncontinue its members, and join them again")

    @property
    def spec(self) -> DataSpec:
        """The description of the data with which the weights were learnt."""
        return self.saved.spec

    @property
    def epochs(self) -> int:
        """Number of epochs that the run has done."""
        return self.saved.epochs

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a configuration that makes another model than that of the checkpoint, or ends before it.

        Args:
            config: The resolved configuration.

        Raises:
            UserError: Something differs that the checkpoint depends on.
        """
        last, done = config["trainer"].get("max_epochs"), self.epochs
        if last is not None and 0 <= last < done:
            raise UserError(f"trainer.max_epochs = {last}, but the run has done {done} epochs\ncheckpoint: {self.path}")
        if self.saved.epoch >= done and last is not None and 0 <= last <= done:
            raise UserError(
                f"trainer.max_epochs = {last}, but the run is within epoch {done + 1}\ncheckpoint: {self.path}"
            )
        for section, keys, before in (("model", _MODEL, self.saved.config), ("data", _DATA, self.saved.data)):
            for key in keys:
                now = config[section].get(key)
                found = _difference(f"{section}.{key}", before.get(key, now), now)
                if found is not None:
                    where, old, new = found
                    raise UserError(
                        f"{where} = {_short(new)}, but the run to be continued has {_short(old)}\n"
                        f"checkpoint: {self.path}\n"
                        "a run keeps its model, its optimiser and its inputs: start a new one for others"
                    )


def _difference(where: str, old: Any, new: Any) -> tuple[str, Any, Any] | None:
    """The first key with different values, and these."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = ((f"{where}.{key}", old.get(key), new.get(key)) for key in {**old, **new})
        return next((found for pair in pairs if (found := _difference(*pair)) is not None), None)
    # as text, because NaN differs from itself and a label map's keys may be numbers or text
    return None if str(old) == str(new) else (where, old, new)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"
