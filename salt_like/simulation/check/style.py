"""How the figures look: one colour and one kind of line per flavour, told apart without colours too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.figures.style import BLUE, DASH_DOTTED, DASHED, DOTTED, GREEN, GREY, ORANGE, PINK, SKY, VERMILION, YELLOW
from salt_like.simulation.check.blocks import FLAVOURS
from salt_like.simulation.check.sums import Distribution, View

COLOURS = {"light": GREEN, "c": ORANGE, "b": BLUE, "tau": PINK}
LINES: dict[str, Any] = {"light": DASHED, "c": DASH_DOTTED, "b": "solid", "tau": DOTTED}
LEGEND = {"light": "light jets", "c": "c jets", "b": "b jets", "tau": "tau jets"}
ORIGIN_COLOURS = (GREY, "#444444", GREEN, BLUE, SKY, ORANGE, PINK, YELLOW)
PROCESS_COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, YELLOW, GREY, "#444444")
TRANSVERSE, LONGITUDINAL = "#444444", VERMILION  # impact parameters
HADRONS = {"b hadrons": BLUE, "D+": ORANGE, "D0": VERMILION, "Ds": "#7F4F24"}
JET = SKY
FEWEST_DRAWN = 20.0  # effective entries of a curve


def merged(view: View, by: int) -> View:
    """A distribution in coarser bins.

    Args:
        view: The distribution; its number of bins is a multiple of `by`.
        by: How many bins become one.
    """
    inner = view.bins[:, 1:-1]
    coarse = inner.reshape(len(inner), -1, by).sum(2)
    bins = np.concatenate([view.bins[:, :1], coarse, view.bins[:, -1:]], 1)
    return View(view.edges[::by], bins, view.moments, view.entries)


def curve(axes: Any, view: View, label: str, colour: str, line: Any = "solid", by: int = 1) -> None:
    """A normalised histogram with its statistical error as a band; nothing for very few entries.

    Args:
        axes: Where to draw.
        view: The distribution.
        label: For the legend.
        colour: Of line and band.
        line: Kind of line.
        by: Number of bins that become one.
    """
    if view.entries < FEWEST_DRAWN:
        return
    coarse = merged(view, by)
    heights, errors = coarse.density()
    shown = np.where(heights > 0, heights, np.nan)  # a logarithmic axis has no 0
    axes.stairs(shown, coarse.edges, baseline=None, color=colour, linestyle=line, label=label)
    low = np.maximum(shown - errors, shown / 10)
    axes.stairs(shown + errors, coarse.edges, baseline=low, fill=True, color=colour, alpha=0.2)


def flavours(axes: Any, distribution: Distribution, by: int = 1) -> None:
    """A curve for each flavour.

    Args:
        axes: Where to draw.
        distribution: With the flavour as its category.
        by: Number of bins that become one.
    """
    for i, name in enumerate(FLAVOURS):
        curve(axes, distribution.of(i), LEGEND[name], COLOURS[name], LINES[name], by)


def stacked(
    axes: Any, names: list[str], shares: NDArray[np.floating], labels: list[str], colours: tuple[str, ...]
) -> None:
    """Horizontal bars that add up to 100 %, the first one on top.

    Args:
        axes: Where to draw.
        names: One per bar.
        shares: Percentages, (number of bars, number of pieces).
        labels: One per piece.
        colours: Of the pieces.
    """
    left = np.zeros(len(names))
    for piece, label in enumerate(labels):
        colour = colours[piece % len(colours)]
        axes.barh(names, shares[:, piece], left=left, color=colour, label=label, height=0.7, edgecolor="white", lw=0.3)
        left += shares[:, piece]
    axes.invert_yaxis()
    ticks = [0, 25, 50, 75, 100]
    axes.set_xticks(ticks, [f"{tick} %" for tick in ticks])
    axes.set_xlim(0, 100)
    axes.grid(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=4, columnspacing=0.9, handlelength=1.0)
