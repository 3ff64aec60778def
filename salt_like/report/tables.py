"""Numbers of several runs beside each other, as tables of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from salt_like.evaluation.rejection import Rejection
from salt_like.evaluation.table import with_error
from salt_like.figures import words
from salt_like.figures.words import Part
from salt_like.report import page

Runs = Mapping[str, Part]  # name of each run → its numbers of the same jets
SUMMARY = 0.77  # working point of the summary; the nearest one where there is none
# what the summary has of each task, where it is there
KEY = (
    "cross-entropy",
    "accuracy",
    "macro-F1",
    "vertex efficiency",
    "vertex purity",
    "fake rate (jets without true vertex)",
    "bias",
    "half central 68 %",
    "half central 68 % of value/target",
    "pull width (half central 68 %)",
)


def number(value: float | None, error: float | None = None) -> str:
    """A number of a metrics file with its error."""
    return with_error(math.nan if value is None else value, math.nan if error is None else error)


def rejection(found: Mapping[str, Any] | None) -> str:
    """A rejection of a metrics file with its errors, as `train test` says it."""
    if found is None or found["value"] is None:
        return "-"
    high = math.inf if found["high"] is None else found["high"]
    return str(Rejection(**{**found, "high": high}))


def summary(runs: Runs) -> str:
    """The numbers that matter.

    Args:
        runs: What stands at the top of each column → its numbers.
    """
    rows: list[Sequence[str]] = [["jets", *(f"{part['jets']:,}" for part in runs.values())]]
    for name in _union(part["discriminants"] for part in runs.values()):
        rows += _working_point(runs, name)
    for task in _union(part["tasks"] for part in runs.values()):
        found = [row for row in _metrics(runs, task) if row[0].rpartition(": ")[2].partition(" [")[0] in KEY]
        rows += [[task], *([row[0], *row[1:]] for row in found)] if found else []
    return page.table("", ["", *runs], rows)


def _working_point(runs: Runs, name: str) -> list[Sequence[str]]:
    points = {}
    for run, part in runs.items():
        known = (part["discriminants"].get(name) or {}).get("points") or []
        points[run] = min(known, key=lambda one: abs(one["efficiency"] - SUMMARY)) if known else None
    first = next((one for one in points.values() if one), None)
    if first is None:
        return []
    of = next(part["discriminants"][name] for part in runs.values() if name in part["discriminants"])
    rows: list[Sequence[str]] = [[f"{name}, {100 * first['efficiency']:.0f} % working point"]]
    shown = (number(one["signal_efficiency"], one["signal_error"]) if one else "-" for one in points.values())
    rows.append([f"{words.jet_of(of['signal'])} efficiency", *shown])
    for background in first["rejections"]:
        shown = (rejection(one["rejections"].get(background)) if one else "-" for one in points.values())
        rows.append([f"{words.jet_of(background)} rejection", *shown])
    return rows


def working_points(ranges: Sequence[Runs], name: str, kind: str) -> str:
    """Efficiencies and rejections of all working points of a discriminant.

    Args:
        ranges: Numbers of the runs, for each range of the jets.
        name: The discriminant.
        kind: ``points`` for fixed cuts, ``flat`` for those of the same efficiency in every bin.
    """
    several = len({run for runs in ranges for run in runs}) > 1
    rows: list[Sequence[str]] = []
    first: Part | None = None
    for runs in ranges:
        known = {run: part for run, part in runs.items() if (part["discriminants"].get(name) or {}).get(kind)}
        if not known:
            continue
        first = first or next(iter(known.values()))
        backgrounds = list(first["discriminants"][name][kind][0]["rejections"])
        if len(ranges) > 1:
            rows.append([words.within(next(iter(known.values()))["range"]) or "all jets"])
        for place in range(len(first["discriminants"][name][kind])):
            for run, part in known.items():
                points = part["discriminants"][name][kind]
                if place < len(points):
                    cells = _cells(points[place], backgrounds)
                    rows.append([cells[0], run, *cells[1:]] if several else cells)
    if first is None:
        return ""
    one = first["discriminants"][name]
    headings = ["working point", *(["run"] if several else []), f"{words.jet_of(one['signal'])} efficiency", "cut"]
    headings += [f"{words.jet_of(of)} rejection" for of in one[kind][0]["rejections"]]
    what = "one cut for all jets" if kind == "points" else "the same efficiency in every bin of pT"
    made = words.made(first, one, "fixed" if kind == "points" else "flat")
    return page.table(f"{name}: {what}, {made}", headings, rows, (0, 1) if several else (0,))


def _cells(point: Mapping[str, Any], backgrounds: Sequence[str]) -> list[str]:
    cuts = point.get("cuts") or [point.get("cut")]
    cut = number(cuts[0]) if len(cuts) == 1 else f"{number(_least(cuts))} … {number(_most(cuts))}"
    efficiency = number(point["signal_efficiency"], point["signal_error"])
    rejections = (rejection(point["rejections"].get(of)) for of in backgrounds)
    return [f"{100 * point['efficiency']:.0f} %", efficiency, cut, *rejections]


def scan(runs: Runs, name: str) -> str:
    """Rejections against the fraction of a background in a discriminant.

    Args:
        runs: Numbers of the same jets.
        name: The discriminant.
    """
    known = {run: part for run, part in runs.items() if (part["discriminants"].get(name) or {}).get("scan")}
    if not known:
        return ""
    first = next(iter(known.values()))
    one = first["discriminants"][name]
    backgrounds = list(one["scan"]["points"][0]["rejections"])
    rows = []
    for place, point in enumerate(one["scan"]["points"]):
        used = " (used)" if point["fraction"] == one["background"][one["scan"]["class"]] else ""
        shown = [
            rejection(part["discriminants"][name]["scan"]["points"][place]["rejections"].get(of))
            for of in backgrounds
            for part in known.values()
        ]
        rows.append([f"{point['fraction']:g}{used}", *shown])
    headings = [f"fraction of {words.of_class(one['scan']['class'])}"]
    headings += [
        f"{words.jet_of(of)} rejection{f', {run}' if len(known) > 1 else ''}" for of in backgrounds for run in known
    ]
    at = f"{100 * one['scan']['efficiency']:.0f} % {words.jet_of(one['signal'])} efficiency"
    return page.table(f"{name}, {words.within(first['range']) or 'all jets'}, {at}", headings, rows)


def metrics(runs: Runs, task: str, label: str = "") -> str:
    """All metrics of a task, with what trivial predictions reach.

    Args:
        runs: Numbers of the same jets.
        task: The task.
        label: Of a regression with several, the one that is shown.
    """
    rows = _metrics(runs, task)
    if not rows:
        return ""
    first = next(part["tasks"][task] for part in runs.values() if task in part["tasks"])
    trivial: dict[str, dict[str, str]] = {}
    for one in first["metrics"]:
        if one["baseline"] is not None:
            trivial.setdefault(_name(one), {})[one["baseline_name"]] = number(one["baseline"])
    kinds = dict.fromkeys(kind for one in trivial.values() for kind in one)
    shown = list(kinds) if any(len(one) > 1 for one in trivial.values()) else []
    found = []
    for row in rows:
        own = trivial.get(row[0], {})
        more = [own.get(kind, "") for kind in shown] if shown else [*(own.values() or [""]), *(own or [""])]
        found.append([*row, *more])
    headings = ["", *runs, *(shown or ["trivial", "trivial prediction"])]
    text = (0,) if shown else (0, len(headings) - 1)
    what = "jets" if first["stream"] == "jets" else f"constituents in {first['stream']}"
    where = words.within(next(iter(runs.values()))["range"])
    caption = f"{first['entries']:,} labelled {what}{f', {where}' if where else ''}; {words.prior(first)}"
    return page.table(caption if label == "" else f"{label}: {caption}", headings, found, text)


def _metrics(runs: Runs, task: str) -> list[list[str]]:
    """Name and value of each metric, a column for each run."""
    columns = []
    for part in runs.values():
        one = part["tasks"].get(task)
        found = {_name(metric): number(metric["value"], metric["error"]) for metric in one["metrics"]} if one else {}
        for curve in (one or {}).get("calibration", ()):
            said = "of this sample" if curve["assumed"] == "sample" else "as predicted"
            found[f"ECE, class fractions {said}"] = number(curve["ece"], curve["error"])
        columns.append(found)
    return [[name, *(one.get(name, "-") for one in columns)] for name in _union(columns)]


def by_class(runs: Runs, task: str) -> str:
    """Metrics of regressions and vertices for the jets of each class.

    Args:
        runs: Numbers of the same jets.
        task: The task.
    """
    rows: list[Sequence[str]] = []
    known = [part["tasks"][task]["by_class"] if task in part["tasks"] else {} for part in runs.values()]
    for name in _union(known):
        columns = []
        for one in known:
            found = {metric["name"]: metric for metric in reversed(one.get(name, ()))}
            columns.append(found)
        order = dict.fromkeys(m["name"] for one in known for m in one.get(name, ()))
        rows.append([words.of_class(name)])
        for metric in order:
            if "pair" not in metric.split():
                of = [one.get(metric) for one in columns]
                unit = next(m["unit"] for m in of if m)
                cells = [number(m["value"], m["error"]) if m else "-" for m in of]
                rows.append([words.with_unit(metric, unit), *cells])
    return page.table("by class of the jets", ["", *runs], rows) if rows else ""


def _name(metric: Mapping[str, Any]) -> str:
    return words.with_unit(str(metric["name"]), str(metric["unit"]))


def _union(several: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for one in several for name in one))


def _least(values: Iterable[Any]) -> float:
    return min((float(one) for one in values if one is not None), default=math.nan)


def _most(values: Iterable[Any]) -> float:
    return max((float(one) for one in values if one is not None), default=math.nan)
