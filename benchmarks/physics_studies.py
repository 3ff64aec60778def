"""One change of our gn2-small at a time, judged on the validation jets: what is worth a change of the defaults?

    python benchmarks/physics_studies.py --samples SAMPLES --work results/physics --out docs/benchmarks/physics_studies

Every variant trains for the same number of epochs; the test samples are not looked at. What is there in ``--work`` is
not made again. Weights by kinematics are left out, as in the comparison of benchmarks/physics.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import h5py
import numpy as np
from physics_judge import LOW, judge
from physics_predictions import write
from physics_report import write_report
from physics_runs import Contender, Runs, Samples
from physics_samples import shuffled, statistics

from salt_like.spec import DataSpec

SAME = "--data.reweight=null"
LR = "--model.optimizer.init_args.lr="
DROPOUT = {"class_path": "ConstituentDropout", "init_args": {"stream": "tracks", "probability": 0.05}}
VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "base": ("as shipped, without weights", ()),
    "lr-2e-3": ("learning rate 2e-3", (f"{LR}2e-3",)),
    "lr-4e-3": ("learning rate 4e-3", (f"{LR}4e-3",)),
    "lr-5e-4": ("learning rate 5e-4 (Salt's)", (f"{LR}5e-4",)),
    "batch-500": ("batches of 500 jets", ("--data.batch_size=500",)),
    "batch-250": ("batches of 250 jets", ("--data.batch_size=250",)),
    "ema": ("averaged weights, 0.99", ("--model.ema=0.99",)),
    "dropout": ("5 % of the tracks left out", (f"--data.augment={json.dumps([DROPOUT])}",)),
    "registers-8": ("8 registers", ("--model.encoder.registers=8",)),
    "no-tasks": (
        "flavour alone",
        ("--model.tasks.track_origin=null", "--model.tasks.track_vertexing=null"),
    ),
    "tasks-double": (
        "twice the weight of both tasks on tracks",
        ("--model.tasks.track_origin.weight=1.0", "--model.tasks.track_vertexing.weight=3.0"),
    ),
    "tasks-half": (
        "half the weight of both tasks on tracks",
        ("--model.tasks.track_origin.weight=0.25", "--model.tasks.track_vertexing.weight=0.75"),
    ),
    "silu": ("SiLU", ("--model.encoder.activation=SiLU", "--model.tokenizer.activation=SiLU")),
}


def main(arguments: list[str] | None = None) -> None:
    """Train and judge the variants that are asked for."""
    args = _parser().parse_args(arguments)
    train = shuffled(args.samples / "train.h5", args.work / "train.h5")
    val = args.samples / "val.h5"
    with h5py.File(val, "r") as file:
        jets = {"val": len(file["jets"])}
    statistics(train, args.work / "statistics")
    samples = Samples(train, val, args.work / "statistics", {"val": val}, jets, args.work / "studies")
    runs = Runs(samples, tuple(args.seeds), args.present)
    chosen = [
        Contender(
            name, title, "physics_ours.py", args.our_python, args.epochs, options=(SAME, *options), baseline="base"
        )
        for name, (title, options) in VARIANTS.items()
        if args.only is None or name in (*args.only, "base")
    ]
    chosen = [one for one in chosen if runs.seeds_of(one)]
    for seed in args.seeds:  # the first seed of all before the second of any
        for one in chosen:
            if seed in runs.seeds_of(one):
                runs.fit(one, seed)
    files: dict[str, list[Path]] = {}
    for one in chosen:
        for seed in runs.seeds_of(one):
            spec = json.loads((runs.folder(one, seed) / "run/spec.json").read_text())
            scores = runs.predict(one, seed, "val")
            path = write(scores.with_suffix(".h5"), "Ours", DataSpec.from_dict(spec), val, np.load(scores))
            files.setdefault(one.name, []).append(path)
    judged = judge("val", files, args.resamples, wanted=LOW)
    base, *variants = chosen
    base = Contender(base.name, base.title, base.script, base.python, base.epochs, options=base.options)
    write_report(args.out, {"epochs": args.epochs}, [base, *variants], runs.fits, [judged])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--samples", type=Path, required=True, help="folder with train.h5 and val.h5")
    add("--our-python", default=sys.executable, help="interpreter that has salt_like (default: this one)")
    add("--work", type=Path, required=True, help="folder for trainings and predictions, kept")
    add("--out", type=Path, required=True, help="results go to OUT.json, OUT.md and OUT.png")
    add("--seeds", type=int, nargs="+", default=[1, 2])
    add("--epochs", type=int, default=3)
    add("--resamples", type=int, default=500, help="of the events")
    add("--only", nargs="+", choices=VARIANTS, help="variants (default: all)")
    add("--present", action="store_true", help="train nothing, judge what is trained")
    return parser


if __name__ == "__main__":
    main()
