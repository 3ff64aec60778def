"""Writes what anybody says about the jets of a file as a prediction file of ours, which `train compare` reads."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from salt_like.callbacks.predictions import open_predictions
from salt_like.evaluation.contents import Contents, TaskRecord
from salt_like.spec import DataSpec, Output

JETS, TASK, LABEL = "jets", "jets_classification", "flavour_label"
COLUMNS = {"ujets": "pu", "cjets": "pc", "bjets": "pb", "taujets": "ptau"}
COPIED = ("pt", "eta")
CHUNK = 50_000


def write(path: Path, model: str, spec: DataSpec, source: Path, scores: NDArray[np.float32]) -> Path:
    """Write the probabilities of the first jets of a file; nothing where the file is there already.

    Args:
        path: The prediction file.
        model: Name of the model.
        spec: Description of the data that it was trained on, with the prior that its probabilities hold for.
        source: The file that was predicted.
        scores: ``(N, C)`` in the order of the label's classes.
    """
    if path.exists():
        return path
    label = next(one for one in spec.labels if one.name == LABEL)
    outputs = tuple(Output(JETS, COLUMNS[name], "probability", of_class=name) for name in label.classes)
    record = TaskRecord(TASK, JETS, (label.key,), outputs)
    contents = Contents(model, source.stem, (source.name,), "", spec, (record,))
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(source, "r") as file, open_predictions(path, contents.attributes()) as writer:
        jets = file[JETS]
        copied = [name for name in dict.fromkeys((*spec.event, *COPIED, LABEL)) if name in jets.dtype.names]
        columns = [output.column(model) for output in outputs]
        kinds = [("row", "i8"), *((name, jets.dtype[name]) for name in copied), *((name, "f4") for name in columns)]
        for start in range(0, len(scores), CHUNK):
            some = jets[start : min(start + CHUNK, len(scores))]
            rows = np.zeros(len(some), kinds)
            rows["row"] = np.arange(start, start + len(some))
            for name in copied:
                rows[name] = some[name]
            for place, name in enumerate(columns):
                rows[name] = scores[start : start + len(some), place]
            writer.write(JETS, rows)
        writer.annotate(JETS, {LABEL: list(label.classes)})
    return path
