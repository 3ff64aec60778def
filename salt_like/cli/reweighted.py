"""What is said about the weights of the jets before a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt_like.cli.table import Table, number

if TYPE_CHECKING:
    from salt_like.reweighting import Reweighting


def summary(found: Reweighting) -> Table:
    """One row per class: jets, effective numbers of them, and how many meet a limit.

    Args:
        found: The weights of a description of data.
    """
    over = " and ".join(f"{name} ({bins} bins)" for name, bins in zip(found.variables, found.bins, strict=True))
    how = "drawn" if found.mode == "sampling" else "weighted"
    title = f"training jets {how} to the same {over} in all classes of {found.label} (target: {found.target})"
    if found.unplaced:
        title += f"; {found.unplaced} jets without class or value have weight 1"
    if found.undivided:
        title += f"\nall jets are in one bin of {' and '.join(found.undivided)}: are the edges in the unit of the file?"
    return Table(
        title,
        ("class", "jets", "effective", "reweighted", "largest weight", f"at {number(found.max_weight)}", "at 0"),
        [
            (
                one.name,
                str(one.jets),
                f"{one.effective_before:.0f}",
                f"{one.effective:.0f}",
                f"{one.largest:.3g}",
                f"{100 * one.capped:.2g} %",
                f"{100 * one.dropped:.2g} %",
            )
            for one in found.summary
        ],
    )
