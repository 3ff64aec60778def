"""Two or more runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from salt_like.cli import inspect_run, run_differences, yaml_file
from salt_like.cli.table import Table, number
from salt_like.training import record
from salt_like.training.run import Run, open_run, state

_FACTS = ("name", "state", "epochs", "steps", "jets seen", "started", "stopped", "seed", "version")


def report(folders: Sequence[Path]) -> list[Table | str]:
    """Tables of what the runs are, of what differs in configuration, code, packages, machine and data, and metrics.

    Args:
        folders: Folders of the runs.

    Raises:
        UserError: One of them is no run, or a file in it is damaged.
    """
    opened = [open_run(folder) for folder in folders]
    names = [str(folder) for folder in folders]
    configs = [yaml_file.read(run.config) if run.config.is_file() else {} for run in opened]
    records = [record.read(run.record) for run in opened]
    histories = [inspect_run.history(run) for run in opened]
    parts: list[Table | str] = [_facts(names, opened, configs, records, histories)]
    kinds: dict[str, tuple[Callable[[Any, Any], list[list[str]]], Sequence[Any]]] = {
        "configuration": (run_differences.configuration, configs),
        "code": (run_differences.code, records),
        "packages": (run_differences.packages, records),
        "machine": (run_differences.machine, records),
        "data": (run_differences.data, records),
    }
    left = frozenset(range(len(names) + 1))
    for what, (compare, values) in kinds.items():
        rows = _side_by_side(compare, values)
        parts.append(
            Table(f"different: {what}", ["what", *names], rows, left) if rows else f"{what}: no difference is recorded"
        )
    return [*parts, *_metrics(names, configs, histories)]


def _facts(
    names: Sequence[str],
    runs: Sequence[Run],
    configs: Sequence[dict[str, Any]],
    records: Sequence[dict[str, Any]],
    histories: Sequence[list[dict[str, float]]],
) -> Table:
    columns: list[dict[str, Any]] = []
    for run, config, facts, rows in zip(runs, configs, records, histories, strict=True):
        columns.append(
            {
                "name": config.get("name", facts.get("name")),
                "state": state(run),
                "epochs": int(rows[-1]["epoch"]) + 1 if rows else 0,
                "steps": int(rows[-1]["step"]) if rows else 0,
                "jets seen": facts.get("jets_seen"),
                "started": facts.get("started"),
                "stopped": facts.get("stopped"),
                "seed": config.get("seed", facts.get("seed")),
                "version": facts.get("salt_like"),
            }
        )
    cells = [[key, *("-" if one[key] is None else str(one[key]) for one in columns)] for key in _FACTS]
    return Table("runs", ["what", *names], cells, frozenset(range(len(names) + 1)))


def _side_by_side(compare: Callable[[Any, Any], list[list[str]]], values: Sequence[Any]) -> list[list[str]]:
    """One row for everything in which two of them differ, with the value of each."""
    cells: dict[str, dict[int, str]] = {}
    for one, other in combinations(range(len(values)), 2):
        for what, mine, theirs in compare(values[one], values[other]):
            cells.setdefault(what, {}).update({one: mine, other: theirs})
    # what is not in a row agrees with another one that is
    return [[what, *(row.get(number, "=") for number in range(len(values)))] for what, row in cells.items()]


def _metrics(
    names: Sequence[str], configs: Sequence[dict[str, Any]], histories: Sequence[list[dict[str, float]]]
) -> list[Table]:
    """The epoch with the smallest validation loss of the main task, of each run."""
    chosen: list[dict[str, float]] = []
    for config, rows in zip(configs, histories, strict=True):
        loss = f"val/{inspect_run.main_task(config)}/loss"
        scored = [row for row in rows if loss in row]
        chosen.append(min(scored, key=lambda row: row[loss]) if scored else rows[-1] if rows else {})
    keys = list(dict.fromkeys(key for row in chosen for key in row if key not in inspect_run.TIMES))
    if not keys:
        return []
    cells = [[key, *(number(one[key]) if key in one else "-" for one in chosen)] for key in keys]
    headings = [f"{name} (epoch {int(row['epoch'])})" if row else name for name, row in zip(names, chosen, strict=True)]
    return [Table("metrics of the best epoch", ["metric", *headings], cells)]
