"""Every shipped configuration in its full size, trained for a moment, exports and proves itself on old runtimes too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bundles import require_export
from old_runtimes import RUNTIMES, install, verified

from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder, shipped

NAMES = sorted(path.stem for path in shipped.FOLDER.glob("*.yaml"))
SAMPLES = shipped.FOLDER.parent / "samples"
PARTS = ("train", "val", "test")
JETS = 10_000  # all of them
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle_of(tmp_path_factory):
    """Makes the bundle of a configuration, each once, compared on all shipped jets and at the cuts of a test."""
    require_export()
    folder = tmp_path_factory.mktemp("full-size")
    files = [f"--data.{part}={SAMPLES / part}.h5" for part in PARTS]
    short = ["--trainer.max_epochs=1", "--data.batch_size=100", "--trainer.enable_progress_bar=false"]

    def make(name: str) -> Path:
        run = folder / name
        if not run.exists():
            assert dispatcher.main(["fit", "--config", name, *files, *short, "--run", str(run)]) == 0
            assert dispatcher.main(["test", str(run), "--figures=none", "--no-report"]) == 0
            data = [str(SAMPLES / f"{part}.h5") for part in PARTS]
            assert dispatcher.main(["export", str(run), f"--jets={JETS}", "--data", *data]) == 0
        return run / "bundle"

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
        patch.setenv(run_folder.HANDED_OVER, "")
        yield make


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_tagger_on_all_shipped_jets_and_at_all_cuts(name, bundle_of):
    folder = bundle_of(name)
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["passed"]
    assert parity["jets"] == JETS
    assert all(one.get("largest", 0) < 1e-4 for one in parity["outputs"].values() if one["kind"] == "probability")
    discriminants = json.loads((folder / "manifest.json").read_text())["discriminants"]
    assert {one["discriminant"] for one in parity["working_points"]} == set(discriminants)
    assert [one for one in parity["working_points"] if one["other_side"]] == []


@pytest.mark.parametrize(("runtime", "numpy"), RUNTIMES)
def test_on_old_runtimes(runtime, numpy, bundle_of, tmp_path):
    packages = install(tmp_path / "packages", runtime, numpy)
    for name in NAMES:
        result = verified(bundle_of(name), packages)
        assert (name, result["runtime"], result["failures"]) == (name, runtime, [])
