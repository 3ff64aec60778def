from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from field_files import make_arrays, write

from salt_like.checks import classifier
from salt_like.checks.finding import Finding, Options
from salt_like.checks.run import Report, check
from salt_like.data.files import Files


@pytest.fixture(autouse=True)
def _hardly_trained(monkeypatch):
    """Only the tests of the classifier itself need a good one."""
    monkeypatch.setattr(classifier, "EPOCHS", 1)


@pytest.fixture
def clean():
    """Makes arrays in which no check finds anything but the declared default of `softMuon_pt`."""

    def make(number: int = 600, seed: int = 0) -> dict[str, np.ndarray]:
        arrays = make_arrays(number, seed)
        random = np.random.default_rng(seed + 1000)
        jets, tracks = arrays["jets"], arrays["tracks"]
        jets["flavour_label"] = random.permutation(jets["flavour_label"])
        jets["HadronConeExclTruthLabelID"] = np.array([0, 4, 5, 15])[jets["flavour_label"]]
        jets["eventNumber"] += seed * 100_000
        # every vertex of one origin, the right one for the jet's flavour, and pile-up without a vertex
        origin = np.array([2, 5, 3, 6])[jets["flavour_label"]][:, None]
        slots = np.arange(tracks.shape[1])
        tracks["ftagTruthOriginLabel"] = np.where(slots == 0, origin, np.where(slots == 1, 0, 2))
        tracks["ftagTruthVertexIndex"] = np.where(slots == 0, 1, np.where(slots == 1, -2, 0))
        tracks["ftagTruthVertexIndex"][origin[:, 0] == 2, 0] = 0
        tracks["pt"] = -np.sort(-random.uniform(1e3, 1e4, tracks.shape), axis=1)
        tracks["valid"][:, 0] = True
        tracks["d0"][:, 0] = random.uniform(0.1, 1.0, number)
        jets["softMuon_pt"] = random.uniform(1e3, 2e4, number)
        return arrays

    return make


@pytest.fixture
def source(tmp_path):
    """Writes arrays and opens the file."""
    counter = iter(range(1000))

    def make(*parts: dict[str, np.ndarray], **attributes: object) -> Files:
        folder: Path = tmp_path / f"sample{next(counter)}"
        folder.mkdir()
        return Files([write(folder / f"part{i}.h5", arrays, **attributes) for i, arrays in enumerate(parts)])

    return make


@pytest.fixture
def checked(source):
    """Checks samples given as arrays, one file each."""

    def run(*samples: dict[str, np.ndarray], **options: object) -> Report:
        named = {f"sample{number}": source(arrays) for number, arrays in enumerate(samples)}
        return check(named, Options(**options))

    return run


@pytest.fixture
def of():
    """Findings of one check."""

    def pick(report: Report, name: str) -> list[Finding]:
        return [one for one in report.findings if one.check.name == name]

    return pick
