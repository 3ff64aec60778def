"""How a discriminant is distributed for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.style import INK, PARAMETERS, legend, numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

SHOWN = 2.0  # effective entries of a class that is drawn


def distribution(part: Part, name: str) -> Figure:
    """Normalised distributions of a discriminant with their errors as bands, and the cuts of its working points.

    Args:
        part: The numbers of a tagger.
        name: The discriminant.
    """
    from matplotlib import rc_context

    one = part["discriminants"][name]
    about = [
        *words.head(part),
        f"{words.definition(name, one)}; {words.prior(one)}",
        f"lines: cuts of the working points, {words.made(part, one)}",
        "bands: one standard deviation; norm with what is outside of the axis",
    ]
    with rc_context(PARAMETERS):
        figure, grid = frame(f"{name} by flavour", about, 5.2, 3.1)
        axes = figure.add_subplot(grid[0, 0])
        lowest = 1.0
        for index, (flavour, drawn) in enumerate(one["distribution"].items()):
            if drawn["entries"] < SHOWN:
                continue
            edges, shares, errors = (numbers(drawn[key]) for key in ("edges", "shares", "errors"))
            style = words.look(flavour, index)
            shown = np.where(shares > 0, shares, np.nan)  # a logarithmic axis has no 0
            axes.stairs(
                shown, edges, baseline=None, label=f"{words.of_class(flavour)} ({drawn['entries']:,.0f})", **style
            )
            bottom = np.maximum(shown - errors, shown / 10)
            axes.stairs(shown + errors, edges, baseline=bottom, fill=True, color=style["color"], alpha=0.15)
            axes.set_xlim(edges[0], edges[-1])
            lowest = min(lowest, float(np.nanmin(np.where(shares > 0, shares, 1.0))))
        axes.set_ylim(lowest / 2, 6)
        axes.set(yscale="log", xlabel=name, ylabel="share of the jets of the class per bin")
        for point in one["points"]:
            cut = point["cut"]
            low, high = axes.get_xlim()
            if cut is not None and low < cut < high:
                axes.axvline(cut, ymax=0.9, color=INK, linewidth=0.6, linestyle=(0, (4, 2)), zorder=1)
                text = f"{100 * point['efficiency']:.0f} %"
                place = axes.get_xaxis_transform()
                axes.text(cut, 0.9, text, rotation=90, fontsize=5.5, ha="right", va="top", transform=place)
        legend(axes, loc="upper center", ncols=4)
    return figure
