"""What an evaluation found, as plain objects: tasks, working points of the discriminants, ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from salt_like.evaluation.bins import Profile, TaskProfile
from salt_like.evaluation.calibration import Calibration
from salt_like.evaluation.curves import Scan, plain_curve
from salt_like.evaluation.histogram import Histogram
from salt_like.evaluation.metric import Metric, plain
from salt_like.evaluation.ranges import Range
from salt_like.evaluation.rejection import Point
from salt_like.evaluation.working_points import Cuts
from salt_like.spec import Discriminant


@dataclass(frozen=True)
class TaskResult:
    """Metrics of one task.

    Args:
        task: Name of the task.
        stream: Stream whose rows it describes.
        entries: Number of rows with a label.
        metrics: The metrics; none when no row has a label.
        absent: Classes of which the sample has no row.
        prior: Class fractions for which the probabilities hold; empty for those of the training sample.
        by_class: The same metrics for the jets of one class, where that says something: regressions and vertices.
        classes: Class names of a classification.
        confusion: Sum of the weights by true (rows) and most probable (columns) class, ``(C, C)``.
        residuals: Label → distribution of value - target of a regression.
        pulls: Label → distribution of (value - target)/deviation of one that says its deviation.
        profile: In bins of the jets' momentum, the metrics of regressions and vertices, and efficiency, purity and
            fake rate of each class of constituents.
        calibration: Of a classification: as predicted and, of jets, for the class fractions of the sample.
        temperature: Temperature of the probabilities.
        given: Whether the class fractions were given by the user, rather than by class weights.
        objects: Stream of the true objects, where the rows are objects.
    """

    task: str
    stream: str
    entries: int
    metrics: tuple[Metric, ...]
    absent: tuple[str, ...] = ()
    prior: Mapping[str, float] = field(default_factory=dict)
    by_class: Mapping[str, tuple[Metric, ...]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[float, ...], ...] = ()
    residuals: Mapping[str, Histogram] = field(default_factory=dict)
    profile: TaskProfile | None = None
    calibration: tuple[Calibration, ...] = ()
    temperature: float = 1.0
    given: bool = False
    pulls: Mapping[str, Histogram] = field(default_factory=dict)
    objects: str = ""


@dataclass(frozen=True)
class DiscriminantResult:
    """What the working points of a discriminant do.

    Args:
        discriminant: Its definition.
        cuts: Where the cuts were made.
        points: One for each fixed working point.
        flat: One for each flat working point.
        curve: Rejections against signal efficiency, the cuts made on these jets.
        scan: Rejections against a fraction of the background, on the jets that the cuts were made on.
        prior: Class fractions for which its probabilities hold; empty for those of the training sample.
        given: Whether the user gave these fractions, rather than class weights.
        temperature: Temperature of its probabilities.
        distribution: Class → how the discriminant is distributed, all in the same bins.
        profiles: What one working point does in bins of momentum, pseudorapidity and number of constituents.
    """

    discriminant: Discriminant
    cuts: Cuts
    points: tuple[Point, ...]
    flat: tuple[Point, ...] = ()
    curve: tuple[Point, ...] = ()
    scan: Scan | None = None
    prior: Mapping[str, float] = field(default_factory=dict)
    distribution: Mapping[str, Histogram] = field(default_factory=dict)
    profiles: tuple[Profile, ...] = ()
    given: bool = False
    temperature: float = 1.0


@dataclass(frozen=True)
class Evaluation:
    """All metrics of a sample.

    Args:
        sample: Name of the sample.
        model: Name of the model.
        file: The prediction file.
        sources: Files that were predicted.
        jets: Number of jets.
        ranges: Input variable of the jets → smallest value, largest value and unit.
        tasks: Results of the tasks in order.
        discriminants: Results of the discriminants in order.
        weight: Field of the jets by which everything is weighted, ``None`` where every jet counts once.
        effective: Effective number of jets, ``(sum w)^2 / sum w^2``.
        within: Range of the jets, ``None`` for all of the file.
        parts: The same for the jets of each range.
        generator: What made the predicted files, in their own words; empty where they do not say so.
    """

    sample: str
    model: str
    file: str
    sources: tuple[str, ...]
    jets: int
    ranges: Mapping[str, tuple[float, float, str]]
    tasks: tuple[TaskResult, ...]
    discriminants: tuple[DiscriminantResult, ...]
    weight: str | None = None
    effective: float = 0.0
    within: Range | None = None
    parts: tuple[Evaluation, ...] = ()
    generator: str = ""

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "sample": self.sample,
            "model": self.model,
            "file": self.file,
            "sources": list(self.sources),
            "weight": self.weight,
            "generator": self.generator,
            **self._numbers(),
            "by_range": [part._numbers() for part in self.parts],
        }

    def _numbers(self) -> dict[str, Any]:
        """What differs from one range to the next."""
        return {
            "range": self.within.plain() if self.within else None,
            "jets": self.jets,
            "effective_jets": self.effective,
            "ranges": {
                name: {"low": low, "high": high, "unit": unit} for name, (low, high, unit) in self.ranges.items()
            },
            "tasks": {one.task: _task(one) for one in self.tasks},
            "discriminants": {one.discriminant.name: _discriminant(one) for one in self.discriminants},
        }


def _task(one: TaskResult) -> dict[str, Any]:
    return {
        "stream": one.stream,
        "entries": one.entries,
        "absent_classes": list(one.absent),
        "assumed_prior": dict(one.prior) or None,
        "metrics": [metric.plain() for metric in one.metrics],
        "by_class": {name: [metric.plain() for metric in metrics] for name, metrics in one.by_class.items()},
        "confusion": {"classes": list(one.classes), "sums": plain(one.confusion)} if one.classes else None,
        "residuals": {name: drawn.plain() for name, drawn in one.residuals.items()},
        "pulls": {name: drawn.plain() for name, drawn in one.pulls.items()},
        "profile": one.profile.plain() if one.profile else None,
        "calibration": [found.plain() for found in one.calibration],
        "temperature": one.temperature,
    }


def _discriminant(one: DiscriminantResult) -> dict[str, Any]:
    return {
        "signal": one.discriminant.signal,
        "background": plain(one.discriminant.background),
        "cuts_from": one.cuts.sample,
        "cuts_range": one.cuts.within.plain() if one.cuts.within else None,
        "assumed_prior": dict(one.prior) or None,
        "temperature": one.temperature,
        "points": [point.plain() for point in one.points],
        "flat": [point.plain() for point in one.flat],
        "curve": plain_curve(one.curve),
        "scan": one.scan.plain() if one.scan else None,
        "distribution": {name: drawn.plain() for name, drawn in one.distribution.items()},
        "profiles": [profile.plain() for profile in one.profiles],
    }
