"""What an evaluation found, as plain objects: tasks, working points of the discriminants, ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from salt_like.evaluation.metric import Metric, plain
from salt_like.evaluation.rejection import Point, WorkingPoint
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
    """

    task: str
    stream: str
    entries: int
    metrics: tuple[Metric, ...]
    absent: tuple[str, ...] = ()
    prior: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cuts:
    """Working points of each discriminant and the sample that they were made on."""

    sample: str
    points: Mapping[str, tuple[WorkingPoint, ...]]


@dataclass(frozen=True)
class DiscriminantResult:
    """What the working points of a discriminant do.

    Args:
        discriminant: Its definition.
        cuts_from: Sample that the cuts were made on.
        points: One for each working point.
        prior: Class fractions for which its probabilities hold; empty for those of the training sample.
    """

    discriminant: Discriminant
    cuts_from: str
    points: tuple[Point, ...]
    prior: Mapping[str, float] = field(default_factory=dict)


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
        cuts: This sample's own working points.
        weight: Field of the jets by which everything is weighted, ``None`` where every jet counts once.
        effective: Effective number of jets, ``(sum w)^2 / sum w^2``.
    """

    sample: str
    model: str
    file: str
    sources: tuple[str, ...]
    jets: int
    ranges: Mapping[str, tuple[float, float, str]]
    tasks: tuple[TaskResult, ...]
    discriminants: tuple[DiscriminantResult, ...]
    cuts: Cuts
    weight: str | None = None
    effective: float = 0.0

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "sample": self.sample,
            "model": self.model,
            "file": self.file,
            "sources": list(self.sources),
            "jets": self.jets,
            "weight": self.weight,
            "effective_jets": self.effective,
            "ranges": {
                name: {"low": low, "high": high, "unit": unit} for name, (low, high, unit) in self.ranges.items()
            },
            "tasks": {
                one.task: {
                    "stream": one.stream,
                    "entries": one.entries,
                    "absent_classes": list(one.absent),
                    "assumed_prior": dict(one.prior) or None,
                    "metrics": [metric.plain() for metric in one.metrics],
                }
                for one in self.tasks
            },
            "discriminants": {
                one.discriminant.name: {
                    "signal": one.discriminant.signal,
                    "background": plain(one.discriminant.background),
                    "cuts_from": one.cuts_from,
                    "assumed_prior": dict(one.prior) or None,
                    "points": [point.plain() for point in one.points],
                }
                for one in self.discriminants
            },
        }
