"""Compare the physics of our gn2-small with that of Salt's gn2-small and of weaver's ParticleNet.

    benchmarks/simulate_samples.sh SAMPLES
    benchmarks/salt_environment.sh SALT
    benchmarks/weaver_environment.sh WEAVER
    python benchmarks/physics.py --samples SAMPLES --salt-python SALT/bin/python --weaver-python WEAVER/bin/python \\
        --work results/physics --out docs/benchmarks/physics

Everybody trains on the same jets, chooses the epoch by the same validation jets, and is judged on the same test jets,
which nothing was chosen by: rejections at cuts of its own, cross-entropy for one prior, areas. What is there in
``--work`` is not made again, so the command can be given again after an interruption, with more seeds, or for one
contender in another terminal (``--only NAME --until fit``). About four hours on one core. ``--quick`` is a smoke test.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hardware import describe_machine
from physics_judge import RANGES, judge
from physics_predictions import write
from physics_report import write_report
from physics_runs import Contender, Runs, Samples, say
from physics_samples import shuffled, statistics

from salt_like.spec import DataSpec
from salt_like.version import __version__

SPEC = "run/spec.json"
SAME = "--data.reweight=null"


def contenders(args: argparse.Namespace) -> list[Contender]:
    """Who is trained, baselines and those whose time is needed first."""
    epochs, salt, ours = args.epochs, args.salt_python, args.our_python
    found = [
        Contender("salt", "Salt gn2-small", "physics_salt.py", salt, epochs),
        Contender("ours", "ours, same weighting", "physics_ours.py", ours, epochs, options=(SAME,), baseline="salt"),
        Contender(
            "ours-same-time", "ours, Salt's time", "physics_ours.py", ours, 0, "salt", (SAME,), "salt", own_time="ours"
        ),
        Contender("ours-default", "ours as shipped", "physics_ours.py", ours, epochs, baseline="salt"),
        Contender("weaver", "weaver ParticleNet", "physics_weaver.py", args.weaver_python, epochs, seeds=args.few),
    ]
    return [one for one in found if one.python and (not args.only or one.name in args.only)]


def main(arguments: list[str] | None = None) -> None:
    """Train, predict and judge what is asked for."""
    args = _parser().parse_args(arguments)
    if args.quick:
        args.epochs, args.test_jets, args.resamples, args.seeds = 1, [2000, 2000], 20, args.seeds[:2]
    samples = _samples(args)
    runs = Runs(samples, tuple(args.seeds), args.present)
    chosen = [one for one in contenders(args) if runs.seeds_of(one)]
    for contender in chosen:
        for seed in runs.seeds_of(contender):
            runs.fit(contender, seed)
    if args.until == "fit":
        return
    for contender in chosen:
        for seed in runs.seeds_of(contender):
            for sample in samples.tests:
                runs.predict(contender, seed, sample)
    if args.until == "predict":
        return
    files = _prediction_files(chosen, runs)
    judged = []
    for sample in samples.tests:
        say(f"judging {sample}")
        judged.append(judge(sample, files[sample], args.resamples))
    write_report(args.out, _head(args, samples), chosen, runs.fits, judged)
    say(f"results: {args.out}.json, .md and .png")


def _prediction_files(chosen: list[Contender], runs: Runs) -> dict[str, dict[str, list[Path]]]:
    """Sample → contender → prediction files of its seeds, in our format."""
    ours = next((one for one in chosen if one.name == "ours"), None)
    if ours is None:
        raise SystemExit("nothing to judge with: the description of the data is that of the contender 'ours'")
    spec = DataSpec.from_dict(json.loads((runs.folder(ours, runs.seeds[0]) / SPEC).read_text()))
    found: dict[str, dict[str, list[Path]]] = {}
    for sample, source in runs.samples.tests.items():
        for one in chosen:
            for seed in runs.seeds_of(one):
                own = runs.folder(one, seed) / SPEC  # the prior after weights
                described = DataSpec.from_dict(json.loads(own.read_text())) if own.exists() else spec
                scores = runs.predict(one, seed, sample)
                path = write(scores.with_suffix(".h5"), _model(one), described, source, np.load(scores))
                found.setdefault(sample, {}).setdefault(one.name, []).append(path)
    return found


def _model(one: Contender) -> str:
    return "".join(part.capitalize() for part in one.name.split("-"))


def _head(args: argparse.Namespace, samples: Samples) -> dict[str, Any]:
    """What the numbers belong to."""
    with h5py.File(samples.train, "r") as train, h5py.File(samples.val, "r") as val:
        jets = {"train": len(train["jets"]), "val": len(val["jets"])}
    versions = {
        "salt-ml": _version(args.salt_python, "salt-ml"),
        "weaver-core": _version(args.weaver_python, "weaver-core"),
    }
    return {
        "machine": describe_machine(),
        "versions": {**versions, "salt-like": __version__, "torch": version("torch")},
        "jets": jets,
        "settings": {"resamples": args.resamples, "seeds": args.seeds, "discriminant": "Db"},
    }


def _version(python: str | None, package: str) -> str:
    if not python:
        return ""
    command = [python, "-c", f"from importlib.metadata import version; print(version({package!r}))"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _samples(args: argparse.Namespace) -> Samples:
    train = shuffled(args.samples / "train.h5", args.work / "train.h5", jets=2000 if args.quick else None)
    tests = {name: args.samples / f"{name}.h5" for name in RANGES}
    jets = dict(zip(tests, args.test_jets, strict=True))
    if args.present:
        tests = {name: path for name, path in tests.items() if path.exists()}
    return Samples(
        train,
        args.samples / "val.h5",
        statistics(train, args.work / "statistics"),
        tests,
        jets,
        args.work,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--samples", type=Path, required=True, help="folder with train.h5, val.h5, ttbar.h5 and zprime.h5")
    add("--salt-python", help="interpreter of the environment made by salt_environment.sh; without it no Salt")
    add("--weaver-python", help="that of weaver_environment.sh; without it no weaver")
    add("--our-python", default=sys.executable, help="interpreter that has salt_like (default: this one)")
    add("--work", type=Path, required=True, help="folder for trainings and predictions, kept")
    add("--out", type=Path, required=True, help="results go to OUT.json, OUT.md and OUT.png")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds of the small models")
    add("--few", type=int, default=1, help="seeds of weaver, which is slow on a CPU")
    add("--epochs", type=int, default=3, help="of everybody")
    add("--test-jets", type=int, nargs=2, default=[250_000, 100_000], help="of the tt and the Z' sample")
    add("--resamples", type=int, default=500, help="of the events")
    add("--only", nargs="+", help="contenders")
    add("--until", choices=("fit", "predict", "all"), default="all", help="where to stop")
    add("--present", action="store_true", help="train nothing, judge what is trained")
    add("--quick", action="store_true", help="small sizes: a smoke test, not a measurement")
    return parser


if __name__ == "__main__":
    main()
