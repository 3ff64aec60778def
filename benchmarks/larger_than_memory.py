"""How fast we read and train where the data is several times larger than the memory.

    python benchmarks/larger_than_memory.py --input train.h5 --out results/larger_than_memory

A file of many jets is made and packed once. The loader alone and whole training steps of ``gn2-small`` are then timed
in turn: without a limit, when the system has all of the packed copy in memory; and in a control group that may use a
third of its size or less, pages of files included, after the system has forgotten the copy. Needs Linux and the right
to make control groups (usually root).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hardware import describe_machine
from memory_group import MemoryGroup, drop_pages, memory_group, read_through
from repeated_file import write_repeated
from worker_config import WorkerConfig

HERE = Path(__file__).resolve().parent
TIMES = 3  # the packed copy must be this much larger than the limit


def main(arguments: list[str] | None = None) -> None:
    """Run the measurement that the command line asks for."""
    args = _parser().parse_args(arguments)
    limit = args.limit_mb * 1_000_000
    file = args.scratch / f"jets-{args.jets}.h5"
    if not file.exists():
        _say(f"writing {file}")
        args.scratch.mkdir(parents=True, exist_ok=True)
        write_repeated(args.input, file, args.jets)
    base = WorkerConfig("gn2-small", True, str(file), "", args.batch_size)
    packed = Path(_run(base, 0, args.scratch)["folder"])
    files = sorted(path for path in packed.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files)
    if size < TIMES * limit:
        sys.exit(f"the packed copy has {size / 1e6:.0f} MB, less than {TIMES} times the limit: give more --jets")
    with memory_group(limit):
        pass  # before hours are spent: can one be made?
    report: dict[str, Any] = {
        "machine": describe_machine(),
        "packed_mb": size / 1e6,
        "limit_mb": args.limit_mb,
        "batch_size": args.batch_size,
        "threads": 1,
        "disk_mb_per_second": _disk(files),
        "cases": [],
    }
    for mode, workers, seconds in _cases(args):
        config = replace(base, mode=mode, workers=workers)
        report["cases"].append(_compare(config, seconds, args, files, limit))
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        args.out.with_suffix(".md").write_text(table(report), encoding="utf-8")
    print(table(report))


def _cases(args: argparse.Namespace) -> Iterator[tuple[Any, int, float]]:
    for mode, seconds in (("loader", args.seconds / 4), ("train", args.seconds)):
        for workers in args.workers:
            yield mode, workers, seconds


def _compare(
    config: WorkerConfig, seconds: float, args: argparse.Namespace, files: list[Path], limit: int
) -> dict[str, Any]:
    """Time a case in memory and under the limit, in turn."""
    rounds = []
    for number in range(args.rounds):
        read_through(files)
        inside = _run(config, seconds, args.scratch)
        drop_pages(files)
        with memory_group(limit) as group:
            outside = _run(config, seconds, args.scratch, group)
            outside["group_peak_mb"] = group.peak_mb()
        rounds.append({"in_memory": inside, "limited": outside})
        share = outside["jets_per_second"] / inside["jets_per_second"]
        _say(
            f"{config.mode}, {config.workers} workers, round {number + 1}: {inside['jets_per_second']:.0f} jets/s in "
            f"memory, {outside['jets_per_second']:.0f} limited ({share:.0%}), read {outside['read_mb']:.0f} MB"
        )
    return {"mode": config.mode, "workers": config.workers, "rounds": rounds}


def table(report: dict[str, Any]) -> str:
    """The report as a table in Markdown."""
    disk = report["disk_mb_per_second"]
    lines = [
        f"Packed copy of {report['packed_mb']:.0f} MB, limit {report['limit_mb']} MB, batches of "
        f"{report['batch_size']} jets, disk {disk['cold']:.0f} MB/s ({disk['cached']:.0f} from memory).",
        "",
        "| what | worker processes | in memory, jets/s | limited, jets/s | share | smallest to largest | of CPU time |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for case in report["cases"]:
        pairs = [(one["in_memory"]["jets_per_second"], one["limited"]["jets_per_second"]) for one in case["rounds"]]
        shares = [limited / inside for inside, limited in pairs]
        inside, limited = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        lines.append(
            f"| {case['mode']} | {case['workers']} | {inside:,.0f} | {limited:,.0f} | "
            f"**{statistics.median(shares):.0%}** | {min(shares):.0%} to {max(shares):.0%} | "
            f"{statistics.median(_cpu_share(one) for one in case['rounds']):.0%} |"
        )
    return "\n".join([*lines, ""])


def _cpu_share(one: dict[str, Any]) -> float:
    """Jets per second of processor time under the limit over those in memory: what a busy machine leaves comparable."""
    limited, inside = (one[where]["jets"] / one[where]["cpu_seconds"] for where in ("limited", "in_memory"))
    return float(limited / inside)


def _disk(files: list[Path]) -> dict[str, float]:
    """Rate of reading the packed copy from beginning to end, from the disk and then from memory."""
    drop_pages(files)
    return {"cold": read_through(files) / 1e6, "cached": read_through(files) / 1e6}


def _run(config: WorkerConfig, seconds: float, scratch: Path, group: MemoryGroup | None = None) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "larger_than_memory_worker.py"), config.to_json(), str(seconds)]
    done = subprocess.run(
        group.command(command) if group else command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "SALT_LIKE_CACHE": str(scratch / "cache")},
        check=False,
    )
    if done.returncode:
        where = f" under the limit of {group.folder}" if group else ""
        sys.exit(f"the worker{where} ended with exit code {done.returncode} (137 or -9: out of memory)")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--input", type=Path, required=True, help="HDF5 file in the ATLAS layout, whose jets are repeated")
    add("--out", type=Path, required=True, help="results go to OUT.json and OUT.md")
    add("--scratch", type=Path, required=True, help="folder for the large file and its packed copy, kept")
    add("--jets", type=int, default=4_000_000, help="jets of the large file; a packed jet has about 640 bytes")
    add("--limit-mb", type=int, default=700, help="memory under the limit; the program itself needs about 500 MB")
    add("--batch-size", type=int, default=256, help="jets in a batch")
    add("--workers", type=int, nargs="+", default=[0, 1], help="worker processes of the loader")
    add("--seconds", type=float, default=40.0, help="of each training run; the loader reads one epoch at least")
    add("--rounds", type=int, default=3, help="alternations")
    return parser


if __name__ == "__main__":
    main()
