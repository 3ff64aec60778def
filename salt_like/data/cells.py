"""Class and kinematic bin of each jet, by which it is weighted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.config import ReweightConfig
from salt_like.data.expressions import Quantity
from salt_like.data.source import Rows, Source
from salt_like.errors import UserError, nearest
from salt_like.reweighting import Reweighting
from salt_like.spec import Label

NO_CELL = -1
MOST_CELLS = 100_000  # the table is in every checkpoint
TARGETS = ("mean", "flat")
MODES = ("weights", "sampling")
_SHORT = "abs_"  # of a variable that is no field: its magnitude


class CellFinder:
    """Finds the cells of jets.

    Args:
        reweighting: Classes and bins.
    """

    def __init__(self, reweighting: Reweighting) -> None:
        self.reweighting = reweighting
        self.variables = [Quantity(one, f"data.reweight.bins.{one}") for one in reweighting.variables]

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the global stream that are read."""
        return tuple(dict.fromkeys(name for variable in self.variables for name in variable.fields))

    def __call__(self, jets: Rows, labels: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """The cell of each jet, -1 for none, ``(n,)``.

        Args:
            jets: Rows of the global stream.
            labels: Their decoded labels by key.
        """
        cell: NDArray[np.int64] = labels[self.reweighting.label].astype(np.int64)
        placed = cell >= 0
        for variable, edges in zip(self.variables, self.reweighting.edges, strict=True):
            values = variable(jets)
            placed &= ~np.isnan(values)
            # the inner edges alone: the first and the last bin are open
            cell = cell * (len(edges) - 1) + np.searchsorted(edges[1:-1], values, "right")
        return np.where(placed, cell, NO_CELL)


def resolve_reweighting(
    config: ReweightConfig | None, labels: Iterable[Label], stream: str, source: Source
) -> Reweighting | None:
    """What the configuration says about the weights; they are found by `weighed`.

    Args:
        config: ``data.reweight`` of the configuration.
        labels: The resolved labels.
        stream: The global stream.
        source: The training sample.

    Raises:
        UserError: Label, target class or variable do not exist, or a number is out of range.
    """
    if config is None:
        return None
    label = _label(config.label, list(labels), stream)
    known = (*TARGETS, *label.classes)
    if config.target not in known:
        raise UserError(
            f"data.reweight.target is '{config.target}'{nearest(config.target, known)}\n"
            f"which is neither {' nor '.join(TARGETS)} nor a class of '{label.name}': {', '.join(label.classes)}"
        )
    if config.mode not in MODES:
        raise UserError(f"data.reweight.mode is '{config.mode}'{nearest(config.mode, MODES)}: {' or '.join(MODES)}")
    if not 1 < config.max_weight < math.inf:
        raise UserError(
            f"data.reweight.max_weight is {config.max_weight:g}: it must be larger than 1, the mean weight of a class"
        )
    fields = source.header(stream).fields
    edges = {_variable(name, fields): _edges(name, one) for name, one in config.bins.items()}
    found = Reweighting(
        label=label.key,
        classes=label.classes,
        variables=tuple(edges),
        edges=tuple(edges.values()),
        target=config.target,
        mode=config.mode,
        max_weight=float(config.max_weight),
    )
    _check_size(found)
    for variable in CellFinder(found).variables:
        variable.check(fields, f"dataset '{stream}' of {source.parts[0][0]}")
    return found


def _label(name: str, labels: Sequence[Label], stream: str) -> Label:
    own = [one for one in labels if one.stream == stream and one.kind == "class"]
    for one in own:
        if name in (one.key, one.name):
            return one
    known = [one.key for one in own]
    other = next((one for one in labels if name in (one.key, one.name)), None)
    if other is None:
        what = f"'{name}'{nearest(name, known)}, which no task learns"
    elif other.stream != stream:
        what = f"'{name}', a label of '{other.stream}' and not of the jets"
    else:
        what = f"'{name}', which has no classes"
    raise UserError(
        f"data.reweight.label is {what}\n"
        f"classes of the jets ('{stream}') that a task learns: {', '.join(known) or 'none'}"
    )


def _variable(name: str, fields: Iterable[str]) -> str:
    rest = name.removeprefix(_SHORT)
    return f"abs({rest})" if rest != name and name not in fields and rest in fields else name


def _edges(name: str, edges: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(edge) for edge in edges)
    rising = all(low < high for low, high in pairwise(numbers))
    if len(numbers) < 2 or not rising or not all(math.isfinite(edge) for edge in numbers):
        raise UserError(
            f"data.reweight.bins.{name} must be two or more edges of bins in increasing order\nfound: {list(edges)}"
        )
    return numbers


def _check_size(found: Reweighting) -> None:
    if not found.variables:
        raise UserError("data.reweight.bins names no variable: give one with its edges, such as {pt: [20000, 50000]}")
    if found.cells > MOST_CELLS:
        sizes = " x ".join(str(size) for size in found.bins)
        raise UserError(
            f"data.reweight.bins makes {sizes} bins for each of {len(found.classes)} classes: {found.cells}\n"
            f"at most {MOST_CELLS} are allowed: each needs jets of its own"
        )
