"""Every shipped configuration in its full size, trained for a moment, exports and proves itself on old runtimes too."""

from __future__ import annotations

import json

import pytest
from bundles import require_export
from old_runtimes import RUNTIMES, install, verified

from salt_like.cli import main as dispatcher
from salt_like.cli import run_folder, shipped

NAMES = sorted(path.stem for path in shipped.FOLDER.glob("*.yaml"))
SAMPLES = shipped.FOLDER.parent / "samples"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Bundle of each configuration."""
    require_export()
    folder = tmp_path_factory.mktemp("full-size")
    files = [f"--data.{part}={SAMPLES / part}.h5" for part in ("train", "val", "test")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALT_LIKE_CACHE", str(folder / "cache"))
        patch.setenv(run_folder.HANDED_OVER, "")
        for name in NAMES:
            short = ["--trainer.max_epochs=1", "--data.batch_size=100", "--trainer.enable_progress_bar=false"]
            assert dispatcher.main(["fit", "--config", name, *files, *short, "--run", str(folder / name)]) == 0
            assert dispatcher.main(["export", str(folder / name)]) == 0
    return {name: folder / name / "bundle" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_tagger_on_all_test_jets(name, bundles):
    parity = json.loads((bundles[name] / "parity.json").read_text())
    assert parity["passed"]
    assert parity["jets"] == 3000
    assert all(one.get("largest", 0) < 1e-4 for one in parity["outputs"].values() if one["kind"] == "probability")


@pytest.mark.parametrize(("runtime", "numpy"), RUNTIMES)
def test_on_old_runtimes(runtime, numpy, bundles, tmp_path):
    packages = install(tmp_path / "packages", runtime, numpy)
    for name, bundle in bundles.items():
        result = verified(bundle, packages)
        assert (name, result["runtime"], result["failures"]) == (name, runtime, [])
