"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from salt_like.figures import words
from salt_like.figures.frame import BOTTOM, RIGHT, frame
from salt_like.figures.style import INK, PARAMETERS, numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from salt_like.figures.words import Part

CELL = 0.56  # inches
LETTER = 0.055  # inches, of a label
DARK = 0.55  # share from which the number in a cell is white


def confusion(part: Part, task: str) -> Figure:
    """The most probable class against the true one, each row normalised to 100 %.

    Args:
        part: The numbers of a tagger.
        task: A classification.
    """
    from matplotlib import rc_context

    one = part["tasks"][task]
    names = [words.of_class(name) for name in one["confusion"]["classes"]]
    sums = numbers(one["confusion"]["sums"])
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(sums.sum(1, keepdims=True) > 0, sums / sums.sum(1, keepdims=True), np.nan)
    what = "jets" if one["stream"] == "jets" else f"constituents in {one['stream']}"
    about = [
        *words.head(part),
        f"{one['entries']:,} labelled {what}; each row adds up to 100 % of the true class",
        words.prior(one),
    ]
    side = max(CELL * len(names), 1.6)
    longest = max(map(len, names)) * LETTER
    turned = longest > CELL
    left, below = 0.85 + longest, BOTTOM + (0.62 * longest if turned else 0.0)
    with rc_context(PARAMETERS):
        figure, grid = frame(
            f"{task}: confusion", about, max(left + side + RIGHT, 4.2), side + below, left=left, bottom=below
        )
        axes = figure.add_subplot(grid[0, 0])
        axes.set_anchor("NW")
        axes.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(shares.shape):
            share = shares[row, column]
            text = "-" if np.isnan(share) else f"{100 * share:.1f}" if 0 < share < 0.1 else f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color="white" if share > DARK else INK)
        totals = sums.sum(1)
        axes.set_yticks(
            range(len(names)), [f"{name} ({total:,.0f})" for name, total in zip(names, totals, strict=True)]
        )
        axes.set_xticks(range(len(names)), names, rotation=35 if turned else 0, ha="right" if turned else "center")
        axes.set_xlabel("most probable class; numbers in %")
        axes.set_ylabel("true class")
        axes.grid(False)
        axes.tick_params(length=0)
    return figure
