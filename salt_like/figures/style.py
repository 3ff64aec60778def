"""How figures look, and how they are written: one style for everything that the package draws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salt_like.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.floating]

# Okabe and Ito's palette, which the colour-blind can tell apart (jfly.uni-koeln.de/color)
GREEN, ORANGE, BLUE, PINK = "#009E73", "#E69F00", "#0072B2", "#CC79A7"
SKY, VERMILION, YELLOW = "#56B4E9", "#D55E00", "#F0E442"
INK, GREY, BAND = "#222222", "#999999", "#D9D9D9"
DASHED, DASH_DOTTED, DOTTED = (0, (5, 1.5)), (0, (4, 1, 1, 1)), (0, (1.2, 1.2))
RESOLUTION = 200  # dots per inch

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


def empty(width: float, height: float) -> Figure:
    """A figure without axes, for which no window opens whatever the user's settings say.

    Args:
        width: Inches.
        height: Inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path, resolution: int = RESOLUTION) -> None:
    """Writes a figure under a name that never holds half of one; the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: Where to; its suffix says in which format. Replaced where it exists.
        resolution: Dots per inch.
    """
    with write_atomically(path) as temporary, temporary.open("wb") as file:
        write_to(figure, file, path.suffix[1:], resolution)


def write_to(figure: Figure, file: IO[bytes], kind: str, resolution: int = RESOLUTION) -> None:
    """Writes a figure to an open file.

    Args:
        figure: The figure.
        file: Where to.
        kind: ``png``, ``pdf`` or ``svg``.
        resolution: Dots per inch.
    """
    from matplotlib import rc_context

    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with rc_context(PARAMETERS):
        figure.savefig(file, format=kind, dpi=resolution, metadata=dated.get(kind))


def points(
    axes: Any, x: Floats, values: Floats, errors: Floats, label: str, colour: str, marker: str = "o", **options: Any
) -> None:
    """Values with error bars.

    Args:
        axes: Where to draw.
        x: Positions, (n,).
        values: (n,).
        errors: (n,), or (2, n) for downwards and upwards.
        label: For the legend.
        colour: Of marker and bar.
        marker: Kind of marker.
        options: For the bars.
    """
    style = {"markersize": 3, "linewidth": 0.9, "elinewidth": 0.9, "linestyle": "none", **options}
    axes.errorbar(x, values, yerr=np.nan_to_num(errors), label=label, color=colour, marker=marker, **style)


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


def from_zero(axes: Any) -> None:
    """Makes a vertical axis begin at 0.

    Args:
        axes: Its axes.
    """
    top = axes.get_ylim()[1]
    axes.set_ylim(0, top if top > 0 else 1)


def rejections(axes: Any) -> None:
    """A logarithmic vertical axis with numbers that are written out.

    Args:
        axes: Its axes.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}" if value < 1e6 else f"{value:.0e}"))


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


def numbers(values: Any, unknown: float = float("nan")) -> Floats:
    """An array of numbers from a metrics file, in which ``None`` stands for what is not finite.

    Args:
        values: Numbers and ``None``, any shape.
        unknown: What ``None`` becomes.
    """
    found = np.array(values, dtype=object)
    found[found == None] = unknown  # noqa: E711
    return found.astype(np.float64)
