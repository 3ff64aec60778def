"""Background rejection against signal efficiency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.style import INK, PARAMETERS, Floats, numbers, rejections

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

FIRST = 0.4  # smallest signal efficiency that is shown
EVERY = 4  # a limit is marked at every so many points of a curve
_LIMIT = "lower limit (95 %), < 10 jets pass"


def rejection(taggers: Mapping[str, Part], name: str) -> Figure:
    """Rejection curves of a discriminant with bands of one standard deviation, and its working points.

    One tagger has one panel with a curve for each background; several have a panel for each background with a curve for
    each tagger, and below it the ratio to the first one.

    Args:
        taggers: Name of each tagger → its numbers, of the same jets.
        name: The discriminant.
    """
    from matplotlib import rc_context

    with rc_context(PARAMETERS):
        return _one(next(iter(taggers.values())), name) if len(taggers) == 1 else _several(taggers, name)


def _about(part: Part, name: str, *more: str) -> list[str]:
    one = part["discriminants"][name]
    return [*words.head(part), words.definition(name, one), *more]


def _title(part: Part, name: str) -> str:
    return f"{name}: rejection against {words.jet_of(part['discriminants'][name]['signal'])} efficiency"


def _one(part: Part, name: str) -> Figure:
    one = part["discriminants"][name]
    points = f"points: {_efficiencies(one)} working points, {words.made(part, one)}"
    about = _about(part, name, points, f"bands and bars: one standard deviation; {words.prior(one)}")
    figure, grid = frame(_title(part, name), about, 5.2, 3.3)
    axes = figure.add_subplot(grid[0, 0])
    for index, background in enumerate(_backgrounds(one)):
        style = words.look(background, index)
        label = words.of_class(background)
        if not curve(axes, one, background, label, style):
            axes.plot([], [], label=f"no {label}", **style)
        working_points(axes, one, background, style["color"], words.marker(background, index))
    _finish(axes, one)
    axes.set_xlabel(_efficiency(one))
    axes.set_ylabel("background rejection")
    _limits_in_legend(axes)
    axes.legend(loc="upper right")
    return figure


def _several(taggers: Mapping[str, Part], name: str) -> Figure:
    first = next(iter(taggers.values()))
    one = first["discriminants"][name]
    backgrounds = _backgrounds(one)
    about = _about(
        {**first, "model": ", ".join(taggers)}, name, f"cuts of every tagger made on these jets; {words.prior(one)}"
    )
    about.append("bands: one standard deviation of each tagger alone; errors that taggers have in common do not cancel")
    figure, grid = frame(
        _title(first, name),
        about,
        0.6 + 3.2 * len(backgrounds),
        3.9,
        2,
        len(backgrounds),
        height_ratios=(3, 1),
        hspace=0.06,
        wspace=0.22,
    )
    for column, background in enumerate(backgrounds):
        axes = figure.add_subplot(grid[0, column])
        below = figure.add_subplot(grid[1, column], sharex=axes)
        for number, (tagger, part) in enumerate(taggers.items()):
            style = {
                "color": words.TAGGERS[number % len(words.TAGGERS)],
                "linestyle": words.TAGGER_LINES[number % len(words.TAGGER_LINES)],
            }
            if not curve(axes, part["discriminants"][name], background, tagger, style):
                axes.plot([], [], label=f"{tagger}: no jets", **style)
            _ratio(below, part["discriminants"][name], one, background, style)
        _finish(axes, *(part["discriminants"][name] for part in taggers.values()), only=background)
        axes.tick_params(labelbottom=False)
        axes.set_ylabel(f"{words.jet_of(background)} rejection")
        _limits_in_legend(axes)
        axes.legend(loc="upper right")
        below.axhline(1, color=INK, linewidth=0.6)
        below.set_xlabel(_efficiency(one))
        below.set_ylabel(f"ratio to {next(iter(taggers))}" if column == 0 else "ratio")
        below.set_ylim(*_around_one(below))
    return figure


def curve(axes: Any, one: Mapping[str, Any], background: str, label: str, style: Mapping[str, Any]) -> bool:
    """A curve with its band; triangles where there are only limits.

    Args:
        axes: Where to draw.
        one: Numbers of a discriminant.
        background: The background class.
        label: For the legend.
        style: Colour and line.

    Returns:
        False where there are no jets of the class, and nothing was drawn.
    """
    x, value, low, high, limit = _columns(one, background)
    if not np.isfinite(value).any():
        return False
    sure = np.where(limit, np.nan, value)
    axes.plot(x, sure, label=label, **style)
    top = np.where(np.isinf(high), 1e9, high)
    axes.fill_between(
        x, np.where(limit, np.nan, low), np.where(limit, np.nan, top), color=style["color"], alpha=0.2, lw=0
    )
    marked = np.flatnonzero(limit & (x >= FIRST - 1e-9))[::EVERY]
    axes.plot(x[marked], value[marked], "^", color=style["color"], markersize=2.6, markerfacecolor="none", mew=0.6)
    return True


def working_points(axes: Any, one: Mapping[str, Any], background: str, colour: str, marker: str) -> None:
    """Rejections at the working points with their errors; triangles for limits.

    Args:
        axes: Where to draw.
        one: Numbers of a discriminant.
        background: The background class.
        colour: Of the points.
        marker: Of points that are not limits.
    """
    rows = [(point["signal_efficiency"], point["rejections"][background]) for point in one["points"]]
    known = [(x, found) for x, found in rows if x is not None and found["value"] is not None]
    sure = [(x, found) for x, found in known if not found["limit"]]
    if sure:
        x = numbers([x for x, _ in sure])
        value, low = (numbers([found[key] for _, found in sure]) for key in ("value", "low"))
        high = numbers([found["high"] for _, found in sure], np.inf)
        errors = np.stack([value - low, np.where(np.isinf(high), 1e9, high - value)])
        axes.errorbar(
            x, value, errors, color=colour, marker=marker, ms=4, ls="none", elinewidth=0.9, mec="white", mew=0.3
        )
    limits = [(x, found["value"]) for x, found in known if found["limit"]]
    if limits:
        axes.plot(*numbers(limits).T, "^", color=colour, markersize=4.2, mec="white", mew=0.4)


def _ratio(
    axes: Any, one: Mapping[str, Any], other: Mapping[str, Any], background: str, style: Mapping[str, Any]
) -> None:
    x, value, low, high, limit = _columns(one, background)
    _, reference, _, _, none = _columns(other, background)
    sure = ~limit & ~none & (reference > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio, down, up = (np.where(sure, one / reference, np.nan) for one in (value, low, high))
    axes.plot(x, ratio, **style)
    axes.fill_between(x, down, np.where(np.isinf(up), 1e3, up), color=style["color"], alpha=0.2, lw=0)


def _around_one(axes: Any) -> tuple[float, float]:
    """Limits that show the ratios, whatever their bands do."""
    values = np.concatenate([line.get_ydata() for line in axes.lines if len(line.get_xdata()) > 2] or [np.ones(1)])
    finite = values[np.isfinite(values)]
    far = max(0.1, 1.3 * float(np.abs(finite - 1).max(initial=0)))
    return max(0.0, 1 - far), min(1 + far, 5.0)


def _limits_in_legend(axes: Any) -> None:
    if any(
        line.get_marker() == "^" and line.get_linestyle() == "None" and len(line.get_xdata()) for line in axes.lines
    ):
        axes.plot([], [], "^", color=INK, ms=2.6, mfc="none", mew=0.6, label=_LIMIT)


def _columns(one: Mapping[str, Any], background: str) -> tuple[Floats, Floats, Floats, Floats, Any]:
    found = one["curve"]
    columns = found["rejections"].get(background)
    x = numbers(found["efficiency"])
    if columns is None:
        nothing = np.full(len(x), np.nan)
        return x, nothing, nothing, nothing, np.ones(len(x), bool)
    value, low = numbers(columns["value"]), numbers(columns["low"])
    return x, value, low, numbers(columns["high"], np.inf), np.array(columns["limit"], bool)


def _backgrounds(one: Mapping[str, Any]) -> list[str]:
    """The background classes, the most frequent in the discriminant first."""
    names = list(one["curve"]["rejections"]) or list(one["background"])
    return sorted(names, key=lambda name: -one["background"].get(name, 0.0))


def _efficiencies(one: Mapping[str, Any]) -> str:
    return ", ".join(f"{100 * point['efficiency']:.0f}" for point in one["points"]) + " %"


def _efficiency(one: Mapping[str, Any]) -> str:
    return f"{words.jet_of(one['signal'])} efficiency"


def _finish(axes: Any, *several: Mapping[str, Any], only: str | None = None) -> None:
    highest = 10.0
    for one in several:
        for background in [only] if only else _backgrounds(one):
            x, value, _, _, _ = _columns(one, background)
            shown = value[(x >= FIRST) & np.isfinite(value)]
            highest = max(highest, float(shown.max(initial=0)))
    rejections(axes)
    axes.set_ylim(0.9, 6 * highest)
    axes.set_xlim(FIRST, 1)
