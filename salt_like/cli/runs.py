"""`train runs`: the runs in a folder as a table."""

from __future__ import annotations

import csv
import json
import math
import operator
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from salt_like.cli import arguments as command_line
from salt_like.cli import run_differences, yaml_file
from salt_like.cli.table import Table, number, show
from salt_like.errors import UserError, nearest
from salt_like.training import record
from salt_like.training.run import Run, state

COLUMNS = ("name", "state", "epoch", "metric", "size", "started")
_CONDITION = re.compile(r"([^=<>!]+)(<=|>=|!=|=|<|>)(.*)", re.DOTALL)
_COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Found:
    """One run.

    Args:
        run: Its folder.
        name: Its place below the folder that was looked through.
        state: ``finished``, ``running``, ``interrupted``, ``failed``, ``killed`` or ``unknown``.
        epoch: Number of epochs that are complete.
        of: Number of epochs that were wanted; 0 where it is not known.
        metric: Best value of the metric; NaN where there is none.
        size: Bytes of all its files; of files with several names once.
        started: When its last training began.
        configuration: Dotted keys and values.
    """

    run: Run
    name: str
    state: str
    epoch: int
    of: int
    metric: float
    size: int
    started: str
    configuration: dict[str, Any]


def parser() -> command_line.Parser:
    """The options of `train runs`."""
    made = command_line.Parser("runs", "Lists the runs in a folder.")
    made.add_argument("folder", nargs="?", default="runs", metavar="DIR", help="where to look (runs)")
    made.add_argument("--sort", metavar="COLUMN", default="started", help=f"{', '.join(COLUMNS)}, or a key")
    made.add_argument("--reverse", action="store_true", help="the largest first")
    made.add_argument(
        "--where",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="only runs with this in their configuration, such as model.dim=64 or 'data.batch_size>500'; repeatable",
    )
    made.add_argument("--show", metavar="KEY,…", default="", help="further columns: keys of the configuration")
    made.add_argument("--metric", metavar="NAME", help="a column of metrics.csv; by default val/<main task>/loss")
    made.add_argument("--largest", action="store_true", help="the best value of the metric is the largest")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def main(arguments: list[str]) -> int:
    """Lists them.

    Args:
        arguments: What follows `train runs`.

    Returns:
        The exit code.

    Raises:
        UserError: No such folder, or a column or key that no run has.
    """
    options = parser().strict(arguments)
    folder = Path(options.folder)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}\nruns are looked for in 'runs', or in the folder that is given")
    found = [_read(run, folder, options.metric, options.largest) for run in runs(folder)]
    if not found:
        print(f"no runs in {folder.absolute()}")
        return 0
    keys = [key.strip() for key in options.show.split(",") if key.strip()]
    known = sorted({key for one in found for key in one.configuration})
    for key in keys:
        _check_key(key, known)
    for condition in options.where:
        found = _filtered(found, condition, known)
    if options.sort not in COLUMNS:
        _check_key(options.sort, known, COLUMNS)
    found.sort(key=lambda one: _order(_value(one, options.sort)), reverse=options.reverse)
    if options.json:
        print(json.dumps([_plain(one, keys) for one in found], indent=1, default=str))
        return 0
    rows = [_row(one, keys) for one in found]
    metric = options.metric or "val loss of the main task"
    headings = ["name", "state", "epoch", metric, "size", "started", *keys]
    show([Table(f"runs in {folder}", headings, rows, frozenset({0, 1, 5}))])
    return 0


def runs(folder: Path) -> Iterator[Run]:
    """The runs in a folder, at any depth; what lies within a run is part of it."""
    for place, folders, files in os.walk(folder):
        if "run.json" in files or ("config.yaml" in files and "checkpoints" in folders):
            folders.clear()
            yield Run(Path(place))
        folders.sort()


def _read(run: Run, folder: Path, metric: str | None, largest: bool) -> Found:
    facts = record.read(run.record)
    try:
        config = yaml_file.read(run.config) if run.config.is_file() and run.config.stat().st_size else {}
    except UserError:
        config = {}
    tasks = list((config.get("model") or {}).get("tasks") or {})
    wanted = metric or (f"val/{tasks[0]}/loss" if tasks else "")
    return Found(
        run=run,
        name=str(run.folder.relative_to(folder)),
        state=state(run),
        epoch=int(facts.get("epochs_done", 0)),
        of=max(0, int((config.get("trainer") or {}).get("max_epochs") or 0)),
        metric=_best(run.metrics, wanted, largest),
        size=_size(run.folder),
        started=str(facts.get("started", ""))[:19].replace("T", " "),
        configuration=run_differences.flat(config) if config else {},
    )


def _best(path: Path, metric: str, largest: bool) -> float:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            values = [float(row[metric]) for row in csv.DictReader(stream) if row.get(metric)]
    except (OSError, ValueError):
        return math.nan
    values = [value for value in values if not math.isnan(value)]
    return (max if largest else min)(values, default=math.nan)


def _size(folder: Path) -> int:
    sizes = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            sizes[status.st_dev, status.st_ino] = status.st_size  # best and last may be one file
    return sum(sizes.values())


def _filtered(found: list[Found], condition: str, known: list[str]) -> list[Found]:
    parts = _CONDITION.fullmatch(condition)
    if parts is None:
        raise UserError(f"--where {condition}: give a key and a value, such as model.dim=64 or 'data.batch_size>500'")
    key, sign, text = parts[1].strip(), parts[2], parts[3].strip()
    _check_key(key, known, COLUMNS)
    wanted = yaml.safe_load(text)
    return [one for one in found if _holds(_value(one, key), sign, wanted)]


def _holds(value: Any, sign: str, wanted: Any) -> bool:
    numbers = [one for one in (value, wanted) if isinstance(one, (int, float)) and not isinstance(one, bool)]
    if len(numbers) < 2:
        if sign not in ("=", "!="):
            return False
        value, wanted = str(value), str(wanted)
        if sign == "=" and value.rpartition(".")[2] == wanted:  # a class by its short name
            return True
    return _COMPARES[sign](value, wanted)


def _check_key(key: str, known: list[str], columns: tuple[str, ...] = ()) -> None:
    if key not in known and key not in columns:
        raise UserError(f"no run has a key '{key}'{nearest(key, [*known, *columns])}\nkeys are such as model.dim")


def _value(one: Found, column: str) -> Any:
    return getattr(one, column) if column in COLUMNS else one.configuration.get(column)


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)) and not math.isnan(value):
        return 0, float(value), ""
    return (1, 0.0, str(value)) if value is not None else (2, 0.0, "")


def _row(one: Found, keys: list[str]) -> list[str]:
    epoch = f"{one.epoch} of {one.of}" if one.of else str(one.epoch)
    metric = "-" if math.isnan(one.metric) else number(one.metric)
    cells = [one.name, one.state, epoch, metric, f"{one.size / 1e6:.1f} MB", one.started]
    return [*cells, *(str(one.configuration.get(key, "-")) for key in keys)]


def _plain(one: Found, keys: list[str]) -> dict[str, Any]:
    metric = None if math.isnan(one.metric) else one.metric
    plain = {column: getattr(one, column) for column in COLUMNS} | {"metric": metric, "of": one.of}
    return plain | {"folder": str(one.run.folder)} | {key: one.configuration.get(key) for key in keys}
