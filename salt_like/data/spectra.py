"""Sums of jets by class and kinematic bin, and the weights that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salt_like.data.columns import Columns
from salt_like.errors import UserError
from salt_like.reweighting import ClassWeights, Reweighting
from salt_like.spec import DataSpec

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Spectra:
    """Sums over the training jets in each cell, and at the end over those without one; plain data.

    Args:
        jets: Number of jets, ``(cells + 1,)``.
        weights: Sum of their weights as the file has them.
        squares: Sum of the squares of these weights.
        labels: Stream → key of a class label → sum of the weights of its rows by cell and class, ``(cells + 1, C)``.
    """

    jets: list[int]
    weights: list[float]
    squares: list[float]
    labels: dict[str, dict[str, list[list[float]]]]


class SpectraMeter:
    """Running sums of `Spectra`.

    Args:
        spec: The draft, with classes and bins.
        reweighting: What of it is measured.
    """

    def __init__(self, spec: DataSpec, reweighting: Reweighting) -> None:
        self.size = reweighting.cells + 1
        self.jets = np.zeros(self.size, np.int64)
        self.weights = np.zeros(self.size)
        self.squares = np.zeros(self.size)
        self.labels = {
            (label.stream, label.key): np.zeros((self.size, len(label.classes)))
            for label in spec.labels
            if label.kind == "class"
        }

    def add(self, columns: Columns, weights: Values) -> None:
        """Take in more jets with these weights, ``(n,)``."""
        if columns.cells is None:
            return
        cells = columns.cells % self.size  # -1 is the last one
        self.jets += np.bincount(cells, minlength=self.size)
        self.weights += np.bincount(cells, weights, self.size)
        self.squares += np.bincount(cells, weights**2, self.size)
        for (stream, key), sums in self.labels.items():
            label = columns.labels[stream][key]
            counts = columns.counts.get(stream)
            cell, weight = (
                (cells, weights) if counts is None else (np.repeat(cells, counts), np.repeat(weights, counts))
            )
            real = label >= 0
            place = cell[real] * sums.shape[1] + label[real]
            sums += np.bincount(place, weight[real], sums.size).reshape(sums.shape)

    def result(self) -> Spectra:
        """What was found."""
        labels: dict[str, dict[str, Any]] = {}
        for (stream, key), sums in self.labels.items():
            labels.setdefault(stream, {})[key] = sums.tolist()
        return Spectra(self.jets.tolist(), self.weights.tolist(), self.squares.tolist(), labels)


def weighed(draft: Reweighting, spectra: Spectra, source: str = "the training sample") -> Reweighting:
    """The weights of all cells.

    A jet of class c in bin b has the weight min(s_c t_b / p_cb, m): t is the target and p the class's own distribution
    over the bins, each of sum 1, m the largest weight allowed, and s_c the number with which the class keeps its sum of
    weights. Where the weights of the training jets of a class do not sum to something positive (no jets, or negative
    weights), and for jets without a cell, it is 1.

    Args:
        draft: Classes, bins and target.
        spectra: What was found on the training sample.
        source: What messages call it.

    Raises:
        UserError: The target class has no jets, or a class has hardly any where the target has some.
    """
    shape = (len(draft.classes), -1)
    found, squares = (np.array(one)[:-1].reshape(shape) for one in (spectra.weights, spectra.squares))
    jets = np.array(spectra.jets[:-1]).reshape(shape)
    own = found.clip(min=0)
    own /= np.maximum(own.sum(1, keepdims=True), np.finfo(float).tiny)
    target = _target(draft, own, source)
    weights = np.ones(found.shape)
    summary = []
    for number, name in enumerate(draft.classes):
        support = own[number] > 0
        if support.any():
            weights[number, support] = _kept(
                own[number, support], target[support], draft.max_weight, name, draft.target, source
            )
        summary.append(_summary(name, weights[number], jets[number], found[number], squares[number], draft.max_weight))
    return replace(
        draft,
        weights=tuple(weights.ravel().tolist()),
        summary=tuple(summary),
        unplaced=int(spectra.jets[-1]),
        undivided=_undivided(draft, jets.sum(0)),
    )


def effective_counts(reweighting: Reweighting, sums: list[list[float]]) -> list[float]:
    """Sum of the weights of each class of a label, kinematic ones included.

    Args:
        reweighting: The finished weights.
        sums: The label's entry of `Spectra.labels`.
    """
    found: list[float] = (reweighting.factors() @ np.array(sums)).tolist()
    return found


def _undivided(draft: Reweighting, jets: NDArray[np.int64]) -> tuple[str, ...]:
    """The variables whose bins tell no jets apart."""
    occupied = np.argwhere(jets.reshape(draft.bins) > 0)
    used = [len(set(bins)) for bins in occupied.T.tolist()]
    return tuple(
        name for name, bins, some in zip(draft.variables, draft.bins, used, strict=True) if bins > 1 and some == 1
    )


def _target(draft: Reweighting, own: Values, source: str) -> Values:
    """The wanted distribution over the bins, up to a factor; `own` are those of the classes."""
    if draft.target == "flat":
        return np.ones(own.shape[1])
    if draft.target == "mean":
        mean: Values = own[own.sum(1) > 0].mean(0)
        return mean
    target: Values = own[draft.classes.index(draft.target)]
    if not target.any():
        raise UserError(f"data.reweight.target: there are no jets of the class {draft.target}\nin {source}")
    return target


def _kept(own: Values, target: Values, most: float, name: str, wanted: str, source: str) -> Values:
    """min(s target / own, most) with the s for which its mean over `own`, which sums to 1, is 1."""
    ratio = target / own
    reached = own[ratio > 0].sum()
    if reached * most < 1:
        raise UserError(
            f"data.reweight: only {100 * reached:.2g} % of the class {name} are where the target '{wanted}' has jets\n"
            f"with weights up to max_weight = {most:g} they cannot stand for all of them\nin {source}\n"
            "take another target, such as mean, or coarser bins"
        )
    # the cells in the order in which they reach the cap as s grows, and s where each of them does
    order = np.argsort(-ratio, kind="stable")
    capped = np.concatenate([[0.0], np.cumsum(own[order])])[:-1] * most  # reached by the cells before, at the cap
    free = np.cumsum(target[order][::-1])[::-1]  # of this cell and those behind it, for s = 1
    # the last ones may have no target at all
    scale = (1 - capped) / np.where(free > 0, free, 1)
    below = np.flatnonzero((scale * ratio[order] <= most) & (free > 0))
    # the first cell that stays below the cap with the s of its place; all are at the cap where there is none
    result: Values = np.minimum(scale[below[0]] * ratio, most) if below.size else np.where(ratio > 0, most, 0.0)
    return result


def _summary(
    name: str, weights: Values, jets: NDArray[np.int64], sums: Values, squares: Values, most: float
) -> ClassWeights:
    number = int(jets.sum())
    filled = jets > 0

    def effective(factors: Values) -> float:
        spread = float((factors**2 * squares).sum())
        return float((factors * sums).sum()) ** 2 / spread if spread > 0 else 0.0

    return ClassWeights(
        name=name,
        jets=number,
        effective_before=effective(np.ones_like(weights)),
        effective=effective(weights),
        capped=float(jets[weights >= most].sum()) / max(number, 1),
        dropped=float(jets[weights == 0].sum()) / max(number, 1),
        largest=float(weights[filled].max(initial=0)),
    )
