"""What every part of the report is: something that reads blocks and then says what it found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from salt_like.simulation.check.blocks import Block, Layout
from salt_like.simulation.check.verdict import Grid, Row


class Part(ABC):
    """One part of the report.

    Args:
        layout: What the file has; everything in `needs` is there.
    """

    section: ClassVar[str]  # of the report
    what: ClassVar[str]  # is measured, for the line that says that fields are missing
    needs: ClassVar[tuple[str, ...]]  # fields, as ``stream.field``, streams, or `LABEL`

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @abstractmethod
    def fill(self, block: Block) -> None:
        """Adds some jets."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """What was found."""

    def grids(self) -> list[Grid]:
        """Further tables."""
        return []
