"""Trains our gn2-small with `train fit` and applies it, for benchmarks/physics.py.

physics_ours.py fit --train train.h5 --val val.h5 --out DIR --seed 1 --epochs 3 --data.reweight=null
physics_ours.py predict --out DIR --sample test.h5 --jets 300000 --to scores.npy
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from salt_like.cli.main import main as train
from salt_like.data.sample import Sample
from salt_like.loading import load

JET_LABEL = "flavour_label"
LOSS = "val/jets_classification/loss"


def fit(args: argparse.Namespace, options: list[str]) -> None:
    """Train one seed; the run's folder is in the folder."""
    run = args.out / "run"
    own = [f"--data.train={args.train}", f"--data.val={args.val}", f"--seed={args.seed}", f"--run={run}"]
    code = train(["fit", "--config", args.config, *own, f"--trainer.max_epochs={args.epochs}", *options])
    if code:
        raise SystemExit(code)
    with (run / "metrics.csv").open(newline="") as stream:
        losses = [float(row[LOSS]) for row in csv.DictReader(stream)]
    (args.out / "fit.json").write_text(json.dumps({"best_epoch": int(np.argmin(losses)), "losses": losses}) + "\n")


def predict(args: argparse.Namespace, options: list[str]) -> None:
    """Class probabilities of the first jets of a file, ``(N, 4)`` float32, and the prior that they hold for."""
    assert not options, options
    tagger = load(args.out / "run")
    sample = Sample(args.sample.stem, [args.sample], tagger.spec, labels=False)
    names = [output.column(tagger.name) for output in tagger.outputs if output.stream == "jets"]
    parts, found = [], 0
    for columns in sample.chunks(last=args.jets):
        said = tagger.predict_columns(columns)["jets"]
        parts.append(np.stack([said[name] for name in names], 1).astype(np.float32))
        found += len(columns)
    assert found == args.jets, f"{found} jets"
    (label,) = (one for one in tagger.spec.labels if one.name == JET_LABEL)
    args.to.parent.mkdir(parents=True, exist_ok=True)
    args.to.with_suffix(".json").write_text(json.dumps({"prior": dict(zip(label.classes, label.prior, strict=True))}))
    temporary = args.to.with_suffix(".tmp.npy")
    np.save(temporary, np.concatenate(parts))
    temporary.rename(args.to)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("fit", allow_abbrev=False)
    one.set_defaults(run=fit)
    one.add_argument("--config", default="gn2-small")
    for name, kind in (("--train", Path), ("--val", Path), ("--seed", int), ("--epochs", int)):
        one.add_argument(name, type=kind, required=True)
    other = commands.add_parser("predict", allow_abbrev=False)
    other.set_defaults(run=predict)
    for name, kind in (("--sample", Path), ("--jets", int), ("--to", Path)):
        other.add_argument(name, type=kind, required=True)
    for command in (one, other):
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--statistics", type=Path, help="not needed: what is known of the data is in the run")
    args, options = parser.parse_known_args(arguments)
    args.run(args, options)


if __name__ == "__main__":
    main()
