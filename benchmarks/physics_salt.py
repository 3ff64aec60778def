"""Trains Salt's gn2-small and applies it, for benchmarks/physics.py (runs in Salt's environment).

    physics_salt.py fit --train train.h5 --val val.h5 --statistics DIR --out DIR --seed 1 --epochs 3
    physics_salt.py predict --out DIR --statistics DIR --sample test.h5 --jets 300000 --to scores.npy

Everything is Salt's own: data module, model, loss, optimiser, one-cycle schedule, checkpoints, Lightning's loop. What
is taken from its command line: matmul precision ``medium`` for the training, the checkpoint of the smallest validation
loss of the jets' task for the predictions. Jets have no class weights, tracks those of Salt's GN2 configuration.
"""

from __future__ import annotations

import argparse
import json
import re
import warnings
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from architectures import JET_LABEL
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from salt.callbacks import Checkpoint
from salt.modelwrapper import ModelWrapper
from salt_model import salt_data, salt_wrapper
from torch import nn
from worker_config import WorkerConfig

BATCH_SIZE = 1000
JETS_TASK = "jets_classification"


def fit(args: argparse.Namespace) -> None:
    """Train one seed; checkpoints of every epoch and the losses go to the folder."""
    lightning.seed_everything(args.seed)
    torch.set_float32_matmul_precision("medium")  # what SaltCLI sets for "fit"
    data = salt_data(_config(args.train, args.statistics))
    data.val_file = args.val
    trainer = lightning.Trainer(
        max_epochs=args.epochs,
        accelerator="cpu",
        logger=CSVLogger(args.out, name="", version="log"),
        callbacks=[Checkpoint(f"val/{JETS_TASK}_loss"), TQDMProgressBar(refresh_rate=50)],
        enable_model_summary=False,
    )
    trainer.fit(_wrapper(args.statistics), data)
    best = _best(args.out)
    found = {"checkpoint": best.name, "best_epoch": int(re.findall(r"epoch=(\d+)", best.name)[0])}
    (args.out / "fit.json").write_text(json.dumps(found) + "\n")


def predict(args: argparse.Namespace) -> None:
    """Class probabilities of the first jets of a file in the order of Salt's classes, ``(N, 4)`` float32."""
    data = salt_data(_config(args.sample, args.statistics))
    data.test_file, data.num_test = args.sample, args.jets
    data.trainer = _Rank()
    data.setup("test")
    wrapper = _wrapper(args.statistics)
    saved = torch.load(_best(args.out), map_location="cpu", weights_only=False)
    wrapper.load_state_dict(saved["state_dict"])
    (task,) = (one for one in wrapper.model.tasks if one.name == JETS_TASK)
    wrapper.model.tasks = nn.ModuleList([task])  # tracks and vertices change nothing in what is said about jets
    wrapper.eval()
    parts = []
    with torch.inference_mode():
        for inputs, masks, _ in data.test_dataloader():
            logits = wrapper({k: v.clone() for k, v in inputs.items()}, dict(masks), None)[0]["jets"][JETS_TASK]
            parts.append(torch.softmax(logits.double(), -1).float().numpy())
    args.to.parent.mkdir(parents=True, exist_ok=True)
    temporary = args.to.with_suffix(".tmp.npy")
    np.save(temporary, np.concatenate(parts))
    temporary.rename(args.to)


class _Rank:
    """The one attribute of a trainer that the data module asks for when it sets a test up."""

    is_global_zero = True


def _config(file: Path, statistics: Path) -> WorkerConfig:
    return WorkerConfig("gn2-small", True, str(file), str(statistics), BATCH_SIZE)


def _wrapper(statistics: Path) -> ModelWrapper:
    wrapper = salt_wrapper(_config(Path(), statistics))
    for task in wrapper.model.tasks:
        if task.name == JETS_TASK:
            task.loss = nn.CrossEntropyLoss(ignore_index=-1)
            assert task.label == JET_LABEL
    return wrapper


def _best(folder: Path) -> Path:
    """The checkpoint that ``salt test`` takes: the smallest loss in the names of the files."""
    found = list(folder.rglob("*.ckpt"))
    return min(found, key=lambda one: float(re.findall(r"loss=(\d+\.\d+)", one.name)[0]))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    options: dict[str, Any] = {"--statistics": Path, "--out": Path}
    for run, own in (
        (fit, {"--train": Path, "--val": Path, "--seed": int, "--epochs": int}),
        (predict, {"--sample": Path, "--jets": int, "--to": Path}),
    ):
        command = commands.add_parser(run.__name__, help=(run.__doc__ or "").splitlines()[0])
        command.set_defaults(run=run)
        for name, kind in (options | own).items():
            command.add_argument(name, type=kind, required=True)
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    args = parser.parse_args(arguments)
    args.run(args)


if __name__ == "__main__":
    main()
