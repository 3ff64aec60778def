from __future__ import annotations

import os
from pathlib import Path

import pytest
from bundles import make_bundle, once, shared_bundle
from made_runs import TASKS, make_file, make_run

PRIOR = "{pileup: 0.1, fake: 0.1, primary: 0.2, fromB: 0.1, fromBC: 0.1, fromC: 0.1, fromTau: 0.1, otherSecondary: 0.2}"


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all processes of the tests share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def bundle(shared) -> Path:
    """A bundle of the profile for many jets, with an embedding and a sum; its run is beside it."""
    return shared_bundle(shared, "batched", "--embedding", "--combine", "plight=1.0*pu+0.5*pc")


@pytest.fixture(scope="session")
def single(shared) -> Path:
    """A bundle of the profile for one jet."""
    return shared_bundle(shared, "single")


@pytest.fixture(scope="session")
def athena(shared) -> Path:
    """A bundle as the ATLAS software wants it."""
    return shared_bundle(shared, "athena", "--name", "GN2v1", "--track_selection", "r22loose")


@pytest.fixture(scope="session")
def cut(shared) -> Path:
    """A folder with a run that selects, orders and truncates, and its bundles of both profiles."""
    folder = shared / "export-cut"
    once(folder, lambda: _make_cut(folder))
    return folder


def _make_cut(folder: Path) -> None:
    flavour = {**TASKS["flavour"], "init_args": {**TASKS["flavour"]["init_args"], "class_weights": [1, 2, 3, 4]}}
    make_run(
        folder / "run",
        tasks={**TASKS, "flavour": flavour},
        select={"jets": "pt > 60e3", "tracks": "hits > 3"},
        order={"tracks": "-pt"},
        max_constituents={"tracks": 3},
        defaults={"d0": -99.0},
        event="eventNumber",
    )
    make_file(folder / "jets.h5", 120, seed=5)
    for profile in ("batched", "single"):
        make_bundle(folder, profile, "--prior", f"origin={PRIOR}")
