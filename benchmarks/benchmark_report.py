"""The comparison as JSON for machines and as Markdown for people."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cases import Case
from measurement import Series, Trial
from worker_config import WorkerConfig

TITLES = {
    "training": "Training: loader, forward, backward, update",
    "step": "Forward and backward alone, on batches loaded before",
    "multiplicity": "Training at other numbers of tracks a jet",
    "loader": "Loader alone",
}


@dataclass(frozen=True)
class Result:
    """A measured case: Salt's side and ours, each at its fastest options."""

    case: Case
    salt: Series
    ours: Series

    @property
    def ratios(self) -> list[float]:
        """How many times as fast as Salt we are, for each alternation."""
        return [s.wall / o.wall for s, o in zip(self.salt.costs, self.ours.costs, strict=True)]

    @property
    def cpu_ratios(self) -> list[float]:
        """The same in processor time: the better witness on a machine that is shared."""
        return [s.cpu / o.cpu for s, o in zip(self.salt.costs, self.ours.costs, strict=True)]


def write_report(
    out: Path,
    machine: dict[str, Any],
    settings: dict[str, Any],
    results: Sequence[Result],
    searches: dict[str, list[Trial]],
) -> None:
    """Write ``out.json`` and ``out.md``."""
    document = {
        "machine": machine,
        "settings": settings,
        "results": [_as_plain(result) for result in results],
        "searches": {name: [_plain_trial(t) for t in trials] for name, trials in searches.items()},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    out.with_suffix(".md").write_text("\n".join(_markdown(machine, settings, results, searches)) + "\n")


def _markdown(
    machine: dict[str, Any],
    settings: dict[str, Any],
    results: Sequence[Result],
    searches: dict[str, list[Trial]],
) -> list[str]:
    lines = ["# Speed against Salt", ""]
    lines += [f"- {key}: {value}" for key, value in (machine | settings).items() if value != ""]
    lines += [
        "",
        "Speed is the median over the alternations of jets a second, from the marginal cost of a jet (long run minus "
        "short run). The ratio is taken in each alternation; its median is given with the smallest and the largest, "
        "and the same ratio in processor time, which a busy machine disturbs less. Memory is the peak of the training "
        "process above what the imports take. Each side runs at the fastest of its own options, found by the searches "
        "at the end.",
    ]
    for section, title in TITLES.items():
        rows = [r for r in results if r.case.section == section]
        if not rows:
            continue
        lines += ["", f"## {title}", "", *_head(rows[0])]
        lines += [_row(r) for r in rows]
    lines += ["", "## Options tried: all in a first pass, the best for longer", ""]
    lines += ["| case | options | jets/s | jets/CPU s | MB | warm-up s |", "|---|---|--:|--:|--:|--:|"]
    for name, trials in searches.items():
        lines += [
            f"| {name} | {_options(t.config)}{' (first pass)' * t.brief} | {t.jets_per_second:.0f} "
            f"| {t.jets_per_cpu_second:.0f} | {t.peak_mb:.0f} | {t.warm_up_seconds:.0f} |"
            for t in trials
        ]
    return lines


def _head(result: Result) -> list[str]:
    salt, ours = (str(s.ready["framework"]) for s in (result.salt, result.ours))
    names = ["model", "data", "vertexing", "batch", f"{salt} jets/s", f"{ours} jets/s", "ratio"]
    names += ["smallest to largest", "ratio of CPU time", "Salt MB", "our MB", "Salt's options", "our options"]
    return ["| " + " | ".join(names) + " |", "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|"]


def _row(result: Result) -> str:
    config, ratios = result.case.config, result.ratios
    cells = [
        config.architecture if config.mode != "loader" else "-",
        result.case.data,
        "yes" if config.vertexing else "no",
        str(config.batch_size),
        f"{result.salt.jets_per_second:.0f}",
        f"{result.ours.jets_per_second:.0f}",
        f"**{statistics.median(ratios):.2f}**",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        f"{statistics.median(result.cpu_ratios):.2f}",
        f"{result.salt.peak_mb:.0f}",
        f"{result.ours.peak_mb:.0f}",
        _options(result.salt.config),
        _options(result.ours.config),
    ]
    return "| " + " | ".join(cells) + " |"


def _options(config: WorkerConfig) -> str:
    parts = [config.attention, config.precision, "compiled" if config.compile else "eager", f"{config.workers} workers"]
    return ", ".join(parts[3:] if config.mode == "loader" else [part for part in parts if part])


def _as_plain(result: Result) -> dict[str, Any]:
    ratios = result.ratios
    return {
        "section": result.case.section,
        "data": result.case.data,
        "case": _plain_config(result.case.config),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "cpu_ratios": result.cpu_ratios,
        "salt": _plain_series(result.salt),
        "ours": _plain_series(result.ours),
    }


def _plain_series(series: Series) -> dict[str, Any]:
    return {
        "options": _options(series.config),
        "jets_per_second": series.jets_per_second,
        "jets_per_cpu_second": series.jets_per_cpu_second,
        "seconds_per_jet": [cost.wall for cost in series.costs],
        "cpu_seconds_per_jet": [cost.cpu for cost in series.costs],
        "peak_mb": series.peak_mb,
        "worker": series.ready,
    }


def _plain_trial(trial: Trial) -> dict[str, Any]:
    return asdict(trial) | {"config": _plain_config(trial.config)}


def _plain_config(config: WorkerConfig) -> dict[str, Any]:
    """The configuration without folders: they belong to the machine."""
    plain = asdict(config)
    return plain | {"train_file": Path(config.train_file).name, "statistics": Path(config.statistics).name}
