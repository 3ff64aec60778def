"""Whether classes occur as often as they are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.style import BLUE, INK, ORANGE, PARAMETERS, legend, numbers, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

COLUMNS = 4
LOOKS = ((BLUE, "o"), (ORANGE, "s"))
ASSUMED = {
    "training": "of the training",
    "class weights": "of the training with class weights",
    "given": "as given",
    "sample": "of this sample",
}


def calibration(part: Part, task: str) -> Figure:
    """Reliability curves: a panel for each class, in it a curve for each set of class fractions.

    Args:
        part: The numbers of a tagger.
        task: A classification.
    """
    from matplotlib import rc_context

    one = part["tasks"][task]
    curves = one["calibration"]
    classes = list(dict.fromkeys(name for curve in curves for name in curve["classes"]))
    columns = min(COLUMNS, len(classes))
    rows = -(-len(classes) // COLUMNS)
    what = "jets" if one["stream"] == "jets" else f"constituents in {one['stream']}"
    about = [
        *words.head(part),
        f"{one['entries']:,} labelled {what}, in bins of equally many; bars: one standard deviation",
        *(_said(curve) for curve in curves),
    ]
    if one.get("temperature", 1) != 1:
        about.append(f"temperature {one['temperature']:.4g}")
    with rc_context(PARAMETERS):
        width = 0.7 + 2.05 * max(columns, 2)
        figure, grid = frame(
            f"{task}: calibration", about, width, 0.2 + 2.2 * rows, rows, columns, above=0.25, hspace=0.3, wspace=0.3
        )
        for place, name in enumerate(classes):
            axes = figure.add_subplot(grid[place // COLUMNS, place % COLUMNS])
            axes.set_title(words.of_class(name))
            highest = 0.0
            for curve, (colour, marker) in zip(curves, LOOKS, strict=False):
                if name in curve["classes"]:
                    highest = max(highest, _curve(axes, curve["classes"][name], colour, marker))
            end = min(1.05, 1.15 * highest) or 1.0
            axes.plot([0, end], [0, end], color=INK, linewidth=0.6, zorder=1)
            axes.set_xlim(0, end)
            axes.set_ylim(0, end)
            axes.locator_params(nbins=4)
            legend(axes, loc="lower right", handlelength=1.0)
            if place % COLUMNS == 0:
                axes.set_ylabel("share that is of the class")
            if place + COLUMNS >= len(classes):
                axes.set_xlabel("predicted probability")
    return figure


def _curve(axes: Any, one: Mapping[str, Any], colour: str, marker: str) -> float:
    """Draws a curve, and returns where it ends."""
    x, y, errors = (numbers(one[key]) for key in ("predicted", "observed", "errors"))
    error = "" if one["error"] is None else f" ± {one['error']:.3f}"
    label = "" if one["ece"] is None else f"ECE {one['ece']:.3f}{error}\nif exact {one['chance'] or 0:.3f}"
    points(axes, x, y, errors, label, colour, marker, linestyle="solid", linewidth=0.5)
    return float(np.nanmax(np.concatenate([x, y, [0.0]])))


def _said(curve: Mapping[str, Any]) -> str:
    """Which curve it is, its class fractions and the mean of its errors."""
    colour = {"sample": "squares: probabilities moved to"}.get(curve["assumed"], "circles: probabilities for")
    shares = ", ".join(f"{100 * share:.3g} % {words.short(name)}" for name, share in curve["prior"].items())
    return f"{colour} the class fractions {ASSUMED[curve['assumed']]}" + (f" ({shares})" if shares else "")
