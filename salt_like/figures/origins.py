"""Efficiency, purity and fake rate of the classes of constituents against the momentum of the jets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.evaluation.origins import EFFICIENCY, FAKES, PURITY, metric_name
from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.profile import edges_of, middles
from salt_like.figures.style import BLUE, GREEN, GREY, ORANGE, PARAMETERS, PINK, SKY, VERMILION, legend, numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

PANELS = (EFFICIENCY, PURITY, FAKES)
_COLOURS = (GREY, "#444444", GREEN, BLUE, SKY, ORANGE, PINK, VERMILION)
_MARKERS = "osDP^vX*"


def origins(part: Part, task: str) -> Figure:
    """One panel each for efficiency, purity and fake rate of every class, such as the origins of tracks.

    Args:
        part: The numbers of a tagger.
        task: A classification of constituents.
    """
    from matplotlib import rc_context

    one = part["tasks"][task]
    profile = one["profile"]
    about = [
        *words.head(part),
        "a constituent counts for its most probable class; efficiency: share of the class that is found; "
        "purity: share of the found that are of the class",
        "fake rate: share of all others that are taken for the class; bars: one standard deviation, from groups of "
        f"events; {words.prior(one)}",
    ]
    with rc_context(PARAMETERS):
        figure, grid = frame(f"{task}: classes of {one['stream']}", about, 8.4, 3.0, 1, len(PANELS), wspace=0.3)
        for column, kind in enumerate(PANELS):
            axes = figure.add_subplot(grid[0, column])
            edges, label = edges_of(profile, axes)
            classes = one["confusion"]["classes"]
            highest = 0.0
            for index, name in enumerate(classes):
                found = profile["metrics"].get(metric_name(kind, name))
                if found is None:
                    continue
                value, error = numbers(found["value"]), numbers(found["error"])
                value = np.where(np.isfinite(error), value, np.nan)  # of a few constituents in one event
                error = np.nan_to_num(error)
                x = middles(edges, axes.get_xscale() == "log", (index - (len(classes) - 1) / 2) * 0.08)
                style: dict[str, Any] = {"color": _COLOURS[index % 8], "marker": _MARKERS[index % 8]}
                axes.errorbar(x, value, error, ls="none", ms=3.2, elinewidth=0.8, label=words.of_class(name), **style)
                if np.isfinite(value).any():
                    highest = max(highest, float(np.nanmax(value + error)))
            top = (1.05 if kind != FAKES else 1.3 * highest) or 1.0
            axes.set_ylim(-0.02 * top, top)  # a point at 0 is whole
            axes.set(xlabel=label, ylabel=kind)
            if column == len(PANELS) - 1:
                legend(axes, loc="upper left", ncols=2)
    return figure
