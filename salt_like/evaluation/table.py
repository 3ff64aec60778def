"""Metrics of a sample as tables of text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from salt_like.evaluation.calibration import Calibration
from salt_like.evaluation.curves import SCAN_EFFICIENCY
from salt_like.evaluation.metric import Metric
from salt_like.evaluation.rejection import Point
from salt_like.evaluation.results import DiscriminantResult, Evaluation, TaskResult

_SHORT = {
    "training": "the training's",
    "class weights": "the weighted",
    "given": "the given",
    "sample": "the sample's",
}
_FOR = {
    "training": "the class fractions of the training",
    "class weights": "the class fractions of the training, weighted",
    "given": "the class fractions given",
    "sample": "the class fractions of this sample",
}


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


def summary(evaluation: Evaluation, flat: bool = False) -> list[Listing]:
    """One table per task and one per discriminant, of all jets.

    Args:
        evaluation: What was found.
        flat: Also what the flat working points do.
    """
    tables = [_task(evaluation, task) for task in evaluation.tasks]
    for one in evaluation.discriminants:
        tables.append(_discriminant(evaluation, (evaluation,), one, "fixed"))
        if flat and one.flat:
            tables.append(_discriminant(evaluation, (evaluation,), one, "flat"))
    return tables


def listings(evaluation: Evaluation, flat: bool = False) -> list[Listing]:
    """One table per task, one by range and by class of the jets where there are several, and those of discriminants.

    Args:
        evaluation: What was found.
        flat: Also what the flat working points do.
    """
    tables = []
    parts = (evaluation, *evaluation.parts)
    for task in evaluation.tasks:
        tables.append(_task(evaluation, task))
        if task.by_class:
            tables.append(_by_class(evaluation, task))
        if evaluation.parts and task.metrics:
            tables.append(_by_range(evaluation, task))
        tables += [_reliability(evaluation, task, one) for one in task.calibration]
    for one in evaluation.discriminants:
        tables.append(_discriminant(evaluation, parts, one, "fixed"))
        if flat and one.flat:
            tables.append(_discriminant(evaluation, parts, one, "flat"))
    for part in parts:
        tables += [_scan(part, one) for one in part.discriminants if one.scan is not None]
    return tables


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
    what = "labelled jets" if task.stream == "jets" else f"labelled constituents in {task.stream}"
    if task.objects:
        what = f"{task.objects} with constituents in {task.stream}"
    title = f"{task.task} on {evaluation.sample}, {task.entries} {what}{_weighted(evaluation)}"
    if task.entries and task.absent:
        title += f"; none of class {', '.join(task.absent)}"
    title += _assumed(task)
    several = len({metric.name for metric in task.metrics}) < len(task.metrics)
    if several:
        return _against_several(title, task.metrics)
    # the mean of the classes: one line for each set of class fractions
    errors = (
        Metric(f"ECE at {_SHORT[one.assumed]} fractions", one.ece, one.error, one.chance, "all exact")
        for one in task.calibration
    )
    return _against_one(title, (*task.metrics, *errors))


def _weighted(evaluation: Evaluation) -> str:
    return f", weighted by {evaluation.weight}" if evaluation.weight else ""


def _assumed(result: TaskResult | DiscriminantResult) -> str:
    """What probabilities take for granted; nothing where that is the training sample."""
    said = []
    if result.prior:
        said.append(f"{'as given' if result.given else 'class-weighted'}: probabilities for {_shares(result.prior)}")
    if result.temperature != 1:
        said.append(f"temperature {result.temperature:.4g}")
    return "\n" + ", ".join(said) if said else ""


def _shares(prior: Mapping[str, float]) -> str:
    return ", ".join(f"{100 * one:.3g} % {name}" for name, one in prior.items())


def _against_one(title: str, metrics: tuple[Metric, ...]) -> Listing:
    rows = tuple((_name(one), with_error(one.value, one.error), _trivial(one), one.baseline_name) for one in metrics)
    return Listing(title, ("metric", "value", "trivial", "trivial prediction"), rows, frozenset({0, 3}))


def _against_several(title: str, metrics: tuple[Metric, ...]) -> Listing:
    """A column for each trivial prediction."""
    trivial = tuple(dict.fromkeys(metric.baseline_name for metric in metrics))
    found = {(metric.name, metric.baseline_name): metric for metric in metrics}
    rows = []
    for name in dict.fromkeys(metric.name for metric in metrics):
        several = [found.get((name, one)) for one in trivial]
        first = next(one for one in several if one is not None)
        value = with_error(first.value, first.error)
        rows.append((_name(first), value, *("" if one is None else _trivial(one) for one in several)))
    return Listing(title, ("metric", "value", *trivial), tuple(rows))


def _name(metric: Metric) -> str:
    return metric.name + (f" [{metric.unit}]" if metric.unit else "")


def _trivial(metric: Metric) -> str:
    return "" if metric.baseline is None else with_error(metric.baseline, math.nan)


def _by_class(evaluation: Evaluation, task: TaskResult) -> Listing:
    """The first metrics of each name, for the jets of each class."""
    chosen = {name: [one for one in metrics if not _is_of_pairs(one)] for name, metrics in task.by_class.items()}
    trivial = tuple(dict.fromkeys(one.baseline_name for metrics in chosen.values() for one in metrics))
    rows = []
    for kind, metrics in chosen.items():
        found = {(metric.name, metric.baseline_name): metric for metric in metrics}
        for name in dict.fromkeys(metric.name for metric in metrics):
            several = [found.get((name, one)) for one in trivial]
            first = next(one for one in several if one is not None)
            cells = [_trivial(one) if one else "" for one in several]
            rows.append((kind, _name(first), with_error(first.value, first.error), *cells))
    title = f"{task.task} on {evaluation.sample} by class of the jets{_weighted(evaluation)}"
    return Listing(title, ("jets", "metric", "value", *trivial), tuple(rows), frozenset({0, 1}))


def _is_of_pairs(metric: Metric) -> bool:
    return "pair" in metric.name.split()


def _by_range(evaluation: Evaluation, task: TaskResult) -> Listing:
    """The first metrics of each name, a column for each range, the trivial prediction in brackets."""
    columns = [_firsts(task.metrics)]
    for part in evaluation.parts:
        columns.append(_firsts(next(one.metrics for one in part.tasks if one.task == task.task)))
    several = len(columns[0]) < len(task.metrics)
    rows = tuple(
        (_name(first), *(_with_trivial(column.get(name), several) for column in columns))
        for name, first in columns[0].items()
    )
    title = f"{task.task} on {evaluation.sample} by range{_weighted(evaluation)}"
    title += "" if several else "; in brackets the trivial prediction"
    numbers = [f"all {evaluation.jets} jets", *(f"{part.within}, {part.jets} jets" for part in evaluation.parts)]
    return Listing(title, ("metric", *numbers), rows)


def _firsts(metrics: Iterable[Metric]) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for metric in metrics:
        found.setdefault(metric.name, metric)
    return found


def _reliability(evaluation: Evaluation, task: TaskResult, found: Calibration) -> Listing:
    """What was predicted and what is observed, class by class in bins of equally many."""
    rows = []
    for name, one in found.classes.items():
        bins = zip(one.entries, one.predicted, one.observed, one.errors, strict=True)
        for entries, predicted, observed, error in bins:
            rows.append((name, str(entries), f"{predicted:.4f}", with_error(observed, error)))
        rows.append((name, "ECE", with_error(one.chance, math.nan), with_error(one.ece, one.error)))
    shares = f" ({_shares(found.prior)})" if found.prior else ""
    title = (
        f"{task.task} on {evaluation.sample}{_weighted(evaluation)}, probabilities for {_FOR[found.assumed]}{shares}\n"
        "observed against predicted, in bins of equally many; ECE with what it is where all are exact"
    )
    return Listing(title, ("class", "rows", "predicted", "observed"), tuple(rows))


def _with_trivial(metric: Metric | None, several: bool) -> str:
    if metric is None:
        return "-"
    trivial = "" if several or metric.baseline is None else f" ({_trivial(metric)})"
    return with_error(metric.value, metric.error) + trivial


def _discriminant(
    evaluation: Evaluation, parts: Sequence[Evaluation], result: DiscriminantResult, kind: str
) -> Listing:
    one = result.discriminant
    mixture = " + ".join(f"{fraction:g} p({name})" for name, fraction in one.background.items())
    title = f"{one.name} on {evaluation.sample} = ln p({one.signal}) / ({mixture})\n{_made(evaluation, result, kind)}"
    title += _weighted(evaluation) + _assumed(result)
    found: list[tuple[str, Sequence[Point]]] = []
    for part in parts:
        same = next((other for other in part.discriminants if other.discriminant == one), None)
        if same is not None:
            found.append((str(part.within or "all"), same.points if kind == "fixed" else same.flat))
    names = tuple(result.points[0].rejections) if result.points else ()
    rows = [(within, *_cells(point, names)) for within, points in found for point in points]
    headings = ("working point", f"{one.signal} efficiency", "cut", *(f"{name} rejection" for name in names))
    if len(parts) == 1:
        return Listing(title, headings, tuple(row[1:] for row in rows))
    return Listing(title, ("jets", *headings), tuple(rows))


def _made(evaluation: Evaluation, result: DiscriminantResult, kind: str) -> str:
    """Where the cuts come from."""
    cuts = result.cuts
    here = "this sample" if cuts.sample == evaluation.sample else f"sample {cuts.sample}"
    if kind == "flat":
        bins = len(result.flat[0].made.cuts)
        return f"cuts made on {here} for the same efficiency in {bins} bins of {result.flat[0].made.field}"
    return f"cuts made on {here}" + (f", {cuts.within}" if cuts.within else "")


def _cells(point: Point, names: Sequence[str]) -> tuple[str, ...]:
    return (
        f"{100 * point.efficiency:.0f} %",
        with_error(point.signal_efficiency, point.signal_error),
        str(point.made),
        *(str(point.rejections[name]) for name in names),
    )


def _scan(evaluation: Evaluation, result: DiscriminantResult) -> Listing:
    one, scan = result.discriminant, result.scan
    assert scan is not None
    names = tuple(scan.points[0].rejections)
    rows = tuple(
        (f"{fraction:g}", f"{point.cut:.4g}", *(str(point.rejections[name]) for name in names))
        for fraction, point in zip(scan.fractions, scan.points, strict=True)
    )
    within = f", {evaluation.within}" if evaluation.within else ""
    title = (
        f"{one.name} on {evaluation.sample}{within} against the fraction of {scan.scanned} "
        f"(used: {one.background[scan.scanned]:g}), {100 * SCAN_EFFICIENCY:.0f} % {one.signal} efficiency on these jets"
    )
    headings = (f"fraction of {scan.scanned}", "cut", *(f"{name} rejection" for name in names))
    return Listing(title + _weighted(evaluation) + _assumed(result), headings, rows)
