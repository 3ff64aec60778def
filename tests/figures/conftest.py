from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prediction_files import RANGES, arrays, contents, file

from salt_like.evaluation import bins, working_points
from salt_like.evaluation.evaluate import evaluate
from salt_like.figures import draw


def measured(path: Path, given: dict[str, np.ndarray] | None = None, **changes: Any) -> dict[str, Any]:
    """The content of the metrics file of a prediction file made by hand."""
    spec = contents().spec
    changes = {"spec": spec, "generator": "Pythia 8.3 + parametrised detector", **changes}
    found = evaluate(file(path, given, **changes), ranges=RANGES)
    metrics: dict[str, Any] = json.loads(json.dumps(found.plain(), allow_nan=False))
    return metrics


def informed(seed: int = 0) -> dict[str, np.ndarray]:
    """Predictions that know something, so that rejections are neither all limits nor all one."""
    given = arrays(seed)
    jets = given["jets"]
    flavour = np.searchsorted([0, 4, 5], jets["flavour"])
    random = np.random.default_rng(seed)
    odds = random.normal(size=(len(jets), 3)) + 1.5 * np.eye(3)[flavour]
    shares = np.exp(odds) / np.exp(odds).sum(1, keepdims=True)
    for name, share in zip(("pujets", "pcjets", "pbjets"), shares.T, strict=True):
        jets[f"m_{name}"] = share
    return given


@pytest.fixture(scope="session")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bins, "JETS_PER_BIN", 100)
        patch.setattr(working_points, "SIGNAL_PER_BIN", 40)
        return measured(tmp_path_factory.mktemp("figures") / "a.h5", informed())


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pixels are written faster."""
    monkeypatch.setattr(draw, "RESOLUTION", 40)
