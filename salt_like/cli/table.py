"""Tables on the screen: drawn on a terminal, aligned plain text when piped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rows under headings.

    Args:
        title: What it shows.
        headings: One per column.
        rows: Cells as text.
        left: Indices of the columns that are text and stand on the left; the others are numbers.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: frozenset[int] = field(default_factory=lambda: frozenset({0}))

    def plain(self) -> str:
        """Aligned text without lines."""
        cells = [list(self.headings), *map(list, self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.headings))]
        lines = [
            "  ".join(
                cell.ljust(width) if column in self.left else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        return "\n".join([self.title, *(f"  {line}" for line in lines)])


def show(parts: Sequence[Table | str]) -> None:
    """Prints tables and lines of text in order.

    Args:
        parts: What to print.
    """
    if not sys.stdout.isatty():
        print("\n\n".join(part if isinstance(part, str) else part.plain() for part in parts))
        return
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    console = Console()
    for part in parts:
        if isinstance(part, str):
            console.print(Text(part))
            continue
        drawn = Drawn(title=part.title, title_justify="left", title_style="bold")
        for column, heading in enumerate(part.headings):
            drawn.add_column(Text(heading), justify="left" if column in part.left else "right")
        for row in part.rows:
            drawn.add_row(*(Text(cell) for cell in row))
        console.print(drawn)


def number(value: float) -> str:
    """A number in at most six digits."""
    return f"{int(value):d}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.5g}"


def count(value: float) -> str:
    """A large count with its unit: 1.5 M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and size > 1e3):
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"
