from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from field_files import FLAVOURS, make_arrays, write
from made_runs import TASKS, make_run

from salt_like.data.sample import Sample
from salt_like.data.splits import Splits
from salt_like.errors import UserError
from salt_like.evaluation.priors import shares
from salt_like.evaluation.temperature import Temperature, fit_temperature, scaled
from salt_like.loading import fitting as module
from salt_like.loading import load
from salt_like.loading.calibration import CalibratedTask, RunCalibration, fingerprint, read
from salt_like.loading.fitting import calibrate
from salt_like.loading.tagger import LoadedTagger
from salt_like.reweighting import Reweighting
from salt_like.training import checkpoint

KINEMATICS = Reweighting(
    "flavour_label", tuple(FLAVOURS), ("pt",), ((2e4, 8e4, 2e5),), weights=(0.5, 2.0, 1.0, 0.3, 3.0, 1.0, 0.1, 1.5)
)


def informative(folder: Path, reweighting: Reweighting | None = None, **data: object) -> tuple[LoadedTagger, Path]:
    """A run of random weights, and a file whose labels the run knows something of: they are drawn as it says."""
    tasks = {name: TASKS[name] for name in ("flavour", "origin", "vertices")}
    saved = checkpoint.read(make_run(folder / "run", tasks=tasks, **data) / "checkpoints" / "best.ckpt")
    tagger = LoadedTagger(replace(saved, spec=replace(saved.spec, reweighting=reweighting)), "cpu")
    arrays, random = make_arrays(600, seed=4), np.random.default_rng(1)
    (columns,) = Sample("arrays", arrays, tagger.spec, labels=False).chunks()
    logits = tagger.logits(columns)
    arrays["jets"]["flavour_label"] = drawn(logits["flavour"], random)
    arrays["tracks"]["ftagTruthOriginLabel"][arrays["tracks"]["valid"]] = drawn(logits["origin"], random)
    return tagger, write(folder / "val.h5", arrays)


def drawn(logits: np.ndarray, random: np.random.Generator) -> np.ndarray:
    centred = logits - logits.mean(0)
    noise = random.gumbel(size=logits.shape)
    return (2 * centred / centred.std() + noise).argmax(1)


def expected(tagger: LoadedTagger, file: Path, weight: str | None = None) -> dict[str, Temperature]:
    """Temperatures from all jets at once."""
    (columns,) = Sample("val", [file], tagger.spec, weight=weight, cells=True).chunks()
    weights = np.ones(len(columns)) if columns.weights is None else columns.weights.astype(float)
    if columns.cells is not None:
        weights = weights * tagger.spec.reweighting.factors()[columns.cells]
    found = {}
    for name, logits in tagger.logits(columns).items():
        task = tagger.tagger.task(name)
        if not task.trained_prior:
            continue
        (key,) = next(one.labels for one in tagger.tasks if one.name == name)
        labels, counts = columns.labels[task.stream][key], columns.counts.get(task.stream, np.ones(len(columns), int))
        jet = np.repeat(np.arange(len(columns)), counts)
        prior = shares(labels, logits.shape[1], weights[jet])
        ratios = logits.astype(np.float64) - np.log(task.trained_prior)
        _, events = np.unique(columns.rows[jet] // 2, return_inverse=True)
        found[name] = fit_temperature(ratios, labels, prior, weights[jet], events)
    return found


@pytest.mark.parametrize("weight", [None, "weight"])
@pytest.mark.parametrize("reweighting", [None, KINEMATICS], ids=["plain", "kinematics"])
def test_jets_and_constituents_with_the_weights_of_the_loss(
    tmp_path: Path, weight: str | None, reweighting: Reweighting | None
) -> None:
    tagger, file = informative(tmp_path, reweighting, weight=weight, event="eventNumber")
    samples = Splits({"val": str(file)}, weight=weight).samples("val", tagger.spec)
    found = calibrate(tagger, samples, batch_size=77)
    assert list(found) == ["flavour", "origin"]
    for name, one in expected(tagger, file, weight).items():
        assert found[name].temperature == pytest.approx(one.value, rel=1e-4), name
        assert found[name].error == pytest.approx(one.error, rel=1e-4), name
        assert found[name].cross_entropy == pytest.approx((one.before, one.after), rel=1e-5), name
    assert found["flavour"].temperature != pytest.approx(1, abs=0.1)


def test_several_samples_are_one_and_the_tasks_own_temperature_is_not_looked_at(tmp_path: Path) -> None:
    tagger, file = informative(tmp_path)
    whole = calibrate(tagger, {"val": Sample("val", [file], tagger.spec)})
    again = load(tmp_path / "run", prior={"flavour": {"ujets": 0.1, "cjets": 0.2, "bjets": 0.3, "taujets": 0.4}})
    hot = LoadedTagger(checkpoint.read(again.checkpoint), "cpu", {"flavour": 2.0})
    assert calibrate(again, {"val": Sample("val", [file], tagger.spec)}) == whole
    assert calibrate(hot, {"val": Sample("val", [file], tagger.spec)}) == whole
    doubled = {name: Sample(name, [file], tagger.spec) for name in ("one", "two")}
    twice = calibrate(tagger, doubled)["flavour"]
    assert twice.entries == 2 * whole["flavour"].entries
    assert twice.temperature == pytest.approx(whole["flavour"].temperature)
    assert twice.error == pytest.approx(whole["flavour"].error)  # the same events, so nothing new


def test_of_many_constituents_some_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger, file = informative(tmp_path)
    sample = {"val": Sample("val", [file], tagger.spec)}
    whole = calibrate(tagger, sample)
    monkeypatch.setattr(module, "MOST_SLOTS", 600 * 6 / 2)
    some = calibrate(tagger, sample)
    assert some["flavour"] == whole["flavour"]
    assert some["origin"].entries == pytest.approx(whole["origin"].entries / 2, rel=0.1)
    assert some["origin"].temperature == pytest.approx(whole["origin"].temperature, abs=4 * some["origin"].error)


def test_a_model_without_classes(tmp_path: Path) -> None:
    tagger = load(make_run(tmp_path / "run", tasks={"hadron": TASKS["hadron"]}))
    file = write(tmp_path / "val.h5", make_arrays(50))
    with pytest.raises(UserError, match="no classification to calibrate\ntasks: hadron"):
        calibrate(tagger, {"val": Sample("val", [file], tagger.spec)})
    with pytest.raises(UserError, match=r"no classification 'hadron'.*\nthere are: none"):
        load(tmp_path / "run", prior={"hadron": {"ujets": 1.0}})


def test_what_is_stored_survives(tmp_path: Path) -> None:
    one = CalibratedTask(
        1.2, 0.1, True, 10, {"a": 0.4, "b": 0.6}, (0.7, 0.6), (0.1, 0.05), (0.01, float("nan")), (0, 0)
    )
    stored = RunCalibration("abc", "best.ckpt", ("val.h5",), {"flavour": one}, "0.1")
    stored.write(tmp_path / "calibration.json")
    found = read(tmp_path / "calibration.json")
    assert str(found) == str(stored)
    assert found.temperatures == {"flavour": 1.2}
    for damaged in ("", "[]", "{}", '{"format": "other"}'):
        (tmp_path / "calibration.json").write_text(damaged)
        with pytest.raises(UserError, match="not a calibration"):
            read(tmp_path / "calibration.json")


def test_temperature_and_fractions_of_the_configuration(tmp_path: Path) -> None:
    """They are arguments of the task, and what the command line or a calibration says wins over them."""
    fractions = {"ujets": 0.1, "cjets": 0.2, "bjets": 0.3, "taujets": 0.4}
    own = {**TASKS["flavour"]["init_args"], "temperature": 2, "prior": fractions}
    run = make_run(tmp_path / "run", tasks={"flavour": {"class_path": "Classification", "init_args": own}})
    (record,) = load(run).tasks
    assert (record.temperature, record.prior, record.given) == (2, (0.1, 0.2, 0.3, 0.4), True)
    same = dict.fromkeys(fractions, 0.25)
    saved = checkpoint.read(run / "checkpoints" / "best.ckpt")
    (record,) = LoadedTagger(saved, "cpu", {"flavour": 0.5}, {"flavour": same}).tasks
    assert (record.temperature, record.prior) == (0.5, (0.25,) * 4)
    assert saved.config["tasks"]["flavour"]["init_args"]["temperature"] == 2


def test_fingerprints_are_of_the_weights(tmp_path: Path) -> None:
    one, other = (checkpoint.read(make_run(tmp_path / f"{seed}", seed) / "checkpoints/best.ckpt") for seed in (1, 2))
    assert fingerprint(one) == fingerprint(replace(one, path=tmp_path, epoch=9))
    assert fingerprint(one) != fingerprint(other)
    renamed = {f"{name}x": values for name, values in one.state_dict.items()}
    assert fingerprint(one) != fingerprint(replace(one, state_dict=renamed))
    half = {
        name: values.bfloat16() if values.is_floating_point() else values for name, values in one.state_dict.items()
    }
    assert len(fingerprint(replace(one, state_dict=half))) == 64


def test_padded_batches_say_the_same_calibrated(tmp_path: Path) -> None:
    """Temperature and class fractions of constituents and jets, in what `predict` gives."""
    run = make_run(tmp_path / "run", tasks={name: TASKS[name] for name in ("flavour", "origin")})
    plain = load(run)
    hot = LoadedTagger(checkpoint.read(run / "checkpoints/best.ckpt"), "cpu", {"origin": 3.0, "flavour": 0.5})
    arrays = make_arrays(30)
    before, after = plain.predict(arrays), hot.predict(arrays)
    for stream, name, temperature in (("jets", "flavour", 0.5), ("tracks", "origin", 3.0)):
        columns = [output.column("GN2") for output in plain.tagger.task(name).outputs]
        one, other = (np.stack([found[stream][column] for column in columns], -1) for found in (before, after))
        prior = plain.tagger.task(name).trained_prior
        seen = np.isfinite(one).all(-1)
        np.testing.assert_allclose(other[seen], scaled(np.log(one[seen]) - np.log(prior), prior, temperature), 1e-5)
        assert np.isnan(other[~seen]).all()
