"""Weights of jets by class and kinematics, found on the training sample and kept with the description of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal["weights", "sampling"]


@dataclass(frozen=True)
class ClassWeights:
    """What the weights mean for the training jets of one class.

    Args:
        name: The class.
        jets: Training jets that have a weight.
        effective_before: Effective number of them, (sum w)^2 / sum w^2, without these weights.
        effective: The same with them.
        capped: Share of the jets whose weight is the largest allowed.
        dropped: Share of the jets whose weight is 0, as the target has nothing there.
        largest: Largest weight of a jet.
    """

    name: str
    jets: int
    effective_before: float
    effective: float
    capped: float
    dropped: float
    largest: float


@dataclass(frozen=True)
class Reweighting:
    """A weight for each class and bin, which gives all classes the same distribution over the bins.

    A *cell* is a class and a bin of each variable, numbered with the last variable running fastest and the class
    slowest; -1 stands for a jet without class or without a value.

    Args:
        label: Key of the label of the global stream that holds the class.
        classes: Class names in the order of the label.
        variables: Fields of the global stream, or expressions of them, in the file's unit.
        edges: Edges of the bins of each variable, ascending; the first and last bin are open to the outside.
        target: ``"mean"`` of the classes' distributions, ``"flat"`` over the bins, or the class whose distribution all
            get.
        mode: ``"weights"`` multiplies the jets' weights in the loss, ``"sampling"`` draws jets as often.
        max_weight: Largest weight.
        weights: Weight of each cell; empty before the training sample was read.
        summary: What the weights mean for each class.
        unplaced: Training jets without class or value, whose weight is 1.
        undivided: Variables of which all training jets are in the same one of several bins.
    """

    label: str
    classes: tuple[str, ...]
    variables: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    target: str = "mean"
    mode: Mode = "weights"
    max_weight: float = 20.0
    weights: tuple[float, ...] = ()
    summary: tuple[ClassWeights, ...] = ()
    unplaced: int = 0
    undivided: tuple[str, ...] = ()

    @property
    def bins(self) -> tuple[int, ...]:
        """Number of bins of each variable."""
        return tuple(len(edges) - 1 for edges in self.edges)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.classes) * math.prod(self.bins)

    def factors(self) -> NDArray[np.float64]:
        """Weight of each cell, and 1 at the end, where the cell -1 finds it; ``(cells + 1,)``."""
        return np.array([*self.weights, 1.0])

    def __str__(self) -> str:
        return f"{self.mode} in {' and '.join(self.variables)}, target {self.target}"

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Reweighting:
        """From plain data, lists in place of tuples accepted."""
        fields = dict(plain)
        for name in ("classes", "variables", "weights"):
            fields[name] = tuple(fields[name])
        fields["undivided"] = tuple(fields.get("undivided", ()))
        fields["edges"] = tuple(tuple(edges) for edges in fields["edges"])
        fields["summary"] = tuple(ClassWeights(**one) for one in fields["summary"])
        return cls(**fields)
