"""What a run was and how far it got, from its folder alone."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from salt_like.cli import yaml_file
from salt_like.cli.table import Table, number
from salt_like.errors import UserError
from salt_like.training.run import Run, open_run, state

TIMES = frozenset({"epoch", "step", "seconds", "lr"})


def report(folder: Path) -> list[Table | str]:
    """Tables of a run.

    Args:
        folder: The run's folder; nothing in it but ``config.yaml`` or a checkpoint needs to be there.

    Raises:
        UserError: It is not a run's, or a file in it is damaged.
    """
    run = open_run(folder)
    config = yaml_file.read(run.config) if run.config.is_file() else {}
    record = _record(run)
    rows = history(run)
    parts: list[Table | str] = [_facts(run, config, record, rows)]
    if rows:
        parts.append(_metrics(rows, main_task(config)))
    calibration = [run.calibration] if run.calibration.is_file() else []
    kept = [*sorted(run.checkpoints.glob("*.ckpt")), *calibration, *sorted(run.predictions.glob("*.h5"))]
    if kept:
        files = [[str(path.relative_to(folder)), f"{path.stat().st_size / 1e6:.2f} MB", _time(path)] for path in kept]
        parts.append(Table("files", ["file", "size", "written"], files))
    return parts


def _record(run: Run) -> dict[str, Any]:
    if not run.record.is_file():
        return {}
    try:
        content = json.loads(run.record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{run.record} is damaged: {error}") from None
    return content if isinstance(content, dict) else {}


def history(run: Run) -> list[dict[str, float]]:
    """The rows of the metrics' table, numbers only."""
    if not run.metrics.is_file():
        return []
    with run.metrics.open(newline="", encoding="utf-8") as stream:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(stream)]


def main_task(config: dict[str, Any]) -> str:
    """The first task, which chooses the best checkpoint; empty where it is not known."""
    return next(iter((config.get("model") or {}).get("tasks") or {}), "")


def _facts(run: Run, config: dict[str, Any], record: dict[str, Any], history: list[dict[str, float]]) -> Table:
    wanted = (config.get("trainer") or {}).get("max_epochs")
    done = int(history[-1]["epoch"]) + 1 if history else 0
    tasks = (config.get("model") or {}).get("tasks") or {}
    facts: dict[str, Any] = {
        "name": config.get("name", record.get("name")),
        "state": state(run) if record else "unknown (no run.json)",
        "reason": record.get("reason"),
        "epochs": f"{done} of {wanted}" if wanted else done,
        "steps": int(history[-1]["step"]) if history else 0,
        "jets seen": record.get("jets_seen"),
        "started": record.get("started"),
        "stopped": record.get("stopped"),
        "command": record.get("command"),
        "seed": record.get("seed", config.get("seed")),
        "tasks": ", ".join(f"{name} ({str(task['class_path']).rpartition('.')[2]})" for name, task in tasks.items()),
        **{key: value for key, value in (record.get("files") or {}).items() if value},
        "members": ", ".join(str(one["run"]) for one in record.get("ensemble") or ()),
        "version": record.get("salt_like"),
    }
    rows = [[key, str(value)] for key, value in facts.items() if value not in (None, "")]
    return Table(f"run {run.folder}", ["what", "value"], rows, frozenset({0, 1}))


def _metrics(history: list[dict[str, float]], main_task: str) -> Table:
    """The last epoch beside the one with the smallest validation loss of the main task."""
    loss = f"val/{main_task}/loss"
    scored = [row for row in history if loss in row]
    best = min(scored, key=lambda row: row[loss]) if scored else history[-1]
    last = history[-1]
    names = [name for name in last if name not in TIMES]
    rows = [[name, number(best[name]) if name in best else "-", number(last[name])] for name in names]
    headings = ["metric", f"best (epoch {int(best['epoch'])})", f"last (epoch {int(last['epoch'])})"]
    return Table("metrics", headings, rows)


def _time(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime).isoformat(sep=" ", timespec="seconds")
