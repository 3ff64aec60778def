"""Jets of Gaussian classes, whose exact probabilities are known, and taggers trained on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from salt_like.cli.build import requests
from salt_like.data.collate import collate
from salt_like.data.columns import Columns
from salt_like.data.module import Data
from salt_like.data.sample import Sample
from salt_like.evaluation.temperature import scaled
from salt_like.training import checkpoint
from salt_like.training.run import Run

CLASSES = ("ujets", "cjets", "bjets")
MEANS = np.array([[0.0, 0.0], [1.2, 0.0], [0.6, 1.2]])
TRAINED = (0.6, 0.3, 0.1)


def make_jets(number: int, fractions: Sequence[float] = TRAINED, seed: int = 0) -> np.ndarray:
    """Two features with spread 1 around the mean of the class."""
    random = np.random.default_rng(seed)
    jets = np.zeros(
        number, [("x", "f4"), ("y", "f4"), ("flavour_label", "i4"), ("eventNumber", "i8"), ("weight", "f4")]
    )
    jets["flavour_label"] = random.choice(3, number, p=fractions)
    for index, name in enumerate(("x", "y")):
        jets[name] = random.normal(MEANS[jets["flavour_label"], index])
    jets["eventNumber"] = np.arange(number) // 2
    jets["weight"] = random.uniform(0.5, 1.5, number)
    return jets


def make_file(path: Path, jets: np.ndarray) -> Path:
    """The jets in the field's layout."""
    with h5py.File(path, "w") as file:
        file.create_dataset("jets", data=jets).attrs["flavour_label"] = list(CLASSES)
    return path


def exact(jets: np.ndarray, prior: Sequence[float]) -> np.ndarray:
    """Probabilities of the classes, ``(n, 3)``."""
    features = np.stack([jets["x"], jets["y"]], 1).astype(np.float64)[:, None]
    return scaled(-((features - MEANS) ** 2).sum(-1) / 2, prior)


def make_run(
    folder: Path,
    sharpness: float = 1.0,
    steps: int = 250,
    jets: np.ndarray | None = None,
    data: Any = None,
    **task: Any,
) -> Path:
    """A run with one classification `flavour`, trained to convergence.

    Args:
        folder: The run folder; its files lie beside it.
        sharpness: Factor on the logarithms of the likelihood ratios of the trained tagger.
        steps: Steps of the training.
        jets: Training jets.
        data: Further keys of the ``data`` section.
        task: Further arguments of the task.
    """
    folder.mkdir(parents=True)
    train = make_file(folder.parent / f"{folder.name}-train.h5", make_jets(40_000) if jets is None else jets)
    arguments = {"stream": "jets", "label": "flavour_label", "hidden": [], **task}
    model = {"dim": 8, "tasks": {"flavour": {"class_path": "Classification", "init_args": arguments}}}
    section = {"train": str(train), "inputs": {"jets": ["x", "y"]}, "cache": False, **(data or {})}
    spec = Data(**section, cache_dir=str(folder.parent / "cache"), requests=requests(model["tasks"])).spec
    with torch.random.fork_rng():
        torch.manual_seed(1)
        built = checkpoint.build("toy", spec, model)
    built.train()
    batch = collate(Columns.concatenate(list(Sample("train", [train], spec).chunks())), spec)
    optimiser = torch.optim.Adam(built.tagger.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    chosen = built.tagger.task("flavour")
    for _ in range(steps):
        optimiser.zero_grad()
        chosen.loss(built.tagger(batch)["flavour"], batch).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        weight, bias = list(chosen.head.parameters())[-2:]
        bias.mul_(sharpness).add_((1 - sharpness) * torch.tensor(chosen.trained_prior).log())
        weight.mul_(sharpness)
    state = {"epoch": 3, "state_dict": built.state_dict(), **checkpoint.contents("toy", spec, model, section)}
    run = Run(folder)
    run.checkpoints.mkdir()
    torch.save(state, run.checkpoints / "best.ckpt")
    run.config.write_text("name: toy\n")
    run.spec.write_text(json.dumps(spec.to_dict()))
    return folder
