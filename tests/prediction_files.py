"""Prediction files made by hand, with every kind of task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from salt_like.evaluation.contents import Contents, TaskRecord
from salt_like.evaluation.ranges import Range
from salt_like.spec import DataSpec, Discriminant, Label, Output, Stream, Variable

FLAVOURS = ("ujets", "cjets", "bjets")
ORIGINS = ("pileup", "primary", "fromB", "fromC")
N, L = 400, 6
RANGES = (Range("pt", 20.0, 60.0, "GeV"), Range("pt", 60.0, float("inf"), "GeV"))


def contents(**changes: object) -> Contents:
    spec = DataSpec(
        streams=(Stream("jets", (Variable("pt", unit="GeV"),), is_global=True), Stream("tracks", capacity=L)),
        labels=(
            Label(
                "jets", "flavour", "flavour", "class", FLAVOURS, prior=(0.5, 0.3, 0.2), values=((0, 0), (4, 1), (5, 2))
            ),
            Label("jets", "mass[pt > 50]", "mass", "real", mean=10.0, unit="GeV", where="pt > 50"),
            Label("tracks", "origin", "origin", "class", ORIGINS, prior=(0.25,) * 4, ignore=(3,)),
            Label("tracks", "vertex", "vertex", "index"),
        ),
        discriminants=(
            Discriminant("Db", "bjets", {"cjets": 0.2, "ujets": 0.8}),
            Discriminant("Dtau", "taujets", {"ujets": 1.0}),
        ),
        event=("eventNumber",),
    )
    origins = tuple(Output("tracks", f"p{name}", "probability", of_class=name) for name in ORIGINS)
    mass = (Output("jets", "mass", "value", "GeV"), Output("jets", "mass_stddev", "sigma", "GeV"))
    flavours = tuple(Output("jets", f"p{name}", "probability", of_class=name) for name in FLAVOURS)
    tasks = (
        TaskRecord("flavour", "jets", ("flavour",), flavours),
        TaskRecord("mass", "jets", ("mass[pt > 50]",), mass),
        TaskRecord("origin", "tracks", ("origin",), origins),
        TaskRecord("vertices", "tracks", ("vertex", "origin"), (Output("tracks", "VertexIndex", "index"),)),
    )
    return replace(Contents("m", "ttbar", ("a.h5", "b.h5"), "best.ckpt", spec, tasks), **changes)


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    floats = ["pt", "weight", "mass", "mass[pt > 50]", "m_mass", "m_mass_stddev", "m_pujets", "m_pcjets", "m_pbjets"]
    jets = np.zeros(N, [("eventNumber", "i8"), ("flavour", "i4"), *((name, "f4") for name in floats)])
    jets["eventNumber"] = np.arange(N) // 2
    flavour = random.integers(0, 3, N)
    jets["flavour"] = np.array([0, 4, 5])[flavour]
    for name in floats:
        jets[name] = random.uniform(1, 100, N)
    jets["mass[pt > 50]"] = np.where(jets["pt"] > 50, jets["mass"], np.nan)
    for name, share in zip(("pujets", "pcjets", "pbjets"), random.dirichlet(np.ones(3), N).T, strict=True):
        jets[f"m_{name}"] = share
    kinds = [("origin", "i1"), ("vertex", "i1"), ("VertexIndex", "i4"), ("valid", "?")]
    tracks = np.zeros((N, L), kinds + [(f"m_p{name}", "f4") for name in ORIGINS])
    tracks["origin"] = random.integers(-1, 4, (N, L))
    tracks["vertex"] = random.integers(-1, 3, (N, L))
    tracks["VertexIndex"] = random.integers(-1, 3, (N, L))
    tracks["valid"] = random.random((N, L)) < 0.7
    for name in ORIGINS:
        tracks[f"m_p{name}"] = np.where(tracks["valid"], random.uniform(0.1, 1, (N, L)), np.nan)
    return {"jets": jets, "tracks": tracks}


def file(path: Path, given: dict[str, np.ndarray] | None = None, **changes: object) -> Path:
    with h5py.File(path, "w") as out:
        out.attrs.update(contents(**changes).attributes())
        for name, array in (given or arrays()).items():
            out[name] = array
    return path
