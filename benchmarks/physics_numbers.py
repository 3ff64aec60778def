"""What several trainings of several taggers say about the same jets, and how sure that is.

Every tagger stands for the mean of its seeds: of ln(rejection), cross-entropy and area. Two things make it uncertain,
and both are in the intervals: the events, by a Poisson bootstrap that all taggers share (`resampling`), and the seeds,
by their spread. A mean over n seeds has the variance s²/n of the seeds, with n - 1 degrees of freedom; the two sides
and the events add up as in Welch's test, and the interval is that of a t distribution with Satterthwaite's degrees of
freedom (Biometrics Bulletin 2 (1946) 110). A side with one seed is taken to have the spread of the other side; where
neither has several, only the events count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from salt_like.evaluation.classification import negative_log
from salt_like.evaluation.paired_jets import Tagger
from salt_like.evaluation.priors import shares, transfer
from salt_like.evaluation.ranking import log_odds
from salt_like.evaluation.rejection import discriminant
from salt_like.evaluation.resampling import Areas, Draws, EventResamples, Mistags, Statistic, resampled
from salt_like.evaluation.statistics import Floats
from salt_like.evaluation.task_metrics import prior_of

EFFICIENCIES = (0.70, 0.77, 0.85)
LEAST_RATIO, MOST_DIFFERENCE = 0.95, 0.002  # where non-inferiority ends, for rejections and for the cross-entropy
CROSS_ENTROPY = "cross-entropy"


@dataclass(frozen=True)
class Quantity:
    """One number of a tagger.

    Args:
        name: What it is.
        is_ratio: True for rejections, which are compared by their ratio and averaged as logarithms.
    """

    name: str
    is_ratio: bool = False


@dataclass(frozen=True)
class Measured:
    """All numbers of one contender on one sample and range.

    Args:
        values: Of each seed, ``(seeds, K)``; ln(rejection) for rejections.
        resamples: Mean over the seeds in each resample, ``(R, K)``.
    """

    values: Floats
    resamples: Floats

    @property
    def mean(self) -> Floats:
        """Over the seeds, ``(K,)``."""
        found: Floats = self.values.mean(0)
        return found

    @property
    def spread(self) -> Floats:
        """Standard deviation of one seed, ``(K,)``; NaN with one seed."""
        if len(self.values) < 2:
            return np.full(self.values.shape[1], np.nan)
        with np.errstate(invalid="ignore"):
            found: Floats = self.values.std(0, ddof=1)
        return found

    @property
    def event_error(self) -> Floats:
        """Standard error of the mean by the events, ``(K,)``."""
        with np.errstate(invalid="ignore"):
            found: Floats = self.resamples.std(0, ddof=1)
        return found


@dataclass(frozen=True)
class Change:
    """How one number of a contender differs from that of another.

    Args:
        value: Ratio of rejections, or difference of anything else.
        low: Lower end of the 95 % interval.
        high: Upper end.
        event_error: Standard error by the events alone, relative for a ratio.
        seed_error: That by the seeds alone; NaN where it is not known.
    """

    value: float
    low: float
    high: float
    event_error: float
    seed_error: float


def quantities(classes: Sequence[str]) -> list[Quantity]:
    """What `measure` gives for taggers with these classes, in order."""
    found = [
        Quantity(f"{name} rejection at {100 * efficiency:.0f} %", is_ratio=True)
        for efficiency in EFFICIENCIES
        for name in ("light", "c")
    ]
    return [*found, Quantity(CROSS_ENTROPY), *(Quantity(f"AUC of {name}") for name in classes)]


def measure(tagger: Tagger) -> Statistic:
    """From resamples to the numbers of `quantities` ``(r, K)``.

    The cross-entropy is that of probabilities for the class fractions of these jets, so that taggers with other priors
    can be compared.
    """
    one = tagger.discriminants["Db"]
    index = {name: place for place, name in enumerate(tagger.classes)}
    values = discriminant(tagger.probabilities, one.signal, one.background)
    mistags = Mistags(values, tagger.labels, index["bjets"], (index["ujets"], index["cjets"]), EFFICIENCIES)
    said = np.stack([tagger.probabilities[name] for name in tagger.classes], 1)
    loss = cross_entropies(said, tagger.labels, assumed(tagger))
    odds = log_odds(said)
    areas = [Areas(odds[:, place], tagger.labels == place) for place in range(len(tagger.classes))]

    def found(draws: Draws) -> Floats:
        weights = draws.jets
        with np.errstate(divide="ignore"):
            rejections = -np.log(mistags(weights).reshape(len(weights), -1))
        mean = (weights @ loss / weights.sum(1))[:, None]
        return np.concatenate([rejections, mean, *(area(weights)[:, None] for area in areas)], 1)

    return found


def assumed(tagger: Tagger) -> tuple[float, ...]:
    """Class fractions for which a tagger's probabilities hold."""
    stated = prior_of(tagger.task, tagger.classes)
    if stated:
        return tuple(stated[name] for name in tagger.classes)
    (label,) = (one for one in tagger.file.contents.spec.labels if one.key == tagger.task.labels[0])
    return label.prior


def cross_entropies(said: Floats, labels: NDArray[np.integer], held: Sequence[float]) -> Floats:
    """``-ln p`` of the true class, with probabilities turned from a prior to the class fractions of the jets.

    Args:
        said: Probabilities, ``(n, C)``.
        labels: Class index, ``(n,)``.
        held: Prior of the probabilities, ``(C,)``.
    """
    return negative_log(transfer(said, held, shares(labels, len(held))), labels)


def measure_all(
    taggers: Mapping[str, Sequence[Tagger]], resamples: int, seed: int, report: Callable[[int, int], None] | None = None
) -> dict[str, Measured]:
    """The numbers of several contenders on the same jets, with the same resamples of their events.

    Args:
        taggers: Contender → its seeds.
        resamples: How many.
        seed: Of the resamples.
        report: Called with the number of resamples done and that of all.
    """
    first = next(iter(taggers.values()))[0]
    events = first.file.events()
    assert events is not None, "the file does not identify events"
    drawn = EventResamples(events, None, resamples, seed)
    measured = {name: [measure(one) for one in some] for name, some in taggers.items()}

    def means(draws: Draws) -> Floats:
        return np.concatenate([np.mean([one(draws) for one in some], 0) for some in measured.values()], 1)

    found = np.split(resampled(means, drawn, report), len(taggers), 1)
    own = drawn.whole()
    return {
        name: Measured(np.concatenate([one(own) for one in some]), part)
        for (name, some), part in zip(measured.items(), found, strict=True)
    }


def changes(one: Measured, other: Measured, kinds: Sequence[Quantity]) -> list[Change]:
    """How the numbers of `one` differ from those of `other`: ratios of rejections, differences of the rest."""
    with np.errstate(invalid="ignore"):  # nothing passes: no number and no interval
        value = one.mean - other.mean
        events = (one.resamples - other.resamples).std(0, ddof=1)
    found = []
    for place, kind in enumerate(kinds):
        sides = [(float(side.spread[place]), len(side.values)) for side in (one, other)]
        half, seeds = half_width(float(events[place]), sides)
        ends = (float(value[place]), float(value[place]) - half, float(value[place]) + half)
        if kind.is_ratio:
            ends = (math.exp(ends[0]), math.exp(ends[1]), math.exp(ends[2]))
        found.append(Change(*ends, float(events[place]), seeds))
    return found


def half_width(event_error: float, sides: Sequence[tuple[float, int]], level: float = 0.95) -> tuple[float, float]:
    """Half of the interval of a difference of two means over seeds.

    Args:
        event_error: Standard error by the events, as well known as that of infinitely many.
        sides: Of each side the standard deviation of one seed, and the number of seeds; with one seed the standard
            deviation is NaN, and that of the other side is taken.
        level: Probability that the interval holds the true difference.

    Returns:
        Half of the interval, and the standard error by the seeds (NaN where neither side has several).
    """
    known = [(spread**2, number) for spread, number in sides if math.isfinite(spread)]
    if len(known) == 1:
        ((variance, several),) = known
        terms = [(variance * sum(1 / number for _, number in sides), several - 1)]
    else:
        terms = [(variance / number, number - 1) for variance, number in known]
    seeds = sum(variance for variance, _ in terms)
    total = event_error**2 + seeds
    shares = sum(variance**2 / freedom for variance, freedom in terms)
    quantile = float(student.ppf((1 + level) / 2, total**2 / shares if shares > 0 else math.inf))
    return quantile * math.sqrt(total), math.sqrt(seeds) if terms else math.nan


def verdict(kind: Quantity, change: Change) -> str:
    """What the interval says, with the limits of non-inferiority, and whether seeds are in it."""
    if not math.isfinite(change.high - change.low):
        return "inconclusive"
    return _said(kind, change) + ("" if math.isfinite(change.seed_error) else ", by the events alone")


def _said(kind: Quantity, change: Change) -> str:
    if not (kind.is_ratio or kind.name == CROSS_ENTROPY):
        return "better" if change.low > 0 else "worse" if change.high < 0 else "no difference shown"
    better = change.low > 1 if kind.is_ratio else change.high < 0
    worse = change.high < LEAST_RATIO if kind.is_ratio else change.low > MOST_DIFFERENCE
    kept = change.low >= LEAST_RATIO if kind.is_ratio else change.high <= MOST_DIFFERENCE
    return "better" if better else "not worse" if kept else "worse" if worse else "not shown"
