from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from prediction_files import RANGES, arrays, contents, file

from salt_like.evaluation import bins, working_points
from salt_like.evaluation.evaluate import evaluate
from salt_like.report.gather import gather
from salt_like.report.write import write

CONFIG = "name: m\nmodel:\n  dim: 8\ndata:\n  train: train.h5\n"
HISTORY = {"epoch": [0, 1], "lr": [0.1, 0.01], "train/loss": [3.0, 2.0], "val/loss": [3.1, 2.5]}
HISTORY |= {"train/flavour/loss": [1.0, 0.5], "val/flavour/loss": [1.1, 0.7], "val/flavour/accuracy": [0.5, 0.75]}


def informed(seed: int = 0, strength: float = 1.5) -> dict[str, np.ndarray]:
    """Jets of one kind, and predictions that know something of their classes."""
    given = arrays(0)
    jets = given["jets"]
    flavour = np.searchsorted([0, 4, 5], jets["flavour"])
    random = np.random.default_rng(seed)
    shares = np.exp(random.normal(size=(len(jets), 3)) + strength * np.eye(3)[flavour])
    for name, share in zip(("pujets", "pcjets", "pbjets"), (shares / shares.sum(1, keepdims=True)).T, strict=True):
        jets[f"m_{name}"] = share
    return given


def make_run(folder: Path, seed: int = 0, strength: float = 1.5, config: str = CONFIG) -> Path:
    """A run folder as `train fit` and `train test` leave it, without checkpoints."""
    predictions = folder / "predictions"
    predictions.mkdir(parents=True)
    (folder / "config.yaml").write_text(config)
    record = {"state": "finished", "epochs_done": 2, "command": "train fit <x>", "files": {"train": "train.h5"}}
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "spec.json").write_text(json.dumps(contents().spec.to_dict()))
    with (folder / "metrics.csv").open("w", newline="") as stream:
        rows = [dict(zip(HISTORY, values, strict=True)) for values in zip(*HISTORY.values(), strict=True)]
        writer = csv.DictWriter(stream, list(HISTORY))
        writer.writeheader()
        writer.writerows(rows)
    generator = "Pythia 8.3 + parametrised detector"
    path = file(predictions / "ttbar.h5", informed(seed, strength), generator=generator)
    found = evaluate(path, ranges=RANGES).plain()
    (predictions / "ttbar_metrics.json").write_text(json.dumps(found, allow_nan=False))
    return folder


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs that predicted the same jets."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bins, "JETS_PER_BIN", 100)
        patch.setattr(working_points, "SIGNAL_PER_BIN", 40)
        other = CONFIG.replace("dim: 8", "dim: 16")
        return [make_run(folder / "one"), make_run(folder / "other", 1, 2.5, other)]


@pytest.fixture
def run(runs: list[Path], tmp_path: Path) -> Path:
    """A run that a test may damage."""
    return Path(shutil.copytree(runs[0], tmp_path / "run"))


@pytest.fixture(scope="session")
def pages(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of one run, and that of both."""
    folder = tmp_path_factory.mktemp("pages")
    found = {"one": folder / "one.html", "both": folder / "both.html"}
    write(gather(runs[:1]), found["one"])
    write(gather(runs), found["both"])
    return found
