"""The results of benchmarks/physics.py as JSON for machines, Markdown for people, and one figure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from physics_judge import CURVE, Judged
from physics_numbers import EFFICIENCIES, Change, Measured, Quantity, changes, verdict
from physics_runs import Contender, Fit

COLOURS = ("#444444", "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e")


def write_report(
    out: Path,
    head: Mapping[str, Any],
    chosen: Sequence[Contender],
    fits: Mapping[tuple[str, int], Fit],
    judged: Sequence[Judged],
) -> None:
    """Write ``out.json``, ``out.md`` and ``out.png``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    document = {
        **head,
        "trainings": [_training(one, fits) for one in chosen],
        "samples": [_sample(one, chosen) for one in judged],
    }
    out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    out.with_suffix(".md").write_text("\n".join(_markdown(chosen, fits, judged)) + "\n")
    figure(out.with_suffix(".png"), chosen, judged)


def _training(one: Contender, fits: Mapping[tuple[str, int], Fit]) -> dict[str, Any]:
    own = {seed: fit for (name, seed), fit in fits.items() if name == one.name}
    return {
        "name": one.name,
        "title": one.title,
        "compared_with": one.baseline,
        "options": list(one.options),
        "seeds": list(own),
        "epochs": [fit.epochs for fit in own.values()],
        "best_epochs": [fit.best_epoch + 1 for fit in own.values()],
        "cpu_seconds": [round(fit.cpu_seconds) for fit in own.values()],
        "wall_seconds": [round(fit.wall_seconds) for fit in own.values()],
    }


def _sample(one: Judged, chosen: Sequence[Contender]) -> dict[str, Any]:
    compared = {}
    for contender in chosen:
        if contender.baseline in one.measured:
            some = changes(one.measured[contender.name], one.measured[contender.baseline], one.kinds)
            compared[f"{contender.name} against {contender.baseline}"] = [
                {**_change(kind, change)} for kind, change in zip(one.kinds, some, strict=True)
            ]
    numbers = {name: _numbers(measured, one.kinds) for name, measured in one.measured.items()}
    return {
        "sample": one.sample,
        "range": str(one.range),
        "jets": one.jets,
        "events": one.events,
        "numbers": numbers,
        "comparisons": compared,
    }


def _numbers(measured: Measured, kinds: Sequence[Quantity]) -> list[dict[str, Any]]:
    found = []
    for place, kind in enumerate(kinds):
        seeds, mean = measured.values[:, place], float(measured.mean[place])
        factor = math.exp(mean) if kind.is_ratio else 1.0
        found.append(
            {
                "name": kind.name,
                "value": _short(factor if kind.is_ratio else mean),
                "event_error": _short(factor * float(measured.event_error[place])),
                "seed_spread": _short(factor * float(measured.spread[place])),
                "seeds": [_short(value) for value in (np.exp(seeds) if kind.is_ratio else seeds)],
            }
        )
    return found


def _change(kind: Quantity, change: Change) -> dict[str, Any]:
    return {
        "name": kind.name,
        "what": "ratio" if kind.is_ratio else "difference",
        "value": _short(change.value),
        "low95": _short(change.low),
        "high95": _short(change.high),
        "event_error": _short(change.event_error),
        "seed_error": _short(change.seed_error),
        "verdict": verdict(kind, change),
    }


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _markdown(chosen: Sequence[Contender], fits: Mapping[tuple[str, int], Fit], judged: Sequence[Judged]) -> list[str]:
    lines = ["| | seeds | epochs | best epoch | CPU minutes a seed |", "|---|--:|--:|--:|--:|"]
    for one in chosen:
        own = [fit for (name, _), fit in fits.items() if name == one.name]
        minutes = [fit.cpu_seconds / 60 for fit in own]
        best = ", ".join(str(fit.best_epoch + 1) for fit in own)
        epochs = ", ".join(sorted({str(fit.epochs) for fit in own}))
        lines.append(f"| {one.title} | {len(own)} | {epochs} | {best} | {min(minutes):.1f} to {max(minutes):.1f} |")
    for sample in judged:
        lines += ["", f"{sample.sample}, {sample.range}: {sum(sample.jets.values()):,} jets, {sample.jets}", ""]
        lines += _values(chosen, sample)
        for one in chosen:
            if one.baseline in sample.measured:
                lines += ["", f"{one.title} against {one.baseline}, {sample.sample}", "", *_ratios(one, sample)]
    return lines


def _values(chosen: Sequence[Contender], sample: Judged) -> list[str]:
    lines = ["| | " + " | ".join(one.title for one in chosen) + " |", "|---|" + "--:|" * len(chosen)]
    for place, kind in enumerate(sample.kinds):
        cells = [_cell(sample.measured[one.name], place, kind) for one in chosen]
        lines.append(f"| {kind.name} | " + " | ".join(cells) + " |")
    return lines


def _cell(measured: Measured, place: int, kind: Quantity) -> str:
    mean, error = float(measured.mean[place]), float(measured.event_error[place])
    spread = float(measured.spread[place])
    if kind.is_ratio:
        mean = math.exp(mean)
        error, spread = mean * error, mean * spread
        digits = 1 if mean < 100 else 0
    else:
        digits = 4
    seeds = f" ({spread:.{digits}f})" if math.isfinite(spread) else ""
    return f"{mean:.{digits}f} ± {error:.{digits}f}{seeds}"


def _ratios(one: Contender, sample: Judged) -> list[str]:
    found = changes(sample.measured[one.name], sample.measured[one.baseline], sample.kinds)
    lines = ["| | ratio or difference | 95 % interval | verdict |", "|---|--:|---|---|"]
    for kind, change in zip(sample.kinds, found, strict=True):
        form = "{:.3f}" if kind.is_ratio else "{:+.4f}"
        ends = f"{form.format(change.low)} to {form.format(change.high)}"
        lines.append(f"| {kind.name} | {form.format(change.value)} | {ends} | {verdict(kind, change)} |")
    return lines


def figure(path: Path, chosen: Sequence[Contender], judged: Sequence[Judged]) -> None:
    """Rejections against b efficiency, and below their ratio to the first contender's, one column per background.

    Lines are means over seeds, bands from the smallest to the largest seed, bars the 95 % intervals of the ratio with
    the events in them.
    """
    columns = [(sample, place, name) for sample in judged for place, name in enumerate(("light", "c"))]
    drawn, axes = plt.subplots(
        2,
        len(columns),
        figsize=(3.1 * len(columns), 5.2),
        sharex=True,
        squeeze=False,
        gridspec_kw={"height_ratios": (2, 1)},
        layout="constrained",
    )
    for column, (sample, place, name) in enumerate(columns):
        upper, lower = axes[:, column]
        base = sample.curves[chosen[0].name][:, :, place].mean(0)
        for colour, one in zip(COLOURS, chosen, strict=False):
            curves = sample.curves[one.name][:, :, place]
            upper.plot(CURVE, np.exp(curves.mean(0)), color=colour, label=one.title)
            lower.plot(CURVE, np.exp(curves.mean(0) - base), color=colour)
            if len(curves) > 1:
                ends = curves.min(0), curves.max(0)
                upper.fill_between(CURVE, *(np.exp(end) for end in ends), color=colour, alpha=0.2, linewidth=0)
                lower.fill_between(CURVE, *(np.exp(end - base) for end in ends), color=colour, alpha=0.2, linewidth=0)
            if one.baseline == chosen[0].name:
                _bars(lower, one, sample, name, colour)
        upper.set_yscale("log")
        upper.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        upper.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        upper.yaxis.set_minor_formatter(NullFormatter())
        upper.set_title(f"{sample.sample}, {_range(sample)}", fontsize=9)
        upper.set_ylabel(f"{name} rejection")
        lower.set_xlabel("b efficiency")
        lower.set_ylabel(f"ratio to {chosen[0].title}", fontsize=8)
        lower.grid(alpha=0.3)
        upper.grid(alpha=0.3, which="both")
    axes[0, 0].legend(fontsize=7)
    drawn.savefig(path, dpi=110)
    plt.close(drawn)


def _bars(axes: Axes, one: Contender, sample: Judged, background: str, colour: str) -> None:
    found = changes(sample.measured[one.name], sample.measured[one.baseline], sample.kinds)
    for efficiency in EFFICIENCIES:
        place = [kind.name for kind in sample.kinds].index(f"{background} rejection at {100 * efficiency:.0f} %")
        value, low, high = found[place].value, found[place].low, found[place].high
        if math.isfinite(high - low):
            axes.errorbar(
                efficiency, value, [[value - low], [high - value]], fmt="o", color=colour, markersize=3, capsize=2
            )


def _range(sample: Judged) -> str:
    low, high = sample.range.low / 1000, sample.range.high / 1000
    return f"{low:.0f} to {high:.0f} GeV" if math.isfinite(high) else f"above {low:.0f} GeV"
