"""How far two computations of the same outputs are apart: a distribution of each, with its tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.figures.frame import frame
from salt_like.figures.style import BLUE, PARAMETERS, SKY, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
WIDTH, HEIGHT = 1.75, 1.35  # inches, of one output
_PATH = 90  # letters of a path that fit


def differences(content: Mapping[str, Any]) -> Figure:
    """One histogram of |B - A| for each output that is a number, both axes logarithmic.

    Args:
        content: What ``train compare --differences --json`` writes.
    """
    from matplotlib import rc_context

    shown = [one for one in content["outputs"] if one["histogram"]]
    indices = [one for one in content["outputs"] if not one["histogram"]]
    columns = max(min(COLUMNS, len(shown)), 2)
    rows = max(-(-len(shown) // columns), 1)
    about = [f"{side}: {_short(source)}" for side, source in zip("AB", content["sources"], strict=True)]
    about.append(
        f"{content['jets']} jets in both; values that are equal are counted above each; dashed: absolute tolerance"
    )
    for one in indices:
        moved = one["differing"] if one["regrouped"] is None else one["regrouped"]
        differ = f"{moved} of {one['compared']} {one['stream']} differ"
        about.append(f"{one['name']}: {differ}, {one['jets_beyond']} jets beyond the tolerance")
    with rc_context(PARAMETERS):
        figure, grid = frame(
            "Differences between A and B",
            about,
            0.7 + WIDTH * columns,
            0.5 + HEIGHT * rows,
            rows,
            columns,
            above=0.3,
            hspace=0.75,
            wspace=0.35,
        )
        if not shown:
            figure.text(0.5, 0.3, "no output that is a number", ha="center", fontsize=7)
        for number, one in enumerate(shown):
            axes = figure.add_subplot(grid[number // columns, number % columns])
            _panel(axes, one)
            if number + columns >= len(shown):
                unit = f" [{one['unit']}]" if one["unit"] else ""
                axes.set_xlabel(f"|B - A|{unit}")
            if number % columns == 0:
                axes.set_ylabel("values")
    return figure


def _panel(axes: Any, one: Mapping[str, Any]) -> None:
    found = one["histogram"]
    edges = np.power(10.0, np.array(found["edges"]))
    counts = np.array(found["counts"])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.stairs(np.maximum(counts, 0.5), edges, baseline=0.5, fill=True, color=SKY, alpha=0.6)
    axes.stairs(np.maximum(counts, 0.5), edges, baseline=0.5, color=BLUE, linewidth=0.8)
    absolute = one["tolerance"]["absolute"]
    if absolute > 0:
        axes.axvline(absolute, color=VERMILION, linewidth=0.8, linestyle=(0, (4, 2)))
    used = np.flatnonzero(counts)
    low, high = (edges[used[0]], edges[used[-1] + 1]) if len(used) else (absolute or 1e-6, absolute or 1e-6)
    axes.set_xlim(min(low, absolute or low) / 3, max(high, absolute or high) * 3)
    axes.set_ylim(0.5, max(counts.max(initial=0) * 3, 2))
    axes.set_title(f"{one['name']} ({one['stream']})", fontsize=6.5, pad=9)
    beyond = f", {one['jets_beyond']} jets beyond" if one["jets_beyond"] else ""
    colour = VERMILION if beyond else "black"
    axes.text(
        0, 1.02, f"{found['equal']} equal{beyond}", fontsize=5.5, color=colour, transform=axes.transAxes, va="bottom"
    )
    from matplotlib.ticker import LogLocator, NullLocator

    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def _short(path: str) -> str:
    return path if len(path) <= _PATH else "…" + path[-_PATH:]
