"""Efficiency, purity and fake rate of vertices against the momentum of the jets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.profile import edges_of, middles
from salt_like.figures.style import INK, PARAMETERS, legend, numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

PANELS = ("vertex efficiency", "vertex purity", "fake rate (jets without true vertex)")
ALL = "all jets"


def vertices(part: Part, task: str) -> Figure:
    """One panel each for efficiency, purity and fake rate, with the jets of each class and all of them.

    Args:
        part: The numbers of a tagger.
        task: A task that finds vertices.
    """
    from matplotlib import rc_context

    profile = part["tasks"][task]["profile"]
    about = [
        *words.head(part),
        "true: two or more heavy-flavour constituents, no others; "
        "matched: ≥ 65 % of them found, ≥ 50 % of the found right",
        "fake: jets without a true vertex that have a found one; bars: one standard deviation, from groups of events",
    ]
    with rc_context(PARAMETERS):
        figure, grid = frame(f"{task}: vertices", about, 8.4, 2.7, 1, len(PANELS), wspace=0.3)
        kinds = [*profile["by_class"], ALL]
        for column, metric in enumerate(PANELS):
            axes = figure.add_subplot(grid[0, column])
            edges, label = edges_of(profile, axes)
            highest = 0.0
            for index, name in enumerate(kinds):
                rows = profile["metrics"] if name == ALL else profile["by_class"][name]
                found = rows.get(metric)
                value = numbers(found["value"]) if found else np.full(len(edges) - 1, np.nan)
                error = numbers(found["error"]) if found else value
                # without an error the value is a 0 or 1 of a few jets, such as light jets with a true vertex
                value = np.where(np.isfinite(error), value, np.nan)
                if not np.isfinite(value).any():
                    continue
                x = middles(edges, axes.get_xscale() == "log", (index - (len(kinds) - 1) / 2) * 0.14)
                colour = INK if name == ALL else words.look(name, index)["color"]
                mark = "." if name == ALL else words.marker(name, index)
                axes.errorbar(
                    x,
                    value,
                    np.nan_to_num(error),
                    ls="none",
                    color=colour,
                    marker=mark,
                    ms=3.4,
                    elinewidth=0.8,
                    label=words.of_class(name),
                )
                highest = max(highest, float(np.nanmax(value + np.nan_to_num(error))))
            top = min(1.3 * highest, 1.2) or 1.0
            axes.set_ylim(-0.02 * top, top)  # a point at 0 is whole
            axes.set_xlabel(label)
            axes.set_ylabel(metric.partition(" (")[0])
            legend(axes, loc="upper left", ncols=2)
    return figure
