"""Small made-up jets in both layouts, with the description that belongs to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from salt_like.batch import Batch
from salt_like.grouping import list_pairs, partition
from salt_like.spec import DataSpec, Label, Stream, Variable

FLAVOURS = ("ujets", "cjets", "bjets", "taujets")
ORIGINS = ("pileup", "fake", "primary", "fromB")
LENGTH = 7


def spec() -> DataSpec:
    """Jets with two variables, tracks with four and flows with two; labels of every kind."""
    jets = (Variable("pt", transform="log", mean=10.5, std=0.7, unit="MeV"), Variable("eta", std=1.2))
    tracks = (
        Variable("d0", std=0.5, unit="mm"),
        Variable("z0", mean=0.1, std=0.8, unit="mm"),
        Variable("nHits", mean=8.0, std=2.0),
        Variable("lepton", default=-999.0, flag_default=True),
    )
    flows = (Variable("pt", transform="log", mean=8.0, unit="MeV"), Variable("dr", mean=0.2, std=0.1))
    return DataSpec(
        streams=(
            Stream("jets", jets, is_global=True),
            Stream("tracks", tracks, capacity=LENGTH),
            Stream("flows", flows, capacity=LENGTH - 2),
        ),
        labels=(
            Label(
                "jets", "flavour_label", "flavour_label", "class", FLAVOURS, (40.0, 30, 20, 10), (0.4, 0.3, 0.2, 0.1)
            ),
            Label("jets", "truth_pt", "truth_pt", "real", mean=4e4, std=2e4, unit="MeV"),
            Label("tracks", "origin", "origin", "class", ORIGINS, (1.0,) * 4, (0.25,) * 4),
            Label("tracks", "vertex", "vertex", "index"),
        ),
        event=("eventNumber",),
        units="MeV, mm, rad",
    )


@dataclass(frozen=True)
class Jets:
    """Raw content of some jets, one array per jet and stream."""

    jets: np.ndarray
    tracks: list[np.ndarray]
    flows: list[np.ndarray]
    flavour: np.ndarray
    truth_pt: np.ndarray
    origin: list[np.ndarray]
    vertex: list[np.ndarray]

    def take(self, rows: list[int]) -> Jets:
        def pick(value):
            return value[rows] if isinstance(value, np.ndarray) else [value[row] for row in rows]

        return Jets(**{name: pick(value) for name, value in vars(self).items()})


def make(number: int = 12, seed: int = 0, empty: tuple[int, ...] = (2, 5)) -> Jets:
    """Jets with 0 to `LENGTH` tracks whose flavour can be read off d0; those in `empty` have no constituents."""
    rng = np.random.default_rng(seed)
    flavour = rng.integers(0, 4, number)
    tracks, flows, origin, vertex = [], [], [], []
    for row in range(number):
        count = 0 if row in empty else int(rng.integers(1, LENGTH + 1))
        values = rng.normal(size=(count, 4)).astype(np.float32)
        values[:, 0] += flavour[row]
        values[:, 3] = np.where(rng.random(count) < 0.3, -999.0, values[:, 3])
        tracks.append(values)
        flows.append(np.exp(rng.normal(size=(0 if row in empty else count % (LENGTH - 1), 2))).astype(np.float32))
        origin.append(rng.integers(-1, 4, count))
        vertex.append(rng.integers(-2, 3, count))
    truth_pt = rng.uniform(2e4, 8e4, number).astype(np.float32)
    truth_pt[::3] = np.nan
    jets = np.stack([rng.uniform(2e4, 2e5, number), rng.normal(size=number)], 1).astype(np.float32)
    return Jets(jets, tracks, flows, flavour, truth_pt, origin, vertex)


def packed(content: Jets, buckets: int = 3) -> Batch:
    counts = {
        "tracks": torch.tensor([len(one) for one in content.tracks]),
        "flows": torch.tensor([len(one) for one in content.flows]),
    }
    groups = partition(counts["tracks"] + counts["flows"], buckets)
    return Batch(
        rows=torch.arange(len(content.jets)),
        inputs={
            "jets": torch.tensor(content.jets),
            "tracks": torch.tensor(np.concatenate(content.tracks)),
            "flows": torch.tensor(np.concatenate(content.flows)),
        },
        offsets={
            name: torch.cat([torch.zeros(1, dtype=torch.int64), count.cumsum(0)]) for name, count in counts.items()
        },
        labels={
            "jets": {"flavour_label": torch.tensor(content.flavour), "truth_pt": torch.tensor(content.truth_pt)},
            "tracks": {
                "origin": torch.tensor(np.concatenate(content.origin)),
                "vertex": torch.tensor(np.concatenate(content.vertex)),
            },
        },
        pairs={"tracks": list_pairs(counts["tracks"])},
        buckets=groups,
        longest={
            name: tuple(max(1, int(count[group].max())) if len(group) else 1 for group in groups)
            for name, count in counts.items()
        },
    )


def padded(content: Jets, length: int = LENGTH, garbage: float = 0.0) -> Batch:
    def fill(parts: list[np.ndarray], value: float) -> torch.Tensor:
        result = np.full((len(parts), length, *parts[0].shape[1:]), value, parts[0].dtype)
        for row, part in enumerate(parts):
            result[row, : len(part)] = part
        return torch.tensor(result)

    def valid(parts: list[np.ndarray]) -> torch.Tensor:
        return torch.arange(length) < torch.tensor([len(one) for one in parts])[:, None]

    return Batch(
        rows=torch.arange(len(content.jets)),
        inputs={
            "jets": torch.tensor(content.jets),
            "tracks": fill(content.tracks, garbage),
            "flows": fill(content.flows, garbage),
        },
        valid={"tracks": valid(content.tracks), "flows": valid(content.flows)},
        labels={
            "jets": {"flavour_label": torch.tensor(content.flavour), "truth_pt": torch.tensor(content.truth_pt)},
            "tracks": {"origin": fill(content.origin, -1), "vertex": fill(content.vertex, -1)},
        },
    )


def doubled(batch: Batch) -> Batch:
    """The same batch in float64."""
    return batch.map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def weighted(batch: Batch, seed: int = 1) -> Batch:
    """The same batch with a weight for each jet."""
    generator = torch.Generator().manual_seed(seed)
    return replace(batch, weights=torch.rand(batch.size, generator=generator) + 0.5)


def randomise(module: torch.nn.Module, seed: int = 3) -> torch.nn.Module:
    """Give every parameter a random value: branches that start at zero would hide errors."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return module
