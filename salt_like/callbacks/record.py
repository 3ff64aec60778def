"""What a run was: command, versions, data and outcome."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from salt_like.atomic import write_atomically
from salt_like.version import __version__

PACKAGES = ("torch", "lightning", "jsonargparse", "numpy", "h5py", "torchmetrics", "torch_geometric", "scipy")

_KEPT = ("command", "started", "stopped", "state", "reason", "epochs_done", "steps_done", "salt_like", "files")


class RunRecord(Callback):
    """Writes ``run.json`` when training starts and completes it when training ends, whatever the reason.

    Of a run that is continued it keeps, as ``earlier``, what was there before.

    Args:
        path: The file.
        facts: What the caller knows: command line, seed, data files.
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path = path
        self.facts = facts

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is known at the start."""
        self._write(trainer, state="running", started=_now(), **_versions(), **self._earlier())

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write that training came to its end, or was interrupted by the user."""
        self._write(trainer, state="interrupted" if trainer.interrupted else "finished", stopped=_now())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note how far the run got."""
        self._write(trainer, epochs_done=trainer.current_epoch + 1)  # Lightning counts this one a little later

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write why training stopped, if it had begun."""
        if "started" not in self.facts:
            return
        interrupted = isinstance(exception, (KeyboardInterrupt, SystemExit))  # Ctrl-C, or a signal to end
        reason = type(exception).__name__ + (f": {exception}" if str(exception) else "")
        self._write(trainer, state="interrupted" if interrupted else "failed", stopped=_now(), reason=reason)

    def _earlier(self) -> dict[str, Any]:
        """What the file says of the trainings that this one continues, the first one first."""
        try:
            before = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {"earlier": [*before.get("earlier", []), {key: before[key] for key in _KEPT if key in before}]}

    def _write(self, trainer: Trainer, **news: Any) -> None:
        if not trainer.is_global_zero:
            return
        self.facts |= {"epochs_done": trainer.current_epoch, "steps_done": trainer.global_step} | news
        with write_atomically(self.path) as temporary:
            temporary.write_text(json.dumps(self.facts, indent=2, default=str) + "\n", encoding="utf-8")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _versions() -> dict[str, Any]:
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "salt_like": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": packages,
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
