"""The folder of a run: where things are in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from salt_like.bundle import is_bundle
from salt_like.data.lock import Lock
from salt_like.errors import UserError, nearest
from salt_like.training.record import UNFINISHED, read

STALE_AFTER = 1800.0  # seconds without a sign of life; preparing data and compiling give none


@dataclass(frozen=True)
class Run:
    """Paths of one run's folder.

    Args:
        folder: ``runs/<name>/<time>``.
    """

    folder: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.folder / "config.yaml"

    @property
    def spec(self) -> Path:
        """The resolved description of the data."""
        return self.folder / "spec.json"

    @property
    def record(self) -> Path:
        """What the run was and how far it got."""
        return self.folder / "run.json"

    @property
    def lock(self) -> Path:
        """There while a training writes into the folder."""
        return self.folder / "training.lock"

    @property
    def metrics(self) -> Path:
        """Metrics of every epoch."""
        return self.folder / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def calibration(self) -> Path:
        """Temperatures of the classifications of one of the checkpoints."""
        return self.folder / "calibration.json"

    @property
    def predictions(self) -> Path:
        """Folder of the prediction files."""
        return self.folder / "predictions"

    def checkpoint(self, which: str = "best") -> Path:
        """A checkpoint by name (``best``, ``last``, ``best-2``) or path; without a best one, the last one.

        Raises:
            UserError: There is no such checkpoint.
        """
        if which.endswith(".ckpt"):
            if not Path(which).is_file():
                raise UserError(f"no checkpoint at {which}")
            return Path(which)
        present = {path.stem: path for path in sorted(self.checkpoints.glob("*.ckpt"))}
        if which in present:
            return present[which]
        if which == "best" and "last" in present:
            return present["last"]
        if not present:
            raise UserError(f"the run has no checkpoint: {self.folder}\nthe first one is written after the first epoch")
        raise UserError(f"the run has no checkpoint '{which}'{nearest(which, present)}\nin {self.checkpoints}")


def state(run: Run) -> str:
    """What became of a run: as its record says, but ``killed`` where nobody wrote its end and nobody works on it."""
    said = str(read(run.record).get("state", "unknown"))
    if said in UNFINISHED and not Lock(run.lock, STALE_AFTER).is_live():
        return "killed"
    return said


def open_run(folder: Path) -> Run:
    """The run in an existing folder.

    Raises:
        UserError: No such folder, or one that is not a run's.
    """
    if folder.is_file():
        raise UserError(
            f"a file, not the folder of a run: {folder}\n"
            "a run is the folder that `train fit` names at its end; one of its checkpoints is chosen with --ckpt"
        )
    if not folder.is_dir():
        near = nearest(folder.name, [path.name for path in folder.parent.glob("*")]) if folder.parent.is_dir() else ""
        raise UserError(f"no run folder at {folder}{near}")
    if is_bundle(folder):
        raise UserError(
            f"a bundle, not the folder of a run: {folder}\n"
            "give the run that it was made of; `train predict` and `train inspect` take bundles too"
        )
    run = Run(folder)
    if not run.config.is_file() and not run.checkpoints.is_dir():
        raise UserError(f"{folder} is not a run folder: it has neither config.yaml nor checkpoints/")
    return run
