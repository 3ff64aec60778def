"""Trainings with and without class weights say the same, once their probabilities are for the same class fractions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gaussian_jets import CLASSES, exact, make_file, make_jets, make_run

import salt_like
from salt_like.cli.main import main
from salt_like.evaluation.calibration import calibration
from salt_like.evaluation.priors import transfer
from salt_like.loading.calibration import read

PLAIN = ("--ranges=none", "--figures=none")
OTHER = (0.2, 0.3, 0.5)  # of the test jets; the training has 0.6, 0.3, 0.1


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two trainings that differ in the class weights, tested and calibrated on the same files."""
    folder = tmp_path_factory.mktemp("runs")
    test = make_file(folder / "test.h5", make_jets(10_000, OTHER, seed=5))
    val = make_file(folder / "val.h5", make_jets(20_000, seed=6))
    made = {}
    for weights in ("none", "balanced"):
        made[weights] = make_run(folder / weights, data={"val": str(val), "test": str(test)}, class_weights=weights)
        assert main(["test", str(made[weights]), *PLAIN]) == 0
        assert main(["calibrate", str(made[weights])]) == 0
    return made


def calibrations(run: Path) -> dict[str, dict]:
    task = json.loads((run / "predictions" / "test_metrics.json").read_text())["tasks"]["flavour"]
    return {one["assumed"]: one for one in task["calibration"]}


def pulls(found: dict) -> np.ndarray:
    """Observed minus predicted over the binomial error, of all classes and bins."""
    curves = [
        {key: np.array(one[key]) for key in ("observed", "predicted", "errors")} for one in found["classes"].values()
    ]
    return np.concatenate([(one["observed"] - one["predicted"]) / one["errors"] for one in curves])


def test_both_are_calibrated_for_the_fractions_of_the_sample(runs: dict[str, Path]) -> None:
    none, balanced = (calibrations(runs[name])["sample"] for name in ("none", "balanced"))
    jets = make_jets(10_000, OTHER, seed=5)
    own = tuple(none["prior"].values())
    ideal = calibration(exact(jets, own), jets["flavour_label"], CLASSES, own, "sample", jets["eventNumber"] % 20)
    best = np.square(pulls(ideal.plain())).mean()  # what chance makes of probabilities that are exactly right
    for found in (none, balanced):
        assert found["ece"] == pytest.approx(found["chance"], abs=3 * found["error"])
        assert np.square(pulls(found)).mean() == pytest.approx(best, abs=0.8)  # of 30 bins
    assert none["ece"] == pytest.approx(balanced["ece"], abs=3 * np.hypot(none["error"], balanced["error"]))
    for name in CLASSES:
        one, other = (
            {key: np.array(found["classes"][name][key]) for key in ("observed", "predicted", "errors")}
            for found in (none, balanced)
        )
        gap = (one["observed"] - one["predicted"]) - (other["observed"] - other["predicted"])
        assert (np.abs(gap) < 4 * np.hypot(one["errors"], other["errors"])).all()


def test_as_predicted_they_differ(runs: dict[str, Path]) -> None:
    """For their own class fractions, which these jets do not have, neither is calibrated, nor are they alike."""
    none, balanced = calibrations(runs["none"])["training"], calibrations(runs["balanced"])["class weights"]
    for found in (none, balanced):
        assert found["ece"] > 20 * found["error"]
    assert none["ece"] - balanced["ece"] > 10 * np.hypot(none["error"], balanced["error"])
    np.testing.assert_allclose(list(none["prior"].values()), (0.6, 0.3, 0.1), atol=0.01)
    np.testing.assert_allclose(list(balanced["prior"].values()), (1 / 3,) * 3, atol=1e-6)


def test_both_agree_with_the_exact_probabilities_for_any_fractions(runs: dict[str, Path]) -> None:
    jets = make_jets(5000, OTHER, seed=8)
    for seed in range(5):
        prior = np.random.default_rng(seed).dirichlet(np.ones(3) * 2)
        truth = exact(jets, prior)
        said = []
        for name in ("none", "balanced"):
            tagger = salt_like.load(runs[name], calibrated=False)
            found = tagger.predict({"jets": jets})["jets"]
            values = np.stack([found[column] for column in ("toy_pu", "toy_pc", "toy_pb")], 1)
            said.append(transfer(values, tagger.tagger.task("flavour").trained_prior, prior))
            assert np.abs(said[-1] - truth).mean() < 0.012
        assert np.abs(said[0] - said[1]).mean() < 0.015


def test_their_temperatures_agree_with_each_other_and_with_one(runs: dict[str, Path]) -> None:
    none, balanced = (read(runs[name] / "calibration.json").tasks["flavour"] for name in ("none", "balanced"))
    for found in (none, balanced):
        assert found.temperature == pytest.approx(1, abs=3 * found.error)
    # the same validation jets: what they differ by is less than either's error
    assert none.temperature == pytest.approx(balanced.temperature, abs=2 * none.error)
    assert none.cross_entropy[0] == pytest.approx(balanced.cross_entropy[0], abs=0.002)
