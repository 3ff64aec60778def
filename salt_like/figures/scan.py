"""What the fractions of a discriminant's background are worth: the rejection of one background against the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.style import BLUE, PARAMETERS, VERMILION, numbers, rejections

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

APART = 0.13  # inches between two fractions that are written out
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.4}
WIDE = 20.0  # ratio of rejections from which an axis is logarithmic


def other_class(part: Part, name: str) -> str:
    """The background with the largest fraction besides the one that is scanned.

    Args:
        part: The numbers of a tagger.
        name: The discriminant.
    """
    one = part["discriminants"][name]
    others = [str(of) for of in one["background"] if of != one["scan"]["class"]]
    return max(others, key=lambda of: float(one["background"][of]))


def scan(part: Part, name: str) -> Figure:
    """Rejection of the largest background against that of the scanned one, a point for each fraction.

    Args:
        part: The numbers of a tagger.
        name: The discriminant.
    """
    from matplotlib import rc_context

    one = part["discriminants"][name]
    scanned, other = one["scan"]["class"], other_class(part, name)
    used = one["background"][scanned]
    symbol = f"fraction of {words.of_class(scanned)}"
    at = f"{100 * one['scan']['efficiency']:.0f} % {words.jet_of(one['signal'])} efficiency on these jets"
    about = [
        *words.head(part),
        f"numbers: {symbol} in {name} (used: {used:g}); the others keep their proportions",
        f"{at}; {words.prior(one)}",
        "bars: one standard deviation; triangles: lower limits (95 %), < 10 jets pass",
    ]
    with rc_context(PARAMETERS):
        figure, grid = frame(f"{name}: scan of the {symbol}", about, 5.2, 3.1)
        axes = figure.add_subplot(grid[0, 0])
        _points(axes, one["scan"]["points"], scanned, other, used)
        axes.set_xlabel(f"{words.jet_of(scanned)} rejection")
        axes.set_ylabel(f"{words.jet_of(other)} rejection")
        axes.margins(0.12, 0.12)
        if _ratio(_at(one["scan"]["points"], other)) > WIDE:
            rejections(axes)
        _marks(figure, axes, one["scan"]["points"], scanned, other, used)
    return figure


def _ratio(values: Any) -> float:
    known = values[np.isfinite(values)]
    return float(known.max() / known.min()) if len(known) else 1.0


def _points(axes: Any, points: list[Any], scanned: str, other: str, used: float) -> None:
    x, y = _at(points, scanned), _at(points, other)
    axes.plot(x, y, color=BLUE, lw=0.8)
    for place, point in enumerate(points):
        first, second = point["rejections"][scanned], point["rejections"][other]
        if not np.isfinite([x[place], y[place]]).all():
            continue
        colour = VERMILION if point["fraction"] == used else BLUE
        errors = [None if one["limit"] else _bars(one) for one in (first, second)]
        marker = "^" if second["limit"] else ">" if first["limit"] else "o"
        axes.errorbar(x[place], y[place], errors[1], errors[0], color=colour, marker=marker, ms=3.6, elinewidth=0.6)


def _at(points: list[Any], name: str) -> Any:
    return numbers([point["rejections"][name]["value"] for point in points])


def _bars(one: Any) -> Any:
    value, low, high = (one[key] for key in ("value", "low", "high"))
    return [[value - low], [9 * value if high is None else high - value]]


def _marks(figure: Any, axes: Any, points: list[Any], scanned: str, other: str, used: float) -> None:
    """Writes the fractions beside their points, the one that is used first, and leaves out what would overlap."""
    placed: list[Any] = []
    order = sorted(range(len(points)), key=lambda place: (points[place]["fraction"] != used, place))
    x, y = _at(points, scanned), _at(points, other)
    for place in order:
        if not np.isfinite([x[place], y[place]]).all():
            continue
        there = axes.transData.transform((x[place], y[place])) / figure.dpi
        if any(np.hypot(*(there - one)) < APART for one in placed):
            continue
        placed.append(there)
        text, colour = f"{points[place]['fraction']:g}", VERMILION if points[place]["fraction"] == used else BLUE
        axes.annotate(
            text, (x[place], y[place]), (4, 3), textcoords="offset points", fontsize=6, color=colour, bbox=_PAPER
        )
