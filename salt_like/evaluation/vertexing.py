"""How well tracks are grouped into vertices: pairs of tracks and whole vertices, beside trivial groupings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.metric import Metric
from salt_like.evaluation.statistics import Floats, jackknife, ratio

TRACK_EFFICIENCY = 0.65  # of a matched vertex: share of its true tracks that were found
TRACK_PURITY = 0.50  # share of its found tracks that are its own

COUNTS = (
    "true pairs",
    "found pairs",
    "right pairs",
    "true heavy pairs",
    "found heavy pairs",
    "right heavy pairs",
    "true vertices",
    "found vertices",
    "matched vertices",
    "jets without vertex",
    "of these with a found one",
)

RATIOS = (
    ("pair efficiency", 2, 0),
    ("pair purity", 2, 1),
    ("heavy-flavour pair efficiency", 5, 3),
    ("heavy-flavour pair purity", 5, 4),
    ("vertex efficiency", 8, 6),
    ("vertex purity", 8, 7),
    ("fake rate (jets without true vertex)", 10, 9),
)
# the truth is not perfect by the last three: a true vertex of another origin is found and is no heavy-flavour one
TRIVIAL = ("all in one vertex", "no vertex", "the truth")

Integers = NDArray[np.integer]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Tracks:
    """Constituents of some jets, one after the other.

    Args:
        jet: Number of the jet, ``(T,)``, from 0.
        truth: True vertex index, ``(T,)``; negative for none.
        heavy: True for constituents from a heavy-flavour decay, ``(T,)``; all, where the origin is not known.
        primary: True for constituents that are predicted to come from the primary vertex, ``(T,)``; ``None`` when no
            task says so: then the candidate with the most constituents stands for the primary vertex.
        jets: Number of jets, with those that have no constituents.
    """

    jet: Integers
    truth: Integers
    heavy: Flags
    primary: Flags | None
    jets: int


def count(tracks: Tracks, found: Integers) -> Floats:
    """What `COUNTS` names, per jet.

    A true vertex is two or more heavy-flavour constituents of one true index and none of another origin; a found vertex
    is two or more constituents of one found index, the primary vertex (the candidate with the most constituents
    predicted primary) excluded. They match when at least 65 % of the true constituents were found and at least 50 % of
    the found ones are right; each found vertex matches one true vertex at most.

    Args:
        tracks: The constituents and their truth.
        found: Predicted vertex index, ``(T,)``; negative for none.

    Returns:
        ``(jets, len(COUNTS))``.
    """
    counts = np.zeros((tracks.jets, len(COUNTS)))
    both = _groups(tracks.jet, tracks.truth, found)
    truth, candidate = _groups(tracks.jet, tracks.truth), _groups(tracks.jet, found)
    light = ~tracks.heavy
    for column, group in ((0, truth), (1, candidate), (2, both)):
        pairs, all_light = _choose2(group.sizes()), _choose2(group.sizes(light))
        counts[:, column] = _per_jet(group, pairs, tracks.jets)
        counts[:, column + 3] = _per_jet(group, pairs - all_light, tracks.jets)
    heavy = _Groups(np.where(tracks.heavy, truth.of, -1), truth.jet)
    # one with other constituents is the primary vertex, which nobody is asked to find
    true_vertex = (heavy.sizes() >= 2) & (truth.sizes(light) == 0)
    found_vertex = (candidate.sizes() >= 2) & ~_primary(tracks, candidate)
    counts[:, 6] = _per_jet(truth, true_vertex, tracks.jets)
    counts[:, 7] = _per_jet(candidate, found_vertex, tracks.jets)
    counts[:, 8] = _matched(heavy, candidate, true_vertex, found_vertex, tracks.jets)
    counts[:, 9] = counts[:, 6] == 0
    counts[:, 10] = (counts[:, 6] == 0) & (counts[:, 7] > 0)
    return counts


def count_all(tracks: Tracks, found: Integers) -> dict[str, Floats]:
    """What `count` says of a prediction, as ``found``, and of each trivial one.

    Args:
        tracks: The constituents and their truth.
        found: Predicted vertex index, ``(T,)``; negative for none.
    """
    groupings = (found, np.zeros_like(found), np.full_like(found, -1, dtype=np.int64), tracks.truth)
    return {name: count(tracks, one) for name, one in zip(("found", *TRIVIAL), groupings, strict=True)}


@dataclass(frozen=True)
class _Groups:
    """Constituents put into numbered groups: `of` is the group of each (-1 for none), `jet` the jet of each group."""

    of: Integers
    jet: Integers

    def sizes(self, chosen: Flags | None = None) -> Integers:
        member = self.of >= 0 if chosen is None else (self.of >= 0) & chosen
        return np.bincount(self.of[member], minlength=len(self.jet))


def _groups(jet: Integers, *indices: Integers) -> _Groups:
    """Group constituents of one jet that agree in all indices; none of them negative."""
    member = np.all([index >= 0 for index in indices], 0)
    keys, factor = jet[member].astype(np.int64), 1
    for index in indices:  # one number stands for all: much faster to sort than columns
        size = int(index.max(initial=0)) + 1
        keys, factor = keys * size + index[member], factor * size
    unique, inverse = np.unique(keys, return_inverse=True)
    of = np.full(len(jet), -1, np.int64)
    of[member] = inverse
    return _Groups(of, unique // factor)


def _choose2(number: Integers) -> Integers:
    return number * (number - 1) // 2


def _per_jet(group: _Groups, values: Integers | Flags, jets: int) -> Floats:
    return np.bincount(group.jet, values.astype(np.float64), minlength=jets).astype(np.float64)


def _primary(tracks: Tracks, candidate: _Groups) -> Flags:
    """The candidate of each jet with the most constituents predicted primary; the first of equals, none without any."""
    score = candidate.sizes(tracks.primary)
    order = np.lexsort((np.arange(len(score)), -score, candidate.jet))
    first = np.ones(len(order), bool)
    first[1:] = candidate.jet[order][1:] != candidate.jet[order][:-1]
    chosen = np.zeros(len(score), bool)
    chosen[order[first]] = True
    return chosen & (score > 0)


def _matched(truth: _Groups, found: _Groups, true_vertex: Flags, found_vertex: Flags, jets: int) -> Floats:
    shared = (truth.of >= 0) & (found.of >= 0)
    pairs, number = np.unique(truth.of[shared] * len(found.jet) + found.of[shared], return_counts=True)
    true, reco = np.divmod(pairs, max(len(found.jet), 1))
    good = true_vertex[true] & found_vertex[reco]
    good &= number >= TRACK_EFFICIENCY * truth.sizes()[true] - 1e-9
    good &= number >= TRACK_PURITY * found.sizes()[reco] - 1e-9
    # a true vertex can have only one match (65 % > one half); a found one could have two of exactly one half each
    matched = np.unique(reco[good])
    return np.bincount(found.jet[matched], minlength=jets).astype(np.float64)


class VertexSums:
    """Metrics of found vertices, added up in pieces; errors from leaving out groups of jets.

    Args:
        groups: Number of groups of jets.
        classes: Names of the classes of the jets, for metrics of each.
    """

    def __init__(self, groups: int = 20, classes: Sequence[str] = ()) -> None:
        self.classes = tuple(classes)
        self.sums = {name: np.zeros((groups, len(COUNTS))) for name in ("found", *TRIVIAL)}
        self.class_sums = {name: np.zeros((len(self.classes), groups, len(COUNTS))) for name in self.sums}

    def add(
        self,
        tracks: Tracks,
        found: Integers,
        group: Integers,
        weights: Floats | None = None,
        of_class: Integers | None = None,
    ) -> None:
        """Add some jets.

        Args:
            tracks: Their constituents and the truth.
            found: Predicted vertex index, ``(T,)``.
            group: Group of each jet, ``(jets,)``.
            weights: Weight of each jet, ``(jets,)``; ``None`` for 1.
            of_class: Class of each jet, ``(jets,)``, negative for none.
        """
        self.add_counts(count_all(tracks, found), group, weights, of_class)

    def add_counts(
        self,
        counts: Mapping[str, Floats],
        group: Integers,
        weights: Floats | None = None,
        of_class: Integers | None = None,
    ) -> None:
        """Add some jets that were counted before.

        Args:
            counts: What `count_all` returned, or some of its rows.
            group: Group of each jet, ``(jets,)``.
            weights: Weight of each jet, ``(jets,)``; ``None`` for 1.
            of_class: Class of each jet, ``(jets,)``, negative for none.
        """
        for name, some in counts.items():
            weighted = some if weights is None else some * weights[:, None]
            np.add.at(self.sums[name], group, weighted)
            if of_class is not None:
                known = of_class >= 0
                np.add.at(self.class_sums[name], (of_class[known], group[known]), weighted[known])

    def metrics(self) -> list[Metric]:
        """The metrics of everything added, each once for every grouping that it is compared with."""
        return _metrics(self.sums)

    def by_class(self) -> dict[str, tuple[Metric, ...]]:
        """The same for the jets of each class that has constituents in a pair or a jet without a true vertex."""
        sums = {
            name: {key: one[index] for key, one in self.class_sums.items()} for index, name in enumerate(self.classes)
        }
        return {name: tuple(_metrics(one)) for name, one in sums.items() if one["found"].any()}


def _metrics(sums: Mapping[str, Floats]) -> list[Metric]:
    metrics = []
    for name, above, below in RATIOS:
        pairs = {grouping: found[:, [above, below]] for grouping, found in sums.items()}
        value, error = jackknife(pairs["found"], ratio)
        metrics += [Metric(name, value, error, ratio(pairs[one].sum(0)), one) for one in TRIVIAL]
    return metrics
