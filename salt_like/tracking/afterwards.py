"""What the tracker of a run is told after its training: tests, figures, reports and bundles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from salt_like.tracking.comet import FOLDER, Comet
from salt_like.tracking.steady import Steady


@contextmanager
def tracker_of(run: Path) -> Iterator[Told | None]:
    """The experiment of a run that was tracked when it was trained, ``None`` for one that was not.

    Args:
        run: Folder of the run.
    """
    comet = Comet(folder=str(run / FOLDER))
    if comet.identity is None:
        yield None
        return
    steady = Steady(comet)
    try:
        yield Told(comet, steady)
    finally:
        steady.finalize("success")  # of the training: what failed now is said where it failed


class Told:
    """An experiment that goes on after its training.

    Args:
        comet: The tracker.
        steady: What keeps its failures from the command.
    """

    def __init__(self, comet: Comet, steady: Steady) -> None:
        self.comet = comet
        self.steady = steady

    def test(self, plain: Mapping[str, Any], files: list[Path], figures: list[Path]) -> None:
        """The metrics of a test, with their errors, its confusion matrices, files and figures.

        Args:
            plain: All numbers, as they are written beside the predictions.
            files: Tables and numbers.
            figures: Pictures, as PNG files.
        """
        sample, tell = plain["sample"], self.steady.attempt
        tell(partial(self.comet.log_metrics, {f"test/{sample}/{name}": one for name, one in metrics(plain).items()}))
        for name, task in plain["tasks"].items():
            if task["confusion"] is not None:
                tell(partial(self._confusion, f"{sample}/{name}", task["confusion"]))
        for path in files:
            self.file(path)
        for path in figures:
            tell(partial(self.comet.log_figure, path, f"{sample}/{path.stem}"))

    def file(self, path: Path) -> None:
        """A file such as a report."""
        self.steady.attempt(partial(self.comet.log_files, [path], path.parent))

    def bundle(self, folder: Path) -> None:
        """A bundle that was made of the run."""
        self.steady.attempt(partial(self.comet.log_model, folder.name, folder))

    def _confusion(self, title: str, found: Mapping[str, Any]) -> None:
        self.comet.log_confusion(title, list(found["classes"]), [list(row) for row in found["sums"]])


def metrics(plain: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of all tasks with their errors, and rejections at all working points with their intervals."""
    found: dict[str, float] = {}
    for task, said in plain["tasks"].items():
        for one in said["metrics"]:
            found[f"{task}/{one['name']}"] = one["value"]
            found[f"{task}/{one['name']}/error"] = one["error"]
    for name, said in plain["discriminants"].items():
        for point in said["points"]:
            for background, rejection in point["rejections"].items():
                where = f"{name}/{background} rejection at {100 * point['efficiency']:.0f} %"
                found |= {where: rejection["value"]} | {f"{where}/{end}": rejection[end] for end in ("low", "high")}
    return {name: value for name, value in found.items() if value is not None}
