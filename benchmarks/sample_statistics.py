"""The two statistics files that Salt needs before it starts: ``norm_dict.yaml`` and ``class_dict.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from architectures import CLASSES, JET_VARIABLES, TRACK_VARIABLES


def write_statistics(train_file: Path, folder: Path, rows: int = 40_000) -> None:
    """Write ``norm_dict.yaml`` and ``class_dict.yaml`` of the first ``rows`` jets into ``folder``."""
    with h5py.File(train_file) as file:
        jets: np.ndarray[Any, Any] = file["jets"][:rows]
        tracks: np.ndarray[Any, Any] = file["tracks"][:rows]
    streams = {"jets": jets, "tracks": tracks[tracks["valid"]]}
    variables = {"jets": JET_VARIABLES, "tracks": TRACK_VARIABLES}
    norm = {s: {v: _mean_and_std(streams[s][v]) for v in names} for s, names in variables.items()}
    weights = {
        s: {label: _inverse_frequency(streams[s][label], count) for label, count in labels.items()}
        for s, labels in CLASSES.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "norm_dict.yaml").write_text(yaml.safe_dump(norm, sort_keys=False))
    (folder / "class_dict.yaml").write_text(yaml.safe_dump(weights, sort_keys=False))


def _mean_and_std(values: np.ndarray[Any, Any]) -> dict[str, float]:
    values = values.astype("f8")
    return {"mean": float(values.mean()), "std": float(values.std()) or 1.0}


def _inverse_frequency(labels: np.ndarray[Any, Any], classes: int) -> list[float]:
    counts = np.bincount(labels[labels >= 0].astype(int), minlength=classes)
    return [float(counts.sum() / (classes * n)) if n else 1.0 for n in counts[:classes]]
