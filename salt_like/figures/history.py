"""How losses and metrics went during the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.style import DASHED, DOTTED, PARAMETERS, Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

History = Mapping[str, Floats]  # column of metrics.csv → its value of each epoch, NaN where it has none
COLUMNS = 4
LOSS = "loss"
TRIVIAL = "_majority"  # ends the name of what the most frequent class reaches


def tasks_of(runs: Mapping[str, History]) -> list[str]:
    """What there are curves of: the whole loss, as an empty name, and each task.

    Args:
        runs: Name of each run → its history.
    """
    columns = [column.split("/") for one in runs.values() for column in one]
    whole = [""] if any(parts[1:] == [LOSS] for parts in columns) else []
    return [*whole, *dict.fromkeys(parts[1] for parts in columns if len(parts) == 3)]


def history(runs: Mapping[str, History], task: str) -> Figure:
    """Loss of a task in training and validation, and its metrics in the validation, against the epoch.

    Args:
        runs: Name of each run → its history.
        task: The task; empty for the whole loss, and the learning rate.
    """
    from matplotlib import rc_context

    panels = _panels(runs, task)
    columns = min(COLUMNS, max(len(panels), 2))
    rows = -(-len(panels) // columns)
    about = [
        "solid: validation, dashed: training (mean over the epoch, while the weights change), "
        "dotted: the most frequent class for all"
    ]
    with rc_context(PARAMETERS):
        title = f"{task}: training" if task else "whole loss"
        figure, grid = frame(
            title, about, 0.7 + 2.05 * columns, 1.95 * rows, rows, columns, above=0.25, hspace=0.5, wspace=0.32
        )
        for place, name in enumerate(panels):
            axes = figure.add_subplot(grid[place // columns, place % columns])
            axes.set_title(name.replace("_", " "), fontsize=7)
            for number, (run, values) in enumerate(runs.items()):
                _curves(axes, values, task, name, run, words.TAGGERS[number % len(words.TAGGERS)])
            axes.locator_params(axis="x", integer=True, nbins=5)
            if place + columns >= len(panels):
                axes.set_xlabel("epoch")
            if place == 0 and (len(runs) > 1 or task or name == LOSS):
                axes.legend(loc="best")
    return figure


def _panels(runs: Mapping[str, History], task: str) -> list[str]:
    """The loss first, then what else was measured."""
    if not task:
        return [LOSS, *(["lr"] if any("lr" in one for one in runs.values()) else [])]
    prefix = f"val/{task}/"
    found = dict.fromkeys(name.removeprefix(prefix) for one in runs.values() for name in one if name.startswith(prefix))
    return [LOSS, *(name for name in found if name != LOSS and not name.endswith(TRIVIAL))]


def _curves(axes: Any, values: History, task: str, name: str, run: str, colour: str) -> None:
    middle = f"{task}/" if task else ""
    shown: list[tuple[str, Any]] = [(f"train/{middle}{name}", DASHED), (f"val/{middle}{name}", "solid")]
    shown.append((f"val/{middle}{name}{TRIVIAL}", DOTTED))
    if name == "lr":
        shown = [("lr", "solid")]
    epochs = values["epoch"] + 1
    for column, line in shown:
        known = column in values and np.isfinite(values[column])
        if np.any(known):
            label = run if line == "solid" else None
            # a single epoch is a point
            axes.plot(
                epochs[known],
                values[column][known],
                color=colour,
                ls=line,
                label=label,
                marker=".",
                ms=3 if name else 0,
            )
