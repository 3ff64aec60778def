"""Metrics of a sample as tables of text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from salt_like.evaluation.metric import Metric
from salt_like.evaluation.results import DiscriminantResult, Evaluation, TaskResult


@dataclass(frozen=True)
class Listing:
    """Rows under headings.

    Args:
        title: What it shows, with what one must know to read it.
        headings: One per column.
        rows: Cells as text.
        text: Indices of the columns that hold words rather than numbers.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: frozenset[int] = frozenset({0})


def listings(evaluation: Evaluation) -> list[Listing]:
    """One table per task and per discriminant."""
    tables = [_task(evaluation, task) for task in evaluation.tasks]
    return tables + [_discriminant(evaluation, one) for one in evaluation.discriminants]


def headline(evaluation: Evaluation) -> str:
    """The sample, its number of jets, their weights and the ranges of their input variables."""
    ranges = "; ".join(
        f"{name} {low:.6g} to {high:.6g} {unit}".rstrip() for name, (low, high, unit) in evaluation.ranges.items()
    )
    weights = (
        f", weighted by {evaluation.weight} (effective number {evaluation.effective:.4g})" if evaluation.weight else ""
    )
    return f"sample {evaluation.sample}: {evaluation.jets} jets{weights}, model {evaluation.model}" + (
        f"\n  {ranges}" if ranges else ""
    )


def with_error(value: float, error: float) -> str:
    """A number with as many digits as its error has meaning."""
    if not math.isfinite(value):
        return "-"
    if not math.isfinite(error) or error <= 0:
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _task(evaluation: Evaluation, task: TaskResult) -> Listing:
    what = "jets" if task.stream == "jets" else f"constituents in {task.stream}"
    title = f"{task.task} on {evaluation.sample}, {task.entries} labelled {what}{_weighted(evaluation)}"
    if task.entries and task.absent:
        title += f"; none of class {', '.join(task.absent)}"
    title += _assumed(task.prior)
    several = len({metric.name for metric in task.metrics}) < len(task.metrics)
    return _against_several(title, task.metrics) if several else _against_one(title, task.metrics)


def _weighted(evaluation: Evaluation) -> str:
    return f", weighted by {evaluation.weight}" if evaluation.weight else ""


def _assumed(prior: Mapping[str, float]) -> str:
    """What a class-weighted model takes for granted; nothing where that is the training sample."""
    if not prior:
        return ""
    return "\nclass-weighted: probabilities for " + ", ".join(
        f"{100 * one:.3g} % {name}" for name, one in prior.items()
    )


def _against_one(title: str, metrics: tuple[Metric, ...]) -> Listing:
    rows = tuple((_name(one), with_error(one.value, one.error), _trivial(one), one.baseline_name) for one in metrics)
    return Listing(title, ("metric", "value", "trivial", "trivial prediction"), rows, frozenset({0, 3}))


def _against_several(title: str, metrics: tuple[Metric, ...]) -> Listing:
    """A column for each trivial prediction."""
    trivial = tuple(dict.fromkeys(metric.baseline_name for metric in metrics))
    found = {(metric.name, metric.baseline_name): metric for metric in metrics}
    rows = []
    for name in dict.fromkeys(metric.name for metric in metrics):
        first = found[name, trivial[0]]
        value = with_error(first.value, first.error)
        rows.append((_name(first), value, *(_trivial(found[name, one]) for one in trivial)))
    return Listing(title, ("metric", "value", *trivial), tuple(rows))


def _name(metric: Metric) -> str:
    return metric.name + (f" [{metric.unit}]" if metric.unit else "")


def _trivial(metric: Metric) -> str:
    return "" if metric.baseline is None else with_error(metric.baseline, math.nan)


def _discriminant(evaluation: Evaluation, result: DiscriminantResult) -> Listing:
    one = result.discriminant
    mixture = " + ".join(f"{fraction:g} p({name})" for name, fraction in one.background.items())
    here = "this sample" if result.cuts_from == evaluation.sample else f"sample {result.cuts_from}"
    title = f"{one.name} on {evaluation.sample} = ln p({one.signal}) / ({mixture}); cuts made on {here}"
    title += _weighted(evaluation) + _assumed(result.prior)
    names = tuple(result.points[0].rejections) if result.points else ()
    rows = tuple(
        (
            f"{100 * point.efficiency:.0f} %",
            with_error(point.signal_efficiency, point.signal_error),
            f"{point.cut:.4g}",
            *(str(point.rejections[name]) for name in names),
        )
        for point in result.points
    )
    return Listing(
        title, ("working point", f"{one.signal} efficiency", "cut", *(f"{name} rejection" for name in names)), rows
    )
