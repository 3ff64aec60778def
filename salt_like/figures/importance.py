"""How much worse the tasks become when one input is shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.figures.frame import frame
from salt_like.figures.style import BLUE, INK, PARAMETERS, SKY, numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAR, _LETTER = 0.145, 0.058  # inches


def importance(found: Mapping[str, Any]) -> Figure:
    """A panel for each task with a bar for each input, the largest of the first task on top.

    Args:
        found: What `salt_like.loading.importance.Importance.plain` returns.
    """
    from matplotlib import rc_context

    tasks = list(found["losses"])
    inputs = sorted(found["inputs"], key=lambda one: -(one["increase"][tasks[0]]["value"] or 0.0))
    names = [f"{one['stream']}: {one['name']}" for one in inputs]
    left = 0.35 + _LETTER * max(map(len, names))
    about = [
        f"{found['sample']}, {found['jets']:,} jets, model {found['model']}; increase of the loss when the values "
        "of one input are shuffled among jets or constituents",
        "bars: one standard deviation, from groups of jets; inputs that say the same stand in for each other, so that "
        "each of them seems to matter less",
    ]
    with rc_context(PARAMETERS):
        figure, grid = frame(
            "Importance of the inputs",
            about,
            left + 2.3 * max(len(tasks), 2),
            0.75 + _BAR * len(names),
            1,
            len(tasks),
            left=left,
            above=0.28,
            wspace=0.12,
        )
        first = None
        for column, task in enumerate(tasks):
            first = axes = figure.add_subplot(grid[0, column], sharey=first)
            _bars(axes, [one["increase"][task] for one in inputs])
            axes.set_title(f"{task} (loss {found['losses'][task]:.4g})", fontsize=7)
            axes.set_xlabel("increase of the loss")
            axes.set_yticks(range(len(names)), names)
            axes.tick_params(labelleft=column == 0)
            axes.set_ylim(len(names) - 0.4, -0.6)
    return figure


def _bars(axes: Any, rows: list[Mapping[str, Any]]) -> None:
    values = numbers([one["value"] for one in rows])
    errors = np.nan_to_num(numbers([one["error"] for one in rows]))
    axes.barh(range(len(rows)), np.nan_to_num(values), color=SKY, height=0.7)
    axes.errorbar(values, range(len(rows)), xerr=errors, ls="none", color=BLUE, elinewidth=0.9)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.locator_params(axis="x", nbins=4)
