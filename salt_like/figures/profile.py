"""Efficiency and rejection of one working point against momentum, pseudorapidity and number of constituents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.style import INK, PARAMETERS, Floats, numbers, plain_numbers, rejections

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

MOMENTA = (10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000)
KINDS = ("fixed", "flat")


def profile(part: Part, name: str) -> Figure:
    """One column for each variable: signal efficiency above, rejection of each background below.

    Args:
        part: The numbers of a tagger.
        name: The discriminant.
    """
    from matplotlib import rc_context

    one = part["discriminants"][name]
    profiles = one["profiles"]
    working_point = f"{100 * profiles[0]['efficiency']:.0f} % working point"
    is_flat = any(found["flat"] for found in profiles)
    flat = f"; open: flat in pT, {words.made(part, one, 'flat')}" if is_flat else ""
    about = [
        *words.head(part),
        f"{words.definition(name, one)}; {words.prior(one)}",
        f"filled: fixed, {words.made(part, one)}" + flat,
        "bars: one standard deviation; arrows: lower limits at 95 % confidence, where fewer than 10 jets pass",
    ]
    title = f"{name}: {working_point} in bins"
    with rc_context(PARAMETERS):
        figure, grid = frame(
            title, about, 0.7 + 2.6 * max(len(profiles), 2), 4.0, 2, len(profiles), hspace=0.07, wspace=0.2
        )
        for column, found in enumerate(profiles):
            above = figure.add_subplot(grid[0, column])
            below = figure.add_subplot(grid[1, column], sharex=above)
            edges, label = edges_of(found, above)
            _efficiencies(above, found, edges, one["signal"])
            _rejections(below, found, edges)
            above.tick_params(labelbottom=False)
            below.set_xlabel(label)
            if column == 0:
                above.set_ylabel(f"{words.jet_of(one['signal'])} efficiency")
                below.set_ylabel("background rejection")
                above.legend(loc="lower left")
                below.legend(loc="upper right", ncols=2)
    return figure


def edges_of(found: Mapping[str, Any], axes: Any) -> tuple[Floats, str]:
    """Edges of bins in the unit of the axis, and its label; makes the axis logarithmic for momenta.

    Args:
        found: Bins as in the metrics file.
        axes: Whose horizontal axis it is.
    """
    label, factor = words.variable(found["kind"], found["field"], found["unit"])
    edges = numbers(found["edges"]) * factor
    if not edges[-1] > edges[0]:  # all jets have the same
        edges = np.array([edges[0] - 0.5, edges[0] + 0.5])
    if found["kind"] == "momentum" and edges[0] > 0:
        axes.set_xscale("log")
        axes.set_xlim(edges[0] / 1.05, edges[-1] * 1.05)
        plain_numbers(axes, MOMENTA if factor != 1 or found["unit"] else ())
    else:
        axes.set_xlim(edges[0], edges[-1])
    return edges, label


def middles(edges: Floats, is_log: bool, shift: float = 0.0) -> Floats:
    """Points within bins.

    Args:
        edges: ``(n + 1,)``.
        is_log: True for a logarithmic axis.
        shift: From the middle, as a share of the width of the bin.
    """
    at = np.log(edges) if is_log else edges
    middle: Floats = at[:-1] + np.diff(at) * (0.5 + shift)
    return np.exp(middle) if is_log else middle


def _efficiencies(axes: Any, found: Mapping[str, Any], edges: Floats, signal: str) -> None:
    is_log = axes.get_xscale() == "log"
    colour = words.look(signal, 0)["color"]
    for kind, shift in zip(KINDS, (0.0, 0.08), strict=True):
        if found[kind] is None:
            continue
        x = middles(edges, is_log, shift)
        value, error = (numbers(found[kind][key]) for key in ("signal_efficiency", "signal_error"))
        widths = np.abs(np.stack([edges[:-1], edges[1:]]) - x) if kind == "fixed" else None
        filled = colour if kind == "fixed" else "white"
        label = "fixed cut" if kind == "fixed" else "flat in pT"
        axes.errorbar(
            x,
            value,
            np.nan_to_num(error),
            widths,
            ls="none",
            color=colour,
            marker="o",
            ms=3.4,
            mfc=filled,
            elinewidth=0.8,
            label=label,
        )
    axes.axhline(found["efficiency"], color=INK, linewidth=0.6, linestyle=(0, (4, 2)))
    axes.set_ylim(0, 1.08)


def _rejections(axes: Any, found: Mapping[str, Any], edges: Floats) -> None:
    is_log = axes.get_xscale() == "log"
    backgrounds = list(found["fixed"]["rejections"])
    for index, background in enumerate(backgrounds):
        colour, marker = words.look(background, index)["color"], words.marker(background, index)
        axes.plot([], [], ls="none", marker=marker, color=colour, ms=3.4, label=words.of_class(background))
        for kind in KINDS:
            if found[kind] is not None:
                shift = (index - (len(backgrounds) - 1) / 2) * 0.2 + (0.08 if kind == "flat" else 0.0)
                columns = found[kind]["rejections"][background]
                _points(axes, middles(edges, is_log, shift), columns, colour, marker, kind == "fixed")
    rejections(axes)
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(min(bottom, 0.9), 0.1), min(top, 1e6) * 3)


def _points(axes: Any, x: Floats, columns: Mapping[str, Any], colour: str, marker: str, filled: bool) -> None:
    value, low, high = numbers(columns["value"]), numbers(columns["low"]), numbers(columns["high"], np.inf)
    limit = np.array(columns["limit"], bool)
    sure, known = ~limit & np.isfinite(value), limit & np.isfinite(value)
    face = colour if filled else "white"
    style: dict[str, Any] = {"ls": "none", "color": colour, "marker": marker, "mfc": face, "ms": 3.4, "elinewidth": 0.8}
    if sure.any():
        above = np.where(np.isinf(high), 9 * value, high - value)
        axes.errorbar(x[sure], value[sure], np.stack([value - low, above])[:, sure], **style)
    if known.any():
        length = 0.35 * value[known]
        axes.errorbar(
            x[known],
            value[known],
            length,
            lolims=True,
            capsize=1.8,
            **{**style, "marker": "none", "alpha": 0.8 if filled else 0.45},
        )
