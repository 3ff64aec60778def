"""The rows of a prediction file: copied fields and outputs of one stream, in the slots of the source file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from salt_like.spec import Output

ROW, VALID, MASK = "row", "valid", "mask"
NO_CONSTITUENT = -2  # index outputs where there is no constituent; a constituent without a vertex has -1

Precision = Literal["float16", "float32"]


@dataclass(frozen=True)
class Table:
    """Layout of the array of one stream.

    Args:
        model: Name of the model, the prefix of the columns.
        outputs: What the model says about this stream.
        copied: Fields taken over from the source with their type.
        slots: Constituents per jet in the source, ``None`` for the global stream and for objects.
        precision: Type of probabilities.
        salt_mask: Add Salt's ``mask``, which is True at padding.
        resolved: Labels that are no plain field of the file (by a label map or a condition), with their type.
        widths: Length of the columns that are vectors, such as an embedding.
        objects: Objects per jet of an array that the model itself finds; 0 for a stream.
    """

    model: str
    outputs: tuple[Output, ...]
    copied: Mapping[str, np.dtype[np.generic]] = field(default_factory=dict)
    slots: int | None = None
    precision: Precision = "float32"
    salt_mask: bool = False
    resolved: Mapping[str, np.dtype[np.generic]] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    objects: int = 0

    @property
    def dtype(self) -> np.dtype[np.void]:
        """Fields of the array in order."""
        own: list[tuple[str, Any]] = [(ROW, np.int64)] if self.slots is None else [(VALID, np.bool_)]
        own = [] if self.objects else own
        if self.slots is not None and self.salt_mask:
            own.append((MASK, np.bool_))
        columns: list[tuple[str, Any]] = list(self.resolved.items())
        for output in self.outputs:
            name, kind = output.column(self.model), _kind(output, self.precision)
            columns.append((name, np.dtype((kind, self.widths[name])) if name in self.widths else kind))
        taken = {name for name, _ in own + columns}
        return np.dtype(own + [(name, kind) for name, kind in self.copied.items() if name not in taken] + columns)

    def jets(
        self, rows: NDArray[np.int64], source: NDArray[np.void], values: Mapping[str, NDArray[Any]]
    ) -> NDArray[np.void]:
        """Rows of the global stream, ``(n,)``.

        Args:
            rows: Row numbers in the source.
            source: Copied fields.
            values: Columns and resolved labels, ``(n,)`` each.
        """
        table = np.zeros(len(rows), self.dtype)
        for name in self._from(source):
            table[name] = source[name]
        for name, column in {**values, ROW: rows}.items():
            table[name] = column
        return table

    def of_objects(self, jets: int, values: Mapping[str, NDArray[Any]]) -> NDArray[np.void]:
        """Rows of an array of objects, ``(n, Q)``.

        Args:
            jets: Number of jets.
            values: Columns, ``(n, Q)`` each.
        """
        table = np.zeros((jets, self.objects), self.dtype)
        for name, column in values.items():
            table[name] = column
        return table

    def constituents(
        self,
        real: NDArray[np.bool_],
        source: NDArray[np.void],
        values: Mapping[str, NDArray[Any]],
        counts: NDArray[np.integer],
        positions: NDArray[np.integer],
    ) -> NDArray[np.void]:
        """Rows of a stream of constituents, ``(n, L)``.

        What the model did not see (padding, or dropped by selection or truncation) is not ``valid`` and has NaN in real
        outputs and -2 in indices. Copied fields keep the file's value for every constituent that the file has; at
        padding they are NaN, -1, or 0 where the type has neither.

        Args:
            real: True where the file has a constituent, ``(n, L)``.
            source: Copied fields, ``(n, L)``.
            values: Columns and resolved labels of the constituents that the model saw, ``(T,)`` each.
            counts: How many of these belong to each jet, ``(n,)``.
            positions: Their slots, ``(T,)``.
        """
        table = np.zeros(real.shape, self.dtype)
        for name in self.dtype.names or ():
            table[name] = self._padding(name)
        for name in self._from(source):
            table[name][real] = source[name][real]
        jets = np.repeat(np.arange(len(counts)), counts)
        for name, column in values.items():
            table[name][jets, positions] = column
        table[VALID][jets, positions] = True
        if self.salt_mask:
            table[MASK] = ~table[VALID]
        return table

    def _from(self, source: NDArray[np.void]) -> Sequence[str]:
        own = {ROW, VALID, MASK, *self.resolved, *(output.column(self.model) for output in self.outputs)}
        return [name for name in source.dtype.names or () if name in self.copied and name not in own]

    def _padding(self, name: str) -> float:
        if any(output.kind == "index" and output.column(self.model) == name for output in self.outputs):
            return NO_CONSTITUENT
        return {"f": float("nan"), "i": -1}.get(self.dtype[name].base.kind, 0)


def _kind(output: Output, precision: Precision) -> np.dtype[Any]:
    if output.kind == "index":
        return np.dtype(np.int32)
    return np.dtype(precision if output.kind == "probability" else np.float32)
