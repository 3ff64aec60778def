"""A hypothesis as an input of the network: what is known of its distribution, kept with the description of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
ALWAYS = 2**64 - 1  # in the place of an epoch: values that do not change from one to the next


@dataclass(frozen=True)
class Conditioning:
    """The parameter of a parameterised network (arXiv:1601.07913), an input that only the signal has by itself.

    All others are given one at random, from the distribution that the signal has; where `variables` are given, that
    which the signal has in the same bin of each of them. Bins are numbered with the last variable running fastest, and
    the first and the last one of each variable are open to the outside.

    Args:
        field: Input of the jets that holds the parameter.
        label: Key of the label of the jets that holds the class.
        signal: Indices of the classes whose jets keep their own value in training.
        variables: Inputs of the jets by whose bins values are drawn; may be none.
        edges: Edges of the bins of each variable, ascending.
        quantiles: For each bin the quantiles of the signal at equal steps of probability, from 0 to 1; empty before the
            training sample was read.
        seed: Of what is drawn.
    """

    field: str
    label: str
    signal: tuple[int, ...]
    variables: tuple[str, ...] = ()
    edges: tuple[tuple[float, ...], ...] = ()
    quantiles: tuple[tuple[float, ...], ...] = ()
    seed: int = 0

    @property
    def bins(self) -> int:
        """Number of bins of all variables together."""
        return int(np.prod([len(edges) - 1 for edges in self.edges], dtype=int))

    def bin(self, columns: Mapping[str, NDArray[Any]], number: int) -> NDArray[np.int64]:
        """The bin of each jet, ``(n,)``.

        Args:
            columns: Values of each of `variables`, ``(n,)``.
            number: Number of jets ``n``.
        """
        found = np.zeros(number, np.int64)
        for name, edges in zip(self.variables, self.edges, strict=True):
            found = found * (len(edges) - 1) + np.searchsorted(edges[1:-1], columns[name], "right")
        return found

    def drawn(self, columns: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], epoch: int = ALWAYS) -> Values:
        """A value for each jet, which depends on the seed, the epoch and its row alone, ``(n,)``.

        Args:
            columns: Values of each of `variables`, ``(n,)``.
            rows: Number of each jet, ``(n,)``.
            epoch: The epoch.
        """
        table = np.array(self.quantiles)
        place = uniform(self.seed, epoch, rows) * (table.shape[1] - 1)
        below = place.astype(np.int64)
        own = self.bin(columns, len(rows))
        share = place - below
        return np.asarray(table[own, below] * (1 - share) + table[own, below + 1] * share)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Conditioning:
        """From plain data, lists in place of tuples accepted."""
        fields = dict(plain)
        for name in ("signal", "variables"):
            fields[name] = tuple(fields[name])
        for name in ("edges", "quantiles"):
            fields[name] = tuple(tuple(one) for one in fields[name])
        return cls(**fields)


def uniform(seed: int, epoch: int, rows: NDArray[np.int64]) -> Values:
    """A number from 0 up to but excluding 1 for each row, a function of the arguments alone (SplitMix64).

    Args:
        seed: Of everything random.
        epoch: Of what is drawn anew.
        rows: Numbers, ``(n,)``.
    """
    with np.errstate(over="ignore"):
        key = _mixed(np.array([seed], np.uint64))
        key = _mixed(key ^ np.array([epoch], np.uint64))
        mixed = _mixed(key ^ _mixed(rows.astype(np.uint64)))
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def quantiles(values: Values, weights: Values, steps: int) -> tuple[float, ...]:
    """Weighted quantiles at equal steps of probability, from the smallest to the largest value.

    Args:
        values: ``(n,)``, at least one.
        weights: Not negative, ``(n,)``.
        steps: Number of steps.
    """
    order = np.argsort(values, kind="stable")
    ordered, shares = values[order], weights[order]
    ends = np.cumsum(shares)
    middles = (ends - 0.5 * shares) / ends[-1]
    found: Sequence[float] = np.interp(np.linspace(0, 1, steps + 1), middles, ordered).tolist()
    return tuple(found)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
