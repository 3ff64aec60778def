"""The figure of the report: a page of panels, or each panel alone."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from salt_like.figures.style import PARAMETERS, empty
from salt_like.simulation.check.panels import PANELS, Panel
from salt_like.simulation.check.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 3
PAGE = (8.27, 11.69)  # inches, A4
ALONE = (3.6, 2.9)
_TITLE_WIDTH = 110  # characters


def page(report: Report) -> Figure:
    """All panels on a page.

    Args:
        report: What was found.
    """
    from matplotlib import rc_context

    with rc_context(PARAMETERS):
        figure = empty(*PAGE)
        rows = -(-len(PANELS) // COLUMNS)
        grid = figure.add_gridspec(
            rows, COLUMNS, left=0.075, right=0.975, top=0.9, bottom=0.045, hspace=0.42, wspace=0.34
        )
        for i, panel in enumerate(PANELS):
            draw(figure.add_subplot(grid[i // COLUMNS, i % COLUMNS]), panel, report)
        figure.text(0.075, 0.972, report.path.name, fontsize=12, weight="bold", va="top")
        weights = "weighted with mcEventWeight" if report.weighted else "no event weights"
        about = f"{report.generator}\n{report.jets:,} jets, {weights}; {report.summary}"
        wrapped = "\n".join(line for one in about.splitlines() for line in textwrap.wrap(one, _TITLE_WIDTH))
        figure.text(0.075, 0.955, wrapped, fontsize=7.5, va="top", linespacing=1.4)
        return figure


def alone(panel: Panel, report: Report) -> Figure:
    """One panel.

    Args:
        panel: Which.
        report: What was found.
    """
    from matplotlib import rc_context

    with rc_context(PARAMETERS):
        figure = empty(*ALONE)
        grid = figure.add_gridspec(1, 1, left=0.16, right=0.95, top=0.91, bottom=0.18)
        draw(figure.add_subplot(grid[0, 0]), panel, report)
        return figure


def draw(axes: Any, panel: Panel, report: Report) -> None:
    """Draws a panel, or says which fields it would need.

    Args:
        axes: Where.
        panel: Which.
        report: What was found.
    """
    part = report.part(panel.part)
    axes.set_title(panel.title)
    if part is not None:
        panel.draw(axes, part)
        return
    needs = "\n".join(panel.part.needs)
    axes.text(0.5, 0.5, f"field missing, of\n{needs}", ha="center", va="center", transform=axes.transAxes, fontsize=6)
    axes.set_axis_off()
