from __future__ import annotations

import os
from pathlib import Path

import pytest
from bundles import shared_bundle


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all processes of the tests share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def bundle(shared) -> Path:
    """A bundle of the profile for many jets, with all kinds of outputs; its run is beside it, as are jets."""
    return shared_bundle(shared, "batched", "--embedding", "--combine", "plight=1.0*pu+0.5*pc")


@pytest.fixture(scope="session")
def single(shared) -> Path:
    """A bundle of the profile for one jet."""
    return shared_bundle(shared, "single")


@pytest.fixture(scope="session")
def athena(shared) -> Path:
    """A bundle as the ATLAS software wants it."""
    return shared_bundle(shared, "athena", "--name", "GN2v1", "--track_selection", "r22loose")
