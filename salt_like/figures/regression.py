"""Residuals of a regression, and its bias and resolution against the momentum of the jets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import frame
from salt_like.figures.profile import edges_of, middles
from salt_like.figures.style import BLUE, GREY, INK, PARAMETERS, from_zero, numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

# below each other: what is shown in bins
ABSOLUTE = (("bias", "bias"), ("half central 68 %", "half central 68 %"))
RELATIVE = (
    ("median of value/target", "median of value/target"),
    ("half central 68 % of value/target", "half central 68 %\nof value/target"),
)
IDEAL = {"bias": 0, "median of value/target": 1, "pull mean": 0, "pull width (half central 68 %)": 1}
PULLS = (("pull mean", "pull mean"), ("pull width (half central 68 %)", "pull width"))


def regression(part: Part, task: str, label: str) -> Figure:
    """Distribution of value - target, and of the pulls; bias and resolution in bins, beside the trivial prediction's.

    Args:
        part: The numbers of a tagger.
        task: A regression.
        label: What it predicts.
    """
    from matplotlib import rc_context

    one = part["tasks"][task]
    found = {metric["name"]: metric for metric in one["metrics"]}
    unit, factor = words.in_gev(found[f"{label}: bias"]["unit"])
    what = "jets" if one["stream"] == "jets" else f"constituents in {one['stream']}"
    about = [
        *words.head(part),
        f"{one['entries']:,} {what} with a target; bars, bands: one standard deviation; open: the mean of the training",
    ]
    rows = [row for row in (ABSOLUTE, RELATIVE, PULLS) if _is_known(one["profile"], label, row[0][0])]
    pulls = (one.get("pulls") or {}).get(label)
    width = 3.4 + 2.6 * len(rows)
    with rc_context(PARAMETERS):
        figure, grid = frame(
            f"{task}: {label}", about, width, 3.3, 2, 1 + len(rows), left=0.7, hspace=0.08, wspace=0.36
        )
        axes = figure.add_subplot(grid[:, 0] if pulls is None else grid[0, 0])
        _residuals(axes, one["residuals"][label], factor)
        axes.set_xlabel(words.with_unit(f"{label}: value - target", unit))
        axes.set_ylabel(f"share of the {what} per bin")
        if pulls is not None:
            axes.xaxis.set_label_coords(0.5, -0.13)
            below = figure.add_subplot(grid[1, 0])
            below.set_position(_lower(below.get_position()))
            _pulls(below, pulls, what)
        for column, row in enumerate(rows, start=1):
            first = None
            for place, (metric, words_of) in enumerate(row):
                first = figure.add_subplot(grid[place, column], sharex=first)
                numbers_of = one["profile"]["metrics"][f"{label}: {metric}"]
                axis = _in_bins(first, one["profile"], numbers_of, place == 1, metric not in IDEAL)
                first.set_ylabel(words.with_unit(words_of, words.in_gev(numbers_of["unit"])[0]))
                first.tick_params(labelbottom=place == 1)
                if metric in IDEAL:
                    first.axhline(IDEAL[metric], color=INK, linewidth=0.6)
            if first is not None:
                first.set_xlabel(axis)
    return figure


def _is_known(profile: Mapping[str, Any] | None, label: str, metric: str) -> bool:
    return profile is not None and f"{label}: {metric}" in profile["metrics"]


def _residuals(axes: Any, drawn: Mapping[str, Any], factor: float) -> None:
    edges, shares, errors = (numbers(drawn[key]) for key in ("edges", "shares", "errors"))
    edges = edges * factor
    axes.stairs(shares, edges, color=BLUE)
    axes.stairs(shares + errors, edges, baseline=np.maximum(shares - errors, 0), fill=True, color=BLUE, alpha=0.2)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set_xlim(edges[0], edges[-1])
    from_zero(axes)
    axes.locator_params(axis="x", nbins=6)
    outside = 100 * (drawn["below"] + drawn["above"])
    axes.text(0.98, 0.98, f"{outside:.1f} % outside", transform=axes.transAxes, fontsize=6, ha="right", va="top")


def _lower(box: Any) -> Any:
    """The same place with room above for the label of what stands there."""
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(box.x0, box.y0, box.x1, box.y1 - 0.22 * box.height)


def _pulls(axes: Any, drawn: Mapping[str, Any], what: str) -> None:
    """The distribution of the pulls beside a normal one."""
    edges, shares, errors = (numbers(drawn[key]) for key in ("edges", "shares", "errors"))
    axes.stairs(shares, edges, color=BLUE)
    axes.stairs(shares + errors, edges, baseline=np.maximum(shares - errors, 0), fill=True, color=BLUE, alpha=0.2)
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    axes.plot(middle, width * np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi), color=GREY, label="normal")
    axes.set_xlim(edges[0], edges[-1])
    from_zero(axes)
    axes.set(xlabel="pull: (value - target) / predicted deviation", ylabel=f"share of the {what}")
    axes.legend(loc="upper left")
    outside = 100 * (drawn["below"] + drawn["above"])
    axes.text(0.98, 0.96, f"{outside:.1f} % outside", transform=axes.transAxes, fontsize=6, ha="right", va="top")


def _in_bins(
    axes: Any, profile: Mapping[str, Any], found: Mapping[str, Any], is_resolution: bool, has_trivial: bool = True
) -> str:
    """Draws a metric in bins, a resolution beside the trivial one, and returns the label of the axis."""
    factor = words.in_gev(found["unit"])[1]
    edges, label = edges_of(profile, axes)
    x = middles(edges, axes.get_xscale() == "log")
    widths = np.abs(np.stack([edges[:-1], edges[1:]]) - x)
    value, error = factor * numbers(found["value"]), factor * np.nan_to_num(numbers(found["error"]))
    axes.errorbar(x, value, error, widths, ls="none", color=BLUE, marker="o", ms=3.2, elinewidth=0.8)
    for trivial in found["trivial"].values() if is_resolution and has_trivial else ():
        axes.plot(x, factor * numbers(trivial), "o", ms=3.2, mfc="none", color=GREY)
    if is_resolution:
        from_zero(axes)
    return label
