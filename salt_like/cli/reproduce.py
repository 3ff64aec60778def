"""`train reproduce`: a run again, from its own record, and whether the numbers are the same."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salt_like.cli import arguments as command_line
from salt_like.cli import run_differences
from salt_like.cli.table import Table, number, show
from salt_like.errors import UserError

if TYPE_CHECKING:
    from salt_like.training.run import Run

SAME, DIFFERENT = 0, 1
LOOSE = 0.01  # relative difference that is accepted where packages, code or machine differ
_NOT_COMPARED = ("seconds",)
_LINES = 20


def parser() -> command_line.Parser:
    """The options of `train reproduce`."""
    made = command_line.Parser(
        "reproduce",
        "Compares code, packages and data with those of a run, trains it again and compares the metrics.",
        epilog="The exit code is 1 when the data or the metrics differ.",
    )
    made.add_argument("of", metavar="RUN", help="the run")
    made.add_argument("--run", metavar="DIR", help="folder of the new run; by default RUN-reproduced")
    made.add_argument(
        "--tolerance",
        type=float,
        metavar="T",
        help=f"largest relative difference of a metric; by default 0 on a CPU where nothing differs, else {LOOSE}",
    )
    made.add_argument("--check", action="store_true", help="compare code, packages and data, and train nothing")
    made.add_argument("--anyway", action="store_true", help="train although the data differ")
    return made


def main(arguments: list[str]) -> int:
    """Runs it again.

    Args:
        arguments: What follows `train reproduce`.

    Returns:
        The exit code: 1 when data or metrics differ.

    Raises:
        UserError: It is no run, or one that is not finished or was made without a record.
    """
    options = parser().strict(arguments)
    if options.tolerance is not None and not 0 <= options.tolerance < math.inf:
        raise UserError(f"--tolerance {options.tolerance}: a relative difference, 0 or more")
    from salt_like.training import record
    from salt_like.training.run import Run, open_run

    run = open_run(Path(options.of).absolute())
    before = _finished(run)
    tables, data_differ = _compared(before, run)
    if tables:
        show(tables)
    else:
        print("code, packages, machine and data are those of the run")
    if options.check or (data_differ and not options.anyway):
        if data_differ and not options.check:
            print("the data are not those of the run, nothing is trained; --anyway trains all the same")
        return DIFFERENT if data_differ else SAME
    again = Run(_place(run.folder, options.run))
    _train(run, again, before)
    after = record.read(again.record)
    exact = not tables and before.get("device") == after.get("device") == "cpu"
    tolerance = options.tolerance if options.tolerance is not None else 0.0 if exact else LOOSE
    return _report(run, again, tolerance)


def _finished(run: Run) -> dict[str, Any]:
    from salt_like.training import record

    before = record.read(run.record)
    if not before or not run.config.is_file():
        raise UserError(f"{run.folder} cannot be made again: it has no {'run.json' if not before else 'config.yaml'}")
    if before.get("state") != "finished":
        raise UserError(
            f"the run is not finished (state: {before.get('state')}), so there is nothing to compare with\n"
            f"finish it first: train fit --resume {run.folder}"
        )
    return before


def _compared(before: dict[str, Any], run: Run) -> tuple[list[Table | str], bool]:
    """Tables of what differs between the run's record and what is here now, and whether the data do."""
    from salt_like.callbacks.record import surroundings
    from salt_like.cli import fit_record, yaml_file
    from salt_like.data.splits import Splits
    from salt_like.provenance.code import code

    config = yaml_file.read(run.config)
    section = config["data"]
    given = {which: section.get(which) for which in ("train", "val", "test")}
    found = code(["salt_like", *fit_record.modules(config)])
    now = surroundings() | {
        "threads": before.get("threads"),  # set to what they were
        "code": [one.to_dict() for one in found],
        "data": Splits(given, section.get("split")).described(),  # type: ignore[arg-type]
    }
    data = run_differences.data(before, now)
    parts = {
        "code": run_differences.code(before, now),
        "packages": run_differences.packages(before, now),
        "machine": run_differences.machine(before, now),
        "data": data,
        "configuration, changed when the run was continued": _changed(before),
        "weights to begin with": _origin(before, config),
    }
    tables: list[Table | str] = [
        Table(f"different: {what}", ["what", "then", "now"], rows, frozenset({0, 1, 2}))
        for what, rows in parts.items()
        if rows
    ]
    return tables, bool(data)


def _changed(before: dict[str, Any]) -> list[list[str]]:
    records = [*before.get("earlier", ()), before]
    return [
        [key, str(old), str(new)]
        for one in records
        for key, (old, new) in (one.get("changed_configuration") or {}).items()
    ]


def _origin(before: dict[str, Any], config: dict[str, Any]) -> list[list[str]]:
    from salt_like.training.origin import open_origin

    wanted = config.get("init_from")
    if not wanted:
        return []
    then = str((before.get("init_from") or {}).get("fingerprint", "?"))
    now = open_origin(Path(wanted["path"])).fingerprint
    return [] if then == now else [[wanted["path"], then, now]]


def _place(folder: Path, wanted: str | None) -> Path:
    if wanted is not None:
        return Path(wanted).expanduser().absolute()
    names = [f"{folder.name}-reproduced", *(f"{folder.name}-reproduced-{count}" for count in range(2, 1000))]
    return next(folder.parent / name for name in names if not (folder.parent / name).exists())


def _train(run: Run, again: Run, before: dict[str, Any]) -> None:
    import torch

    from salt_like.cli import fit

    threads = torch.get_num_threads()
    torch.set_num_threads(int(before.get("threads") or threads))
    try:
        fit.main(["--config", str(run.config), "--run", str(again.folder)])
    finally:
        torch.set_num_threads(threads)


def _report(run: Run, again: Run, tolerance: float) -> int:
    """Says how far metrics and weights are from each other; whether they are near enough."""
    then, now = _metrics(run.metrics), _metrics(again.metrics)
    rows, worst = [], 0.0
    for key in [*then, *(key for key in now if key not in then)]:
        one, other = then.get(key, math.nan), now.get(key, math.nan)
        difference = distance(one, other)
        worst = max(worst, difference)
        if difference > 0:
            rows.append((difference, [f"{key[1]} (epoch {key[0]})", number(one), number(other), f"{difference:.2g}"]))
    if rows:
        rows.sort(key=lambda row: -row[0])
        title = f"metrics that differ: {len(rows)} of {len(then)}" + (f", the first {_LINES}" * (len(rows) > _LINES))
        shown = [row for _, row in rows[:_LINES]]
        show([Table(title, ["metric", "then", "now", "relative difference"], shown)])
    weights = _weights(run.checkpoint("last"), again.checkpoint("last"))
    same = worst <= tolerance
    said = "all metrics are equal" if not rows else f"largest relative difference of a metric: {worst:.3g}"
    verdict = "reproduced" if same else "not reproduced"
    print(f"{said} (tolerance {tolerance:g}); weights: {weights}\n{verdict}: {again.folder}")
    return SAME if same else DIFFERENT


def distance(one: float, other: float) -> float:
    """Relative difference of two numbers; 0 for two NaN, infinite where only one of them is a number."""
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    largest = max(abs(one), abs(other))
    return math.inf if not math.isfinite(one - other) else abs(one - other) / largest


def _metrics(path: Path) -> dict[tuple[int, str], float]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise UserError(f"no metrics to compare: {error.strerror}: {path}") from error
    return {
        (int(row["epoch"]), key): float(value)
        for row in rows
        for key, value in row.items()
        if value and key not in (*_NOT_COMPARED, "epoch")
    }


def _weights(one: Path, other: Path) -> str:
    from salt_like.training import checkpoint

    then, now = (checkpoint.read(path).state_dict for path in (one, other))
    if then.keys() != now.keys():
        return "others"
    if all(same_bits(then[name], now[name]) for name in then):
        return "bitwise equal"
    largest = max(
        (
            float((then[name].double() - now[name].double()).abs().nan_to_num().max())
            for name in then
            if then[name].numel()
        ),
        default=math.nan,
    )
    return f"largest difference {largest:.3g}"


def same_bits(one: Any, other: Any) -> bool:
    """Whether two tensors have the same bytes, NaN and signs of zeros included."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    mine, theirs = (value.detach().cpu().contiguous().numpy().tobytes() for value in (one, other))
    return bool(mine == theirs)
