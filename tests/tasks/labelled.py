"""Random jets in both layouts, and every task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from salt_like.batch import Batch
from salt_like.grouping import list_pairs, partition
from salt_like.sets import Tokens, layout_of
from salt_like.spec import DataSpec, Label, Stream, Variable
from salt_like.tasks import Classification, GaussianRegression, Regression, Task, Vertexing

TOKEN, POOLED, SLOTS = 6, 4, 9

SPEC = DataSpec(
    streams=(
        Stream("jets", (Variable("pt"), Variable("eta", default=-999.0)), is_global=True),
        Stream("tracks", (Variable("d0"), Variable("pt")), capacity=SLOTS),
    ),
    labels=(
        Label("jets", "flavour", "flavour", "class", ("bjets", "cjets", "ujets"), (10.0, 30.0, 60.0)),
        Label("jets", "mass", "mass", "real", mean=50.0, std=20.0, unit="GeV", low=1.0, high=200.0),
        Label("jets", "energy", "energy", "real", mean=90.0, std=30.0, unit="GeV", low=2.0, high=400.0),
        Label("tracks", "origin", "origin", "class", ("pileup", "primary", "fromB", "fromC"), (20.0, 60.0, 15.0, 5.0)),
        Label("tracks", "vertex", "vertex", "index"),
        Label("tracks", "true_pt", "true_pt", "real", mean=3.0, std=2.0, unit="GeV", low=0.1, high=50.0),
    ),
)

PAIR_WEIGHT = {"label": "origin", "classes": ["fromB", "fromC"], "factor": 3.0}

TASKS: dict[str, Callable[[], Task]] = {
    "jets": lambda: Classification(SPEC, TOKEN, POOLED, stream="jets", label="flavour", class_weights="balanced"),
    "origin": lambda: Classification(SPEC, TOKEN, POOLED, stream="tracks", label="origin", label_smoothing=0.1),
    "mass": lambda: Regression(SPEC, TOKEN, POOLED, stream="jets", label=["mass", "energy"], scale="log"),
    "ratio": lambda: Regression(
        SPEC, TOKEN, POOLED, stream="tracks", label="true_pt", scale="ratio", denominator="pt", loss="huber"
    ),
    "gauss": lambda: GaussianRegression(
        SPEC, TOKEN, POOLED, stream="jets", label=["mass", "energy"], scale="ratio", denominator=["pt", "pt"]
    ),
    "gauss_tracks": lambda: GaussianRegression(SPEC, TOKEN, POOLED, stream="tracks", label="true_pt", scale="log"),
    "vertexing": lambda: Vertexing(SPEC, TOKEN, POOLED, stream="tracks", label="vertex", pair_weight=PAIR_WEIGHT),
}


@dataclass(frozen=True)
class Jets:
    """Labelled jets with what an encoder would say about them."""

    batch: Batch
    tokens: Tokens
    pooled: Tensor


def padded_jets(counts: list[int], seed: int = 0, weights: bool = True) -> Jets:
    """Random jets; a third of the labels is missing, and padding holds large numbers."""
    generator = torch.Generator().manual_seed(seed)
    size = len(counts)
    valid = torch.arange(SLOTS) < torch.tensor(counts)[:, None]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def some(values: Tensor, missing: float) -> Tensor:
        return torch.where(uniform(*values.shape) < 1 / 3, torch.full_like(values, missing), values)

    labels = {
        "jets": {
            "flavour": some(torch.randint(0, 3, (size,), generator=generator), -1),
            "mass": some(uniform(size) * 100 + 1, torch.nan),
            "energy": some(uniform(size) * 300 + 2, torch.nan),
        },
        "tracks": {
            "origin": some(torch.randint(0, 4, (size, SLOTS), generator=generator), -1).where(valid, torch.tensor(-1)),
            "vertex": some(torch.randint(0, 3, (size, SLOTS), generator=generator), -2).where(valid, torch.tensor(-1)),
            "true_pt": some(uniform(size, SLOTS) * 5 + 0.1, torch.nan).where(valid, torch.tensor(torch.nan)),
        },
    }
    tracks = (uniform(size, SLOTS, 2) + 0.5) * valid[..., None]
    batch = Batch(
        rows=torch.arange(size),
        inputs={"jets": uniform(size, 2) * 100 + 20, "tracks": tracks},
        valid={"tracks": valid},
        labels=labels,
        weights=uniform(size) + 0.5 if weights else None,
    )
    values = torch.randn(size, SLOTS, TOKEN, generator=generator).where(valid[..., None], torch.tensor(1e3))
    return Jets(batch, Tokens.merged({"tracks": (values, layout_of(batch, "tracks"))}), uniform(size, POOLED))


def packed(jets: Jets) -> Jets:
    """The same jets in the packed layout."""
    valid, tracks = jets.batch.valid["tracks"], jets.batch.inputs["tracks"]
    counts = valid.sum(1)
    buckets = partition(counts, 2)
    longest = tuple(max([1, *counts[bucket].tolist()]) for bucket in buckets)
    batch = replace(
        jets.batch,
        inputs={"jets": jets.batch.inputs["jets"], "tracks": tracks[valid]},
        offsets={"tracks": torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])},
        valid={},
        labels={**jets.batch.labels, "tracks": {k: v[valid] for k, v in jets.batch.labels["tracks"].items()}},
        pairs={"tracks": list_pairs(counts)},
        buckets=buckets,
        longest={"tracks": longest},
    )
    return Jets(batch, Tokens.merged({"tracks": (jets.tokens.values[valid], layout_of(batch, "tracks"))}), jets.pooled)


def split(jets: Jets, start: int, stop: int) -> Jets:
    """Some of the padded jets."""
    batch = jets.batch.map(lambda tensor: tensor[start:stop])
    values = jets.tokens.values[start:stop]
    return Jets(batch, Tokens.merged({"tracks": (values, layout_of(batch, "tracks"))}), jets.pooled[start:stop])


def per_row(values: Tensor, jets: Jets) -> Tensor:
    """Values of real rows in the order of the packed layout, whatever the layout."""
    if "tracks" in jets.batch.valid and values.dim() > 1:
        return values[jets.batch.valid["tracks"]]
    return values


def randomise(task: Task, seed: int = 1) -> Task:
    """The task with random parameters, so that no zero hides an error."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return task


class NoWaiting(TorchDispatchMode):
    """Refuses every operation that waits for the device or whose shape depends on the data."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "masked_select", "unique2", "_unique2", "bincount", "equal"):
            raise AssertionError(f"waits for the device: {name}")
        if name in ("index", "index_put", "index_put_") and any(
            isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in args[1]
        ):
            raise AssertionError("boolean indexing")
        return func(*args, **(kwargs or {}))
