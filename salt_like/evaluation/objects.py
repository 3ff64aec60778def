"""How well objects of jets, such as hadrons, are found: whole objects and their constituents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salt_like.evaluation.metric import Metric
from salt_like.evaluation.statistics import Floats, jackknife, ratio
from salt_like.evaluation.vertexing import TRACK_EFFICIENCY, TRACK_PURITY

COUNTS = (
    "objects in the file",
    "true objects",
    "found objects",
    "matched objects",
    "of the right class",
    "intersection over union of matched objects",
    "constituents",
    "rightly given constituents",
    "jets without true object",
    "of these with a found one",
)
RATIOS = (
    ("efficiency", 3, 1),
    ("purity", 3, 2),
    ("fake rate (jets without true object)", 9, 8),
    ("constituents rightly given", 7, 6),
    ("intersection over union of matched objects", 5, 3),
    ("right class of matched objects", 4, 3),
    ("objects with a constituent", 1, 0),
)
TRIVIAL = ("no object", "all in one object", "the truth")

Integers = NDArray[np.integer]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Objects:
    """True objects of some jets, and their constituents one after the other.

    Args:
        jet: Number of the jet of each constituent, ``(T,)``, from 0.
        truth: True object of each, ``(T,)``, a column of the arrays below; negative for none.
        there: Which objects there are, ``(n, M)``.
        classes: Class of each object, ``(n, M)``; negative for none.
    """

    jet: Integers
    truth: Integers
    there: Flags
    classes: Integers

    @property
    def jets(self) -> int:
        """Number of jets."""
        return len(self.there)

    def sizes(self, index: Integers, number: int) -> Integers:
        """Constituents of each of so many objects, ``(n, number)``."""
        real = index >= 0
        counts = np.bincount(self.jet[real] * number + index[real], minlength=self.jets * number)
        return counts.reshape(self.jets, number)


@dataclass(frozen=True)
class Said:
    """What was found in the same jets.

    Args:
        index: Found object of each constituent, ``(T,)``; negative for none.
        classes: Most probable class of each found object, ``(n, Q)``.
    """

    index: Integers
    classes: Integers


def matches(objects: Objects, said: Said) -> tuple[Flags, Floats]:
    """Which found object is which true one.

    They match when at least 65 % of the true constituents were found, and at least 50 % of the found ones are right.
    Each matches one at most: of two true objects that are exactly half of a found one each, the first.

    Returns:
        Whether the objects match, and constituents in both over those in either, ``(n, Q, M)`` each.
    """
    queries, number = said.classes.shape[1], objects.there.shape[1]
    both = (said.index >= 0) & (objects.truth >= 0)
    pair = np.where(both, said.index * number + objects.truth, -1)
    shared = objects.sizes(pair, queries * number).reshape(-1, queries, number)
    found = objects.sizes(said.index, queries)[:, :, None]
    true = objects.sizes(objects.truth, number)[:, None]
    matched = (shared > 0) & (shared >= TRACK_EFFICIENCY * true - 1e-9) & (shared >= TRACK_PURITY * found - 1e-9)
    matched &= matched.cumsum(2) == 1
    return matched, shared / np.maximum(found + true - shared, 1)


def count(objects: Objects, said: Said) -> Floats:
    """What `COUNTS` names, per jet, ``(n, len(COUNTS))``."""
    counts = np.zeros((objects.jets, len(COUNTS)))
    matched, overlap = matches(objects, said)
    true = objects.sizes(objects.truth, objects.there.shape[1]) > 0
    found = objects.sizes(said.index, said.classes.shape[1]) > 0
    right = matched & (said.classes[:, :, None] == objects.classes[:, None])
    of_object = np.zeros(len(objects.jet), bool)
    both = (said.index >= 0) & (objects.truth >= 0)
    of_object[both] = matched[objects.jet[both], said.index[both], objects.truth[both]]
    given = of_object | ((said.index < 0) & (objects.truth < 0))
    for column, values in enumerate((objects.there, true, found)):
        counts[:, column] = values.sum(1)
    for column, pairs in enumerate((matched, right, np.where(matched, overlap, 0.0)), start=3):
        counts[:, column] = pairs.sum((1, 2))
    counts[:, 6] = np.bincount(objects.jet, minlength=objects.jets)
    counts[:, 7] = np.bincount(objects.jet, given.astype(np.float64), minlength=objects.jets)
    counts[:, 8] = ~true.any(1)
    counts[:, 9] = ~true.any(1) & found.any(1)
    return counts


def of_classes(objects: Objects, said: Said, classes: int) -> Floats:
    """True and matched objects of each true class, per jet, ``(n, classes, 2)``."""
    matched, _ = matches(objects, said)
    true = objects.sizes(objects.truth, objects.there.shape[1]) > 0
    own = np.equal(objects.classes[:, None], np.arange(classes)[:, None])  # (n, C, M)
    both = [(own & flags.reshape(len(own), 1, -1)).sum(2) for flags in (true, np.asarray(matched.any(1)))]
    return np.stack(both, 2).astype(np.float64)


class ObjectSums:
    """Metrics of found objects, added up in pieces; errors from leaving out groups of jets.

    Args:
        groups: Number of groups of jets.
        kinds: Names of the classes of objects; empty where there is one kind.
        commonest: The class that a trivial prediction says.
        classes: Names of the classes of the jets, for metrics of each.
    """

    def __init__(
        self, groups: int = 20, kinds: Sequence[str] = (), commonest: int = 0, classes: Sequence[str] = ()
    ) -> None:
        self.kinds, self.commonest, self.classes = tuple(kinds), commonest, tuple(classes)
        width = len(COUNTS) + 2 * len(self.kinds)
        self.sums = {name: np.zeros((groups, width)) for name in ("found", *TRIVIAL)}
        self.class_sums = {name: np.zeros((len(self.classes), groups, width)) for name in self.sums}

    def add(
        self,
        objects: Objects,
        said: Said,
        group: Integers,
        weights: Floats | None = None,
        of_class: Integers | None = None,
    ) -> None:
        """Add some jets.

        Args:
            objects: Their true objects and constituents.
            said: What was found.
            group: Group of each jet, ``(n,)``.
            weights: Weight of each jet, ``(n,)``; ``None`` for 1.
            of_class: Class of each jet, ``(n,)``, negative for none.
        """
        one = np.full((objects.jets, 1), self.commonest)
        answers = (
            said,
            Said(np.full_like(objects.truth, -1), one),
            Said(np.zeros_like(objects.truth), one),
            Said(objects.truth, objects.classes),
        )
        for name, answer in zip(self.sums, answers, strict=True):
            kinds = of_classes(objects, answer, len(self.kinds)).reshape(objects.jets, -1)
            counts = np.concatenate([count(objects, answer), kinds], 1)
            counts = counts if weights is None else counts * weights[:, None]
            np.add.at(self.sums[name], group, counts)
            if of_class is not None:
                known = of_class >= 0
                np.add.at(self.class_sums[name], (of_class[known], group[known]), counts[known])

    def metrics(self) -> list[Metric]:
        """The metrics of everything added, each once for every answer that it is compared with."""
        return self._metrics(self.sums)

    def by_class(self) -> dict[str, tuple[Metric, ...]]:
        """The same for the jets of each class that has any."""
        sums = {
            name: {key: one[index] for key, one in self.class_sums.items()} for index, name in enumerate(self.classes)
        }
        return {name: tuple(self._metrics(one)) for name, one in sums.items() if one["found"].any()}

    def _metrics(self, sums: Mapping[str, Floats]) -> list[Metric]:
        metrics = []
        kinds = [
            (f"efficiency of {name}", len(COUNTS) + 2 * index + 1, len(COUNTS) + 2 * index)
            for index, name in enumerate(self.kinds)
        ]
        # without classes there is nothing right or wrong about them
        ratios = [one for one in RATIOS if self.kinds or one[1] != COUNTS.index("of the right class")]
        for name, above, below in [ratios[0], *kinds, *ratios[1:]]:
            pairs = {answer: found[:, [above, below]] for answer, found in sums.items()}
            value, error = jackknife(pairs["found"], ratio)
            metrics += [Metric(name, value, error, ratio(pairs[one].sum(0)), one) for one in TRIVIAL]
        return metrics
