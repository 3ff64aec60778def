"""The frame of a figure: a title and some lines that say what is shown, and the space below for axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from salt_like.figures.style import empty
from salt_like.figures.words import wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE, TEXT = 9.0, 6.5  # points
LEFT, RIGHT, BOTTOM = 0.55, 0.15, 0.42  # inches around the axes
TEXT_LEFT = 0.2  # inches
_LINE = 0.125  # inches, of a line of text


def frame(
    title: str,
    about: Sequence[str],
    width: float,
    height: float,
    rows: int = 1,
    columns: int = 1,
    left: float = LEFT,
    bottom: float = BOTTOM,
    above: float = 0.1,
    **grid: Any,
) -> tuple[Figure, Any]:
    """A figure with its head, and a grid for the axes.

    Args:
        title: What is shown.
        about: Of which jets, and what one must know to read it.
        width: Of the figure, inches.
        height: Of the space for axes with their labels, inches.
        rows: Of the grid.
        columns: Of the grid.
        left: Space for the labels of the first column, inches.
        bottom: Space for the labels of the last row, inches.
        above: Space between head and axes, inches.
        grid: Further arguments of the grid.

    Returns:
        The figure and the grid.
    """
    lines = wrapped(list(about), width - TEXT_LEFT - RIGHT, TEXT)
    top = 0.34 + _LINE * len(lines) + above
    whole = top + height
    figure = empty(width, whole)
    at = TEXT_LEFT / width
    figure.text(at, 1 - 0.08 / whole, title, fontsize=TITLE, weight="bold", va="top")
    for number, line in enumerate(lines):
        figure.text(at, 1 - (0.3 + _LINE * number) / whole, line, fontsize=TEXT, va="top")
    margins = {
        "left": left / width,
        "right": 1 - RIGHT / width,
        "bottom": bottom / whole,
        "top": 1 - top / whole,
    }
    return figure, figure.add_gridspec(rows, columns, **{**margins, **grid})
