"""From prediction files to numbers: every contender on every sample, in the range in which it is quoted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from physics_numbers import Measured, Quantity, measure_all, quantities

from salt_like.evaluation.comparison import require_same_jets
from salt_like.evaluation.paired_jets import Tagger
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.reader import PredictionFile
from salt_like.evaluation.rejection import discriminant
from salt_like.evaluation.resampling import Mistags
from salt_like.evaluation.statistics import Floats

LOW = Range("pt", 20e3, 250e3, "MeV")
RANGES = {"ttbar": LOW, "zprime": Range("pt", 250e3, math.inf, "MeV")}
CURVE = tuple(np.round(np.linspace(0.5, 0.95, 46), 2))  # signal efficiencies of the figure


@dataclass(frozen=True)
class Judged:
    """All numbers of one sample.

    Args:
        sample: Its name.
        range: Of the jets.
        jets: Number of jets of each class in the range.
        events: Number of their events.
        kinds: What was measured.
        measured: Contender → its numbers.
        curves: Contender → ln(rejection) of light and of c jets at the efficiencies of `CURVE`, ``(seeds, 46, 2)``.
    """

    sample: str
    range: Range
    jets: dict[str, int]
    events: int
    kinds: list[Quantity]
    measured: dict[str, Measured]
    curves: dict[str, Floats]


def judge(
    sample: str, files: Mapping[str, Sequence[Path]], resamples: int, seed: int = 0, wanted: Range | None = None
) -> Judged:
    """Measure all contenders on one sample.

    Args:
        sample: Name of the sample.
        files: Contender → prediction files of its seeds.
        resamples: Number of resamples of the events.
        seed: Of the resamples.
        wanted: The range; that of the sample in `RANGES` for ``None``.
    """
    wanted = wanted or RANGES[sample]
    taggers = {name: [_tagger(path, wanted) for path in paths] for name, paths in files.items()}
    first, *others = (one for some in taggers.values() for one in some)
    for one in others:
        require_same_jets(first.file, one.file)
    events = first.file.events()
    assert events is not None
    return Judged(
        sample,
        wanted,
        {name: int((first.labels == place).sum()) for place, name in enumerate(first.classes)},
        len(np.unique(events)),
        quantities(first.classes),
        measure_all(taggers, resamples, seed),
        {name: np.stack([_curve(one) for one in some]) for name, some in taggers.items()},
    )


def _tagger(path: Path, wanted: Range) -> Tagger:
    file = PredictionFile(path).within(wanted)
    return Tagger(file, file.contents.tasks[0])


def _curve(tagger: Tagger) -> Floats:
    one = tagger.discriminants["Db"]
    index = {name: place for place, name in enumerate(tagger.classes)}
    values = discriminant(tagger.probabilities, one.signal, one.background)
    mistags = Mistags(values, tagger.labels, index["bjets"], (index["ujets"], index["cjets"]), CURVE)
    with np.errstate(divide="ignore"):
        found: Floats = -np.log(mistags(np.ones((1, len(tagger.labels))))[0])
    return found
