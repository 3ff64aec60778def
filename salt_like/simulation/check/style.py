"""How the figures look: one colour and one kind of line per flavour, told apart without colours too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.simulation.check.blocks import FLAVOURS
from salt_like.simulation.check.sums import Distribution, Floats, View

# Okabe and Ito's palette, which the colour-blind can tell apart (jfly.uni-koeln.de/color)
COLOURS = {"light": "#009E73", "c": "#E69F00", "b": "#0072B2", "tau": "#CC79A7"}
LINES: dict[str, Any] = {"light": (0, (5, 1.5)), "c": (0, (4, 1, 1, 1)), "b": "solid", "tau": (0, (1.2, 1.2))}
LEGEND = {"light": "light jets", "c": "c jets", "b": "b jets", "tau": "tau jets"}
ORIGIN_COLOURS = ("#999999", "#444444", "#009E73", "#0072B2", "#56B4E9", "#E69F00", "#CC79A7", "#F0E442")
PROCESS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999", "#444444")
INK, BAND = "#222222", "#D9D9D9"
TRANSVERSE, LONGITUDINAL = "#444444", "#D55E00"  # impact parameters
HADRONS = {"b hadrons": "#0072B2", "D+": "#E69F00", "D0": "#D55E00", "Ds": "#7F4F24"}
JET = "#56B4E9"
FEWEST_DRAWN = 20.0  # effective entries of a curve

PARAMETERS: Any = {  # its keys are literals to matplotlib
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "legend.fontsize": 6,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.borderaxespad": 0.4,
    "legend.labelspacing": 0.25,
    "lines.linewidth": 1.1,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "check",  # the same file gives the same figure
}


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


def points(
    axes: Any, x: Floats, values: Floats, errors: Floats, label: str, colour: str, marker: str = "o", **options: Any
) -> None:
    """Values with error bars.

    Args:
        axes: Where to draw.
        x: Positions, (n,).
        values: (n,).
        errors: (n,).
        label: For the legend.
        colour: Of marker and bar.
        marker: Kind of marker.
        options: For the bars.
    """
    style = {"markersize": 3, "linewidth": 0.9, "elinewidth": 0.9, "linestyle": "none", **options}
    axes.errorbar(x, values, yerr=np.nan_to_num(errors), label=label, color=colour, marker=marker, **style)


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


def plain_numbers(axes: Any, ticks: Sequence[float]) -> None:
    """Ticks of a logarithmic axis that are written out.

    Args:
        axes: Its horizontal axis.
        ticks: Where; those outside the limits are left out.
    """
    low, high = axes.get_xlim()
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()


def legend(axes: Any, **options: Any) -> None:
    """A legend, or the words that there are not enough jets where nothing was drawn.

    Args:
        axes: Where to draw.
        options: Passed to matplotlib.
    """
    if axes.get_legend_handles_labels()[1]:
        axes.legend(**options)
    else:
        axes.text(0.5, 0.5, "not enough jets", ha="center", va="center", transform=axes.transAxes)
