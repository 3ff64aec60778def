"""Compare our training speed with that of Salt on the same machine, the same files and the same architecture.

    benchmarks/salt_environment.sh DIR
    python benchmarks/against_salt.py --salt-python DIR/bin/python --input train.h5 --out results/against_salt

Each framework trains in a process of its own, built from its own parts (its loader, its training step, its optimiser
and schedule); Lightning's loop and loggers are left out for both. The driver first searches the fastest options of each
framework (attention backend, compile, precision of matrix products in every combination, each briefly; the best two for
longer; then loading processes), then lets both train in turn. ``--quick`` is a smoke test.

Everything of docs/speed.md, in two parts of half an hour each on a machine that is otherwise idle, with the
``--salt-python`` and ``--input`` of above:

    --only training --precisions fastest --out docs/benchmarks/training
    --only multiplicity loader --architectures gn2-small --precisions fastest --multiplicities 16 32 64 \\
        --out docs/benchmarks/multiplicity
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmark_report import Result, write_report
from cases import MULTIPLICITIES, SECTIONS, Case, Files, make_cases
from hardware import describe_machine
from measurement import Plan, Trial, alternate, search
from worker_config import WorkerConfig
from worker_process import Framework, with_options

SALT_ATTENTIONS = ("torch-math", "torch-flash", "torch-meff")  # flash-varlen needs CUDA; on a CPU it becomes torch-math


def main(arguments: list[str] | None = None) -> None:
    """Run the comparison that the command line asks for."""
    args = _parser().parse_args(arguments)
    if args.quick:
        args.jets, args.seconds, args.rounds = min(args.jets, 2000), 0.5, 2
        args.batch_sizes, args.architectures, args.workers = [100], args.architectures[:1], [0]
        args.compile, args.precisions, args.multiplicities = ["no"], args.precisions[:1], [8]
        args.attentions, args.brief_seconds = args.attentions[:1], 0.2
    args.precisions = ["" if precision == "fastest" else precision for precision in args.precisions]
    salt = Framework("salt", args.salt_python, "salt_worker.py", tuple(args.attentions))
    our_attentions = salt.attentions if args.our_worker == salt.script else ("",)
    ours = Framework("ours", args.our_python, args.our_worker, our_attentions, tuple(args.our_precisions))
    compiled = tuple(c == "yes" for c in args.compile)
    plan = Plan(
        args.seconds, args.rounds, args.threads, compiled, tuple(args.workers), args.brief_seconds, args.together
    )
    with ExitStack() as stack:
        scratch = args.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = Files(args.input, scratch, args.jets)
        cases = make_cases(files, args.only, args.architectures, args.precisions, args.batch_sizes, args.multiplicities)
        searches: dict[str, list[Trial]] = {}
        results: list[Result] = []
        for case in cases:
            result = compare(salt, ours, case, plan, searches)
            results.append(result)
            settings = {"rounds": plan.rounds, "threads": plan.threads, "seconds of a long run": plan.seconds}
            write_report(args.out, describe_machine(), settings, results, searches)  # after every case: may be cut off
            _say(f"{_name(case)}: {sorted(result.ratios)[len(result.ratios) // 2]:.2f} times as fast")


def compare(salt: Framework, ours: Framework, case: Case, plan: Plan, searches: dict[str, list[Trial]]) -> Result:
    """Find the fastest options of both sides (once for similar cases), then alternate."""
    chosen = []
    for framework in (salt, ours):
        key = f"{framework.name}: " + " ".join(str(part) for part in case.search_key if part)
        key = key.replace(case.config.train_file, case.data)
        if key not in searches:
            searches[key] = search(framework, case.config, _search_plan(case, plan))
            _say(f"fastest for {key}: {_fastest(searches[key])}")
        best = searches[key][0].config
        chosen.append(
            (framework, with_options(case.config, best.attention, best.compile, best.workers, best.precision))
        )
    salt_series, our_series = alternate(chosen, plan)
    return Result(case, salt_series, our_series)


def _search_plan(case: Case, plan: Plan) -> Plan:
    """Only the options that the case's mode depends on."""
    compiled = plan.compile if case.config.mode != "loader" else (False,)
    workers = plan.workers if case.config.mode != "step" else (0,)
    return replace(plan, rounds=1, compile=compiled, workers=workers)


def _fastest(trials: list[Trial]) -> str:
    config: WorkerConfig = trials[0].config
    options = (
        config.attention or "default",
        f"precision={config.precision}",
        f"compile={config.compile}",
        f"workers={config.workers}",
    )
    return f"{', '.join(options)}: {trials[0].jets_per_second:.0f} jets/s"


def _name(case: Case) -> str:
    config = case.config
    words = [case.section, config.architecture, config.precision or "fastest", case.data, f"batch {config.batch_size}"]
    return ", ".join([*words, "with vertexing" if config.vertexing else "without vertexing"])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--salt-python", required=True, help="interpreter of the environment made by salt_environment.sh")
    add("--our-python", default=sys.executable, help="interpreter that has salt_like (default: this one)")
    add("--our-worker", default="our_worker.py", help="worker script; salt_worker.py compares Salt with Salt")
    add("--input", type=Path, required=True, help="HDF5 file of real simulated jets in the ATLAS layout")
    add("--out", type=Path, required=True, help="results go to OUT.json and OUT.md")
    add("--scratch", type=Path, help="folder for the files made from --input, kept (default: a temporary one)")
    add("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="tables to measure")
    add("--architectures", nargs="+", choices=("gn2-small", "gn2"), default=["gn2-small", "gn2"])
    add(
        "--precisions",
        nargs="+",
        default=["fastest", "highest"],
        choices=["fastest", "medium", "highest"],
        help="precision of matrix products, the same for both, or the fastest of each one's own choice",
    )
    add(
        "--our-precisions",
        nargs="+",
        default=["highest"],
        choices=["medium", "highest"],
        help="what `fastest` searches on our side: that of `train fit` by default; Salt, whose own is medium, has both",
    )
    add("--batch-sizes", nargs="+", type=int, default=[256, 1000], help="the first is that of all other tables")
    add("--multiplicities", nargs="+", type=int, default=list(MULTIPLICITIES), help="mean tracks a jet")
    add("--attentions", nargs="+", default=list(SALT_ATTENTIONS), help="Salt's attention backends to search")
    add("--compile", nargs="+", choices=("no", "yes"), default=["no", "yes"], help="values to search")
    add("--workers", nargs="+", type=int, default=[0, 1], help="numbers of loading processes to search")
    add("--jets", type=int, default=40_000, help="jets in each file")
    add("--seconds", type=float, default=6.0, help="length of a long run")
    add("--brief-seconds", type=float, default=1.5, help="length of a run in the first pass of a search")
    add("--together", type=int, default=1, help="trials of that first pass at the same time, not more than cores")
    add("--rounds", type=int, default=5, help="alternations")
    add("--threads", type=int, default=1, help="processor threads of each worker")
    add("--quick", action="store_true", help="small sizes: a smoke test, not a measurement")
    return parser


if __name__ == "__main__":
    main()
