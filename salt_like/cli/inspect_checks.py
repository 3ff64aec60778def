"""What the checks of data files found, as tables for people and plain values for machines."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salt_like.checks.differences import Difference
from salt_like.checks.finding import Finding, mending
from salt_like.checks.run import PairReport, Report, SampleReport
from salt_like.cli.table import Table

WIDTH = 98
MOST_ROWS = 20  # of one check; the others are counted
WORST = 5  # variables of a comparison that are shown


def tables(report: Report) -> list[Table | str]:
    """Everything that was found, short where nothing was.

    Args:
        report: Of the checks.
    """
    several = len(report.samples) > 1
    parts: list[Table | str] = []
    if several:
        parts.append(_samples(report.samples))
    parts += _classes(report.samples)
    parts += _rates(report.samples)
    for pair in report.pairs:
        parts += _pair(pair, report)
    groups: dict[str, list[Finding]] = {}
    for one in report.findings:
        groups.setdefault(one.check.name, []).append(one)
    for group in groups.values():
        mend = textwrap.fill(mending(group[0].check, group), WIDTH, initial_indent="  -> ", subsequent_indent="     ")
        parts += [_findings(group, report), mend]
    return [*parts, _verdict(report)]


def plain(report: Report) -> dict[str, Any]:
    """Everything that was found as plain values; numbers that are not finite become ``None``.

    Args:
        report: Of the checks.
    """
    found = {
        "failed": report.failed,
        "options": dataclasses.asdict(report.options),
        "findings": [one.plain() for one in report.findings],
        "samples": {
            one.name: {
                "files": dict(one.source.parts),
                "jets": one.source.rows,
                "drawn": one.drawn.jets,
                "event": list(one.event),
                "classes": one.classes.plain() if one.classes else None,
                "rates": [
                    {
                        "of": rate.of,
                        "what": rate.what,
                        "number": rate.tally.number,
                        "total": rate.total,
                        "row": rate.tally.row,
                        "file": rate.tally.file or None,
                    }
                    for rate in one.rates
                ],
            }
            for one in report.samples
        },
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "differences": [
                    {**dataclasses.asdict(one), "excess": one.excess, "variable": one.where} for one in pair.differences
                ],
                "separation": dataclasses.asdict(pair.separation) if pair.separation else None,
            }
            for pair in report.pairs
        ],
    }
    clean: dict[str, Any] = finite(found)
    return clean


def finite(value: Any) -> Any:
    """The same plain values with ``None`` for numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _samples(samples: Sequence[SampleReport]) -> Table:
    rows = [
        [one.name, str(len(one.source.parts)), str(one.source.rows), str(one.drawn.jets), ", ".join(one.event) or "-"]
        for one in samples
    ]
    return Table("samples", ["sample", "files", "jets", "drawn", "events by"], rows, frozenset({0, 4}))


def _classes(samples: Sequence[SampleReport]) -> list[Table | str]:
    """Shares of the classes per sample, and per file where a sample has several."""
    parts: list[Table | str] = []
    shown = [one for one in samples if one.classes is not None and (len(samples) > 1 or len(one.source.parts) > 1)]
    for label in dict.fromkeys(one.classes.label for one in shown if one.classes):
        rows: list[list[str]] = []
        names: list[str] = []
        for one in shown:
            if one.classes is None or one.classes.label != label:
                continue
            counts, files = one.classes.per_file, one.source.parts
            names = names or [one.classes.class_name(index) for index in range(counts.shape[1])]
            rows.append([one.name, *_shares(counts.sum(0).tolist(), sum(number for _, number in files))])
            if len(files) > 1:
                each = zip(files[:MOST_ROWS], counts.tolist(), strict=False)
                rows += [[f"  {Path(name).name}", *_shares(found, number)] for (name, number), found in each]
        width = max(len(row) for row in rows)
        headings = ["sample", "jets", *names][:width]
        rows = [(row + [""] * width)[: len(headings)] for row in rows]
        parts.append(Table(f"classes by {label}", headings, rows))
    return parts


def _shares(counts: Sequence[int], total: int) -> list[str]:
    return [str(total), *(f"{count / total:.2%}" if total else "-" for count in counts)]


def _rates(samples: Sequence[SampleReport]) -> list[Table | str]:
    """How often what is odd but possible is seen, one column per sample."""
    keys = list(dict.fromkeys((rate.of, rate.what) for one in samples for rate in one.rates if rate.tally.number))
    if not keys:
        return []
    rows = []
    for of, what in keys:
        found = [next((rate for rate in one.rates if (rate.of, rate.what) == (of, what)), None) for one in samples]
        shares = [f"{rate.tally.number / rate.total:.2%}" if rate and rate.total else "-" for rate in found]
        if len(samples) == 1 and found[0] is not None:
            shares += [str(found[0].tally.number), str(found[0].total)]
        rows.append([f"{of} {what}", *shares])
    headings = ["", "share", "number", "of"] if len(samples) == 1 else ["", *(one.name for one in samples)]
    return [Table("labels against constituents: odd, but possible", headings, rows)]


def _pair(pair: PairReport, report: Report) -> list[Table | str]:
    name = f"{pair.first} against {pair.second}"
    if not pair.differences:
        return []
    parts: list[Table | str] = []
    lost = pair.separation.importance if pair.separation else {}
    shown = [one for one in pair.differences if 0 < one.excess <= report.options.max_ks][:WORST]
    if shown:
        rows = [_difference(one, lost) for one in shown]
        headings = ["variable", "KS", "by chance <", "beyond", f"median {pair.first}", pair.second, "AUC lost"]
        parts.append(Table(f"{name}: largest differences below the threshold", headings, rows))
    number = sum(one.excess > 0 for one in pair.differences)
    text = f"{name}: {number} of {len(pair.differences)} variables differ beyond chance"
    if pair.separation is not None:
        found = pair.separation
        text += f"; AUC of a classifier {found.auc:.3f} ± {found.error:.3f} (0.5: alike"
        text += f"; allowed {report.options.max_auc:g})"
        drivers = [f"{variable} {loss:.3f}" for variable, loss in lost.items() if loss > found.error]
        text += f"; AUC lost without: {', '.join(drivers[:3])}" if drivers else ""
    else:
        text += "; too few jets for a classifier"
    return [*parts, textwrap.fill(text, WIDTH, subsequent_indent="  ")]


def _difference(one: Difference, lost: Any) -> list[str]:
    medians = [f"{value:.5g}" for value in one.medians]
    importance = f"{lost[one.where]:.3f}" if one.where in lost else "-"
    name = f"{one.where} (truth)" if one.is_truth else one.where
    return [name, f"{one.distance:.3f}", f"{one.chance:.3f}", f"{one.excess:.3f}", *medians, importance]


def _findings(group: Sequence[Finding], report: Report) -> Table:
    """A table of one check, without the columns that say nothing."""
    check = group[0].check
    several = len(report.samples) > 1
    files = {one.name: len(one.source.parts) for one in report.samples}
    headings = ["sample" if several else "", "where", "value", "number", "share", "first row", ""]
    rows = [
        [
            one.sample if several else "",
            one.where,
            one.value,
            "" if one.number is None else str(one.number),
            f"{one.number / one.total:.2%}" if one.number is not None and one.total else "",
            _first(one, files.get(one.sample, 2) > 1),
            one.detail,
        ]
        for one in group[:MOST_ROWS]
    ]
    kept = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    title = f"{check.severity}: {check.title}"
    if len(group) > MOST_ROWS:
        title += f" ({MOST_ROWS} of {len(group)})"
    left = frozenset(place for place, column in enumerate(kept) if column in {0, 1, 5, 6})
    cells = [[row[column] for column in kept] for row in (headings, *rows)]
    return Table(title, cells[0], cells[1:], left)


def _first(one: Finding, with_file: bool) -> str:
    name = Path(one.file).name if one.file and (with_file or one.row is None) else ""
    if one.row is None:
        return name
    return f"{one.row} of {name}" if name else str(one.row)


def _verdict(report: Report) -> str:
    errors = sum(one.check.severity == "error" for one in report.findings)
    warnings = len(report.findings) - errors
    counted = [f"{number} {word}{'s' * (number != 1)}" for number, word in ((errors, "error"), (warnings, "warning"))]
    lines = ["checks: " + (", ".join(counted) if report.findings else "nothing found")]
    for one in report.samples:
        if one.drawn.jets < one.source.rows:
            lines.append(f"  {one.name}: distributions of {one.drawn.jets} of {one.source.rows} jets (--jets)")
        if one.classes is None:
            lines.append(f"  {one.name}: nothing says the classes of its jets, so they were not checked")
        if not one.event:
            lines.append(f"  {one.name}: nothing identifies its events (--event), so shared ones cannot be found")
        if not one.identities.content:
            lines.append(f"  {one.name}: too few real numbers in common to recognise jets by their content")
    return "\n".join(lines)
