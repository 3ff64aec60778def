"""Trains weaver-core's ParticleNet and applies it, for benchmarks/physics.py (runs in weaver's environment).

    physics_weaver.py fit --train train.h5 --val val.h5 --statistics DIR --out DIR --seed 1 --epochs 3
    physics_weaver.py predict --out DIR --statistics DIR --sample test.h5 --jets 300000 --to scores.npy

Everything is weaver's own command line: loader, ParticleNet with the sizes that its class has by default, ranger with
learning rate 5e-3 and flat+decay schedule, batches of 512, best epoch by accuracy. It cannot read our files, so they
are written as Parquet first; tracks carry the two variables of their jet. The inputs are those of the other two,
normalised with the same means and widths, and not clipped.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import torch
import yaml
from architectures import JET_LABEL, JET_VARIABLES, TRACK_VARIABLES
from weaver.train import main as weaver

FLAVOURS = ("ujets", "cjets", "bjets", "taujets")
POINTS = ("deta", "dphi")
SLOTS = 40
FAR = 1e6  # weaver clips everything; this far away nothing is
NETWORK = Path(__file__).with_name("weaver_particlenet.py")


def fit(args: argparse.Namespace) -> None:
    """Train one seed."""
    np.random.seed(args.seed)  # noqa: NPY002 - what weaver draws from
    torch.manual_seed(args.seed)
    files = {
        "train": parquet(args.train, args.out / "train.parquet"),
        "val": parquet(args.val, args.out / "val.parquet"),
    }
    config = args.out / "data.yaml"
    config.write_text(yaml.safe_dump(data_config(args.statistics), sort_keys=False))
    log = args.out / "weaver.log"
    _weaver(
        *("--data-train", files["train"], "--data-val", files["val"], "--run-mode", "train,val"),
        *("--data-config", config, "--model-prefix", args.out / "net", "--num-epochs", args.epochs),
        # one file: everything is loaded at once and shuffled, jet by jet
        *("--batch-size", 512, "--start-lr", 5e-3, "--fetch-step", 1, "--log-file", log),
    )
    for path in files.values():
        path.unlink()
    accuracies = [float(one) for one in re.findall(r"validation metric: ([0-9.]+)", log.read_text())]
    best = int(np.argmax(accuracies)) if accuracies else args.epochs - 1
    (args.out / "fit.json").write_text(f'{{"best_epoch": {best}, "accuracies": {accuracies}}}\n')


def predict(args: argparse.Namespace) -> None:
    """Class probabilities of the first jets of a file, ``(N, 4)`` float32."""
    args.to.parent.mkdir(parents=True, exist_ok=True)
    sample = parquet(args.sample, args.to.with_suffix(".in.parquet"), args.jets)
    said = args.to.with_suffix(".out.parquet")
    _weaver(
        *("--data-test", sample, "--run-mode", "test", "--data-config", args.out / "data.yaml"),
        *("--model-prefix", args.out / "net_best_epoch_state.pt", "--batch-size", 1000, "--predict-output", said),
    )
    found = ak.from_parquet(said)
    rows, scores = ak.to_numpy(found["row"]), ak.to_numpy(found["scores"]).astype(np.float32)
    assert np.array_equal(np.sort(rows), np.arange(args.jets))
    np.save(args.to, scores[np.argsort(rows)])
    for path in (sample, said):
        path.unlink()


def parquet(source: Path, target: Path, jets: int | None = None) -> Path:
    """The jets of a file as weaver reads them: lists of tracks, and flags of the classes."""
    with h5py.File(source, "r") as file:
        rows = file["jets"][:jets]
        tracks = file["tracks"][:jets]
    valid = tracks["valid"]
    counts = valid.sum(1)
    columns = {name: ak.unflatten(tracks[name][valid].astype("f4"), counts) for name in TRACK_VARIABLES}
    columns |= {name: ak.unflatten(np.repeat(rows[name].astype("f4"), counts), counts) for name in JET_VARIABLES}
    columns |= {f"point_{name}": columns[name] for name in POINTS}
    columns["mask"] = ak.ones_like(columns["deta"])
    columns |= {name: rows[JET_LABEL] == index for index, name in enumerate(FLAVOURS)}
    columns["row"] = np.arange(len(rows))
    ak.to_parquet(ak.Array(columns), target, row_group_size=50_000)
    return target


def data_config(statistics: Path) -> dict[str, object]:
    """weaver's description of the data."""
    norm = yaml.safe_load((statistics / "norm_dict.yaml").read_text())
    features: list[list[object]] = [
        [name, norm[stream][name]["mean"], 1 / norm[stream][name]["std"], -FAR, FAR]
        for stream, names in (("tracks", TRACK_VARIABLES), ("jets", JET_VARIABLES))
        for name in names
    ]
    return {
        "preprocess": {"method": "manual"},
        "inputs": {
            "points": {"length": SLOTS, "vars": [[f"point_{name}", None] for name in POINTS]},
            "features": {"length": SLOTS, "vars": features},
            "mask": {"length": SLOTS, "vars": [["mask", None]]},
        },
        "labels": {"type": "simple", "value": list(FLAVOURS)},
        "observers": ["row"],
    }


def _weaver(*options: object) -> None:
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    fixed = ("--network-config", NETWORK, "--gpus", "", "--num-workers", 0)
    sys.argv = ["weaver", *(str(one) for one in (*fixed, *options))]
    weaver()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for run, own in (
        (fit, {"--train": Path, "--val": Path, "--seed": int, "--epochs": int}),
        (predict, {"--sample": Path, "--jets": int, "--to": Path}),
    ):
        command = commands.add_parser(run.__name__)
        command.set_defaults(run=run)
        for name, kind in ({"--statistics": Path, "--out": Path} | own).items():
            command.add_argument(name, type=kind, required=True)
    args = parser.parse_args(arguments)
    args.run(args)


if __name__ == "__main__":
    main()
