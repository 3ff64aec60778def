"""Random jets with true objects, in both layouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from tasks.labelled import POOLED, SLOTS, TOKEN, Jets, packed, padded_jets, randomise

from salt_like.batch import Batch
from salt_like.spec import DataSpec, Label, Stream, Variable
from salt_like.tasks import SetPrediction

CAPACITY = 3
CLASSES = ("bhadrons", "chadrons")
SPEC = DataSpec(
    streams=(
        Stream("jets", (Variable("pt"), Variable("eta", default=-999.0)), is_global=True),
        Stream("tracks", (Variable("d0"), Variable("pt")), capacity=SLOTS),
        Stream("truth_hadrons", capacity=CAPACITY),
    ),
    labels=(
        Label("tracks", "parent", "parent", "index"),
        Label("truth_hadrons", "barcode", "barcode", "index", unique=True),
        Label("truth_hadrons", "flavour", "flavour", "class", CLASSES, (20.0, 30.0), (0.4, 0.6)),
        Label("truth_hadrons", "pt", "pt", "real", mean=50.0, std=20.0, unit="GeV", low=1.0),
        Label("truth_hadrons", "Lxy", "Lxy", "real", mean=3.0, std=2.0, unit="mm", low=0.0),
    ),
)
ARGUMENTS = {
    "stream": "tracks",
    "objects": "truth_hadrons",
    "link": "parent",
    "key": "barcode",
    "label": "flavour",
    "values": {"pt": "log", "Lxy": "standardise"},
    "queries": 4,
    "layers": 2,
    "heads": 2,
}
COUNTS = [3, 0, 9, 1, 5, 2, 7, 0, 4, 1]


def make_task(seed: int = 1, **changes: object) -> SetPrediction:
    """The task with random parameters."""
    task: SetPrediction = randomise(SetPrediction(SPEC, TOKEN, POOLED, **{**ARGUMENTS, **changes}), seed)
    return task


def object_jets(counts: list[int] = COUNTS, seed: int = 0, weights: bool = True) -> Jets:
    """Padded jets with up to three objects; some have no constituent, no class or no value."""
    jets, random = padded_jets(counts, seed, weights), np.random.default_rng(seed)
    size = len(counts)
    number = random.integers(0, CAPACITY + 1, size)
    there = np.arange(CAPACITY) < number[:, None]
    keys = np.stack([random.permutation(20)[:CAPACITY] for _ in range(size)])
    own = random.integers(-1, CAPACITY, (size, SLOTS))
    parent = np.where(own >= 0, np.take_along_axis(keys, own.clip(0), 1), -1)  # also of objects that are not there
    labels = {
        "barcode": np.where(there, keys, -1),
        "flavour": np.where(there & (random.random(there.shape) < 0.9), random.integers(0, 2, there.shape), -1),
        "pt": np.where(there & (random.random(there.shape) < 0.8), random.uniform(5, 90, there.shape), np.nan),
        "Lxy": np.where(there & (random.random(there.shape) < 0.8), random.uniform(0, 9, there.shape), np.nan),
    }
    valid = jets.batch.valid["tracks"]
    objects = {
        name: torch.tensor(one.astype(np.float32) if one.dtype.kind == "f" else one) for name, one in labels.items()
    }
    tracks = {**jets.batch.labels["tracks"], "parent": torch.tensor(parent).where(valid, torch.tensor(-1))}
    batch = replace(
        jets.batch,
        valid={"tracks": valid, "truth_hadrons": torch.tensor(there)},
        labels={**jets.batch.labels, "tracks": tracks, "truth_hadrons": objects},
    )
    return replace(jets, batch=batch)


def packed_objects(jets: Jets) -> Jets:
    """The same jets in the packed layout."""
    there, objects = jets.batch.valid["truth_hadrons"], jets.batch.labels["truth_hadrons"]
    one = packed(jets)
    counts = there.sum(1)
    longest = tuple(max([1, *counts[bucket].tolist()]) for bucket in one.batch.buckets)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    batch = replace(
        one.batch,
        offsets={**one.batch.offsets, "truth_hadrons": offsets},
        longest={**one.batch.longest, "truth_hadrons": longest},
        labels={**one.batch.labels, "truth_hadrons": {name: value[there] for name, value in objects.items()}},
    )
    return replace(one, batch=batch)


def changed(jets: Jets, stream: str, **labels: torch.Tensor) -> Jets:
    """The same jets with other labels of one stream."""
    both = {**jets.batch.labels, stream: {**jets.batch.labels[stream], **labels}}
    return replace(jets, batch=replace(jets.batch, labels=both))


def of_rows(batch: Batch, start: int, stop: int) -> Batch:
    """Some of the padded jets."""
    return batch.map(lambda tensor: tensor[start:stop])
