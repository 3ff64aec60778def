"""Run folders of small untrained taggers with random weights, made without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jets as made_up
import torch
from field_files import make_arrays, write

from salt_like.cli.build import requests
from salt_like.data.module import Data
from salt_like.training import checkpoint
from salt_like.training.run import Run

TASKS: dict[str, Any] = {
    "flavour": {"class_path": "Classification", "init_args": {"stream": "jets", "label": "flavour_label"}},
    "origin": {"class_path": "Classification", "init_args": {"stream": "tracks", "label": "ftagTruthOriginLabel"}},
    "vertices": {"class_path": "Vertexing", "init_args": {"stream": "tracks", "label": "ftagTruthVertexIndex"}},
    "hadron": {
        "class_path": "GaussianRegression",
        "init_args": {"stream": "jets", "label": "HadronPt", "where": "flavour_label in [1, 2]"},
    },
}
MODEL: dict[str, Any] = {
    "dim": 8,
    "encoder": {"class_path": "salt_like.encoders.Transformer", "init_args": {"layers": 1, "heads": 2}},
}
INPUTS = {"jets": ["pt", "eta"], "tracks": ["d0", "pt", "hits"]}


def make_file(path: Path, number: int = 60, seed: int = 0, **changes: Any) -> Path:
    """A file in the field's layout."""
    return write(path, make_arrays(number, seed), **changes)


def make_run(folder: Path, seed: int = 0, tasks: dict[str, Any] | None = None, **data: Any) -> Path:
    """A run folder with a best checkpoint, as `train fit` leaves it.

    Args:
        folder: The run folder; the training file lies beside it.
        seed: Of the weights.
        tasks: ``model.tasks``.
        data: Keys of the ``data`` section over the defaults here.
    """
    folder.mkdir(parents=True)
    train = make_file(folder.parent / f"{folder.name}-train.h5", 200, seed=1)
    model = {**MODEL, "tasks": TASKS if tasks is None else tasks}
    section = {"train": str(train), "inputs": INPUTS, "cache": False, "cache_dir": str(folder.parent / "cache"), **data}
    spec = Data(**section, requests=requests(model["tasks"])).spec
    built = checkpoint.build("GN2", spec, model)
    made_up.randomise(built.tagger, seed)
    state = {"epoch": 3, "state_dict": built.state_dict(), **checkpoint.contents("GN2", spec, model, section)}
    run = Run(folder)
    run.checkpoints.mkdir()
    torch.save(state, run.checkpoints / "best.ckpt")
    run.config.write_text("name: GN2\n")
    run.spec.write_text(json.dumps(spec.to_dict()))
    return folder
