"""From `data.reweight` to what the loss sees."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import yaml
from field_files import make_arrays, write
from lightning import Trainer

from salt_like.cli import shipped
from salt_like.data.augment import ConstituentDropout
from salt_like.data.cache import Cache
from salt_like.data.config import LabelConfig, ReweightConfig
from salt_like.data.module import Data
from salt_like.data.packed import PackedColumns
from salt_like.data.shuffle import Order, drawn
from salt_like.data.windows import Windows
from salt_like.tasks import Classification
from salt_like.training.module import Model

FLAVOUR = {"stream": "jets", "name": "flavour_label", "kind": "class"}
ORIGIN = {"stream": "tracks", "name": "ftagTruthOriginLabel", "kind": "class"}
CENTRAL = {**FLAVOUR, "where": "abs(eta) < 1"}
PT, ETA = np.geomspace(20e3, 2e6, 60).round().tolist(), np.linspace(0, 2.5, 21).tolist()
MEAN: dict[str, Any] = {"label": "flavour_label"}
COARSE = {"pt": [20e3, 40e3, 80e3, 2e6], "abs_eta": [0, 1, 2.5]}


def shaped(number: int, seed: int) -> dict[str, np.ndarray]:
    """Jets whose pt and eta depend on the flavour: AUC of b against light from them is about 0.63."""
    arrays, random = make_arrays(number, seed), np.random.default_rng([seed, 1])
    flavour = random.choice(4, number, p=[0.5, 0.2, 0.25, 0.05])
    jets = arrays["jets"]
    jets["flavour_label"] = flavour
    jets["pt"] = 20e3 + random.exponential(np.array([40e3, 50e3, 60e3, 70e3])[flavour])
    jets["eta"] = (2.5 * random.beta(1, np.array([1.0, 1.1, 1.3, 1.0])[flavour])) * random.choice([-1, 1], number)
    jets["eventNumber"] = np.arange(number) + seed * 10**7
    # the origins of the tracks follow the flavour, so that reweighting changes their frequencies
    arrays["tracks"]["ftagTruthOriginLabel"] = (flavour[:, None] * 2 + (jets["pt"][:, None] > 60e3)) % 8
    return arrays


@pytest.fixture
def make(tmp_path):
    """A data module on files that are made once per test."""

    def make(number: int = 400, reweight: dict[str, Any] | None = MEAN, **changes: Any) -> Data:
        for seed, name in enumerate(("train", "val", "test", "other")):
            path = tmp_path / f"{name}-{number}.h5"
            if not path.exists():
                write(path, shaped(number, seed))
        given = {
            "inputs": {"jets": ["mass"], "tracks": ["hits"]},
            **{name: str(tmp_path / f"{name}-{number}.h5") for name in ("train", "val", "test")},
            "batch_size": 64,
            "cache_dir": str(tmp_path / "cache"),
            "requests": [FLAVOUR, ORIGIN],
            "reweight": None if reweight is None else ReweightConfig(**{"bins": COARSE, **MEAN, **reweight}),
        }
        return Data(**{**given, **changes})

    return make


def by_row(loader) -> dict[int, float]:
    """Weight of each jet; every jet occurs once."""
    found = [pair for batch in loader for pair in zip(batch.rows.tolist(), batch.weights.tolist(), strict=True)]
    assert len(dict(found)) == len(found)
    return dict(found)


def expected(data: Data, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Weight of each jet, looked up in a loop."""
    found = data.spec.reweighting
    table = np.array(found.weights).reshape(4, *found.bins)

    def bin_of(value: float, edges: tuple[float, ...]) -> int:
        return sum(value >= edge for edge in edges[1:-1])

    return np.array(
        [
            table[jet["flavour_label"], bin_of(jet["pt"], found.edges[0]), bin_of(abs(jet["eta"]), found.edges[1])]
            for jet in arrays["jets"]
        ]
    )


def distance(values: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of two weightings of the same values."""
    order = np.argsort(values, kind="stable")
    difference = np.cumsum(first[order] / first.sum() - second[order] / second.sum())
    last = np.append(np.diff(values[order]) > 0, True)
    return float(np.abs(difference[last]).max())


@pytest.mark.parametrize("target", ["mean", "bjets"])
def test_all_flavours_get_the_same_spectra(make, target):
    arrays = shaped(60_000, 0)
    jets = arrays["jets"]
    data = make(60_000, {"bins": {"pt": PT[::3], "abs_eta": ETA}, "target": target}, requests=[FLAVOUR])
    weights = expected(data, arrays)
    for values in (jets["pt"].astype(float), np.abs(jets["eta"].astype(float))):
        of = [np.where(jets["flavour_label"] == flavour, weights, 0) for flavour in range(4)]
        before = [(jets["flavour_label"] == flavour).astype(float) for flavour in range(4)]
        assert distance(values, before[0], before[2]) > 0.06
        for flavour in (0, 1):
            assert distance(values, of[flavour], of[2]) < 0.02
    for flavour in range(4):  # each class keeps its sum
        assert of[flavour].sum() == pytest.approx(before[flavour].sum())


def test_spectra_of_simulated_jets_by_the_shipped_bins(tmp_path):
    given = yaml.safe_load((shipped.FOLDER / "quickstart.yaml").read_text())["data"]["reweight"]
    path = shipped.FOLDER.parent / "samples" / "train.h5"
    data = Data(
        inputs={"jets": ["mass"]},
        train=str(path),
        cache_dir=str(tmp_path / "cache"),
        requests=[FLAVOUR],
        reweight=ReweightConfig(**given),
    )
    with h5py.File(path) as file:
        jets = file["jets"][:]
    found = by_row(data.train_dataloader())
    weights = np.array([found[row] for row in range(len(jets))])
    for values in (jets["pt_btagJes"].astype(float), np.abs(jets["eta_btagJes"].astype(float))):
        for flavour in (0, 1):
            first, second = jets["flavour_label"] == flavour, jets["flavour_label"] == 2
            before = distance(values, first.astype(float), second.astype(float))
            after = distance(values, np.where(first, weights, 0), np.where(second, weights, 0))
            # some thousand jets: not every class has jets in every bin
            assert after < min(0.03, 0.8 * before)


@pytest.mark.parametrize("augment", [None, [ConstituentDropout("tracks", 0.3)]])
@pytest.mark.parametrize("weight", [None, "weight"])
def test_weights_are_the_same_by_every_route(make, weight, augment):
    arrays = shaped(400, 0)
    routes = ({}, {"cache": False}, {"num_workers": 2}, {"cache": False, "num_workers": 2}, {"layout": "padded"})
    for changes in routes:
        data = make(weight=weight, augment=augment, **changes)
        found = by_row(data.train_dataloader())
        data.teardown()
        event = arrays["jets"]["weight"] / np.abs(arrays["jets"]["weight"]).mean() if weight else 1.0
        np.testing.assert_allclose([found[row] for row in range(400)], expected(data, arrays) * event, rtol=1e-5)


@pytest.mark.parametrize("mode", ["weights", "sampling"])
@pytest.mark.parametrize("cache", [True, False])
def test_validation_has_the_weights_of_training_and_test_has_none(make, mode, cache):
    data = make(reweight={"mode": mode}, cache=cache)
    found = by_row(data.val_dataloader())
    np.testing.assert_allclose([found[row] for row in range(400)], expected(data, shaped(400, 1)), rtol=1e-6)
    for loader in (*data.test_dataloader(), *data.predict_dataloader()):
        assert all(batch.weights is None for batch in loader)


def test_test_files_need_not_have_the_variables(make, tmp_path):
    arrays = shaped(50, 9)
    names = [name for name in arrays["jets"].dtype.names if name not in ("pt", "eta")]
    write(
        tmp_path / "bare.h5",
        {**arrays, "jets": arrays["jets"][names].astype([(name, arrays["jets"].dtype[name]) for name in names])},
    )
    data = make(test=str(tmp_path / "bare.h5"), allow_overlap=True)
    assert sum(batch.size for batch in data.test_dataloader()[0]) == 50


def test_a_given_description_brings_its_own_table(make):
    first = make(reweight={"target": "flat"})
    again = make(600, reweight={"target": "mean"}, spec=first.spec)
    found = by_row(again.train_dataloader())
    np.testing.assert_allclose([found[row] for row in range(600)], expected(first, shaped(600, 0)), rtol=1e-6)


def seen_by_the_loss(data: Data, key: str) -> np.ndarray:
    """Sum of the weights of each class of a label over an epoch: what the loss is made of."""
    sums = np.zeros(8)
    for batch in data.train_dataloader():
        weights = torch.ones(batch.size) if batch.weights is None else batch.weights
        stream = "tracks" if key == "ftagTruthOriginLabel" else "jets"
        label = batch.labels[stream][key].numpy()
        each = weights.repeat_interleave(batch.offsets["tracks"].diff()) if stream == "tracks" else weights
        for one, weight in zip(label.tolist(), each.tolist(), strict=True):
            if one >= 0:
                sums[one] += weight
    return sums


@pytest.mark.parametrize("fractions", [None, {"a": 0.8, "b": 0.2}])
@pytest.mark.parametrize("weight", [None, "weight"])
@pytest.mark.parametrize("reweight", [True, False])
def test_priors_are_those_of_the_loss(make, tmp_path, fractions, weight, reweight):
    make()  # writes the files
    given: dict[str, Any] = {"requests": [FLAVOUR, ORIGIN, CENTRAL], "weight": weight, "fractions": fractions}
    if fractions:
        given["train"] = {"a": str(tmp_path / "train-400.h5"), "b": str(tmp_path / "other-400.h5")}
    if not reweight:
        given["reweight"] = None
    data = make(labels={"flavour_label": LabelConfig(ignore=[3], allow_absent=True)}, **given)
    plain = make(labels={"flavour_label": LabelConfig(ignore=[3], allow_absent=True)}, **{**given, "reweight": None})
    for label, bare in zip(data.spec.labels, plain.spec.labels, strict=True):
        sums = seen_by_the_loss(data, label.key)[: len(label.classes)]
        np.testing.assert_allclose(label.counts, sums, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(label.prior, sums / sums.sum(), rtol=1e-5, atol=1e-9)
        changes = not np.allclose(label.prior, bare.prior, rtol=1e-3)
        assert changes is (reweight and label.key != "flavour_label")
        # and with the weights of the classes on top, the fractions that a task's probabilities are for
        task = Classification(data.spec, 8, 8, stream=label.stream, label=label.name, class_weights="balanced",
                              where=label.where)  # fmt: skip
        weighted = sums * task.class_weights.numpy()
        np.testing.assert_allclose(task.prior, weighted / weighted.sum(), rtol=1e-4)
        np.testing.assert_allclose(weighted[sums > 0], weighted.max(), rtol=1e-4)


def test_negative_weights(make, tmp_path):
    arrays = shaped(4000, 0)
    arrays["jets"]["weight"][::6] *= -1
    path = write(tmp_path / "negative.h5", arrays)
    data = make(train=str(path), weight="weight", allow_overlap=True)
    event = arrays["jets"]["weight"].astype(float)
    weights, flavour = event * expected(data, arrays), arrays["jets"]["flavour_label"]
    found = by_row(data.train_dataloader())
    np.testing.assert_allclose([found[row] for row in range(4000)], weights / np.abs(event).mean(), rtol=1e-5)
    inside = np.searchsorted(COARSE["pt"][1:-1], arrays["jets"]["pt"], "right")
    spectra = np.array([np.bincount(inside[flavour == one], weights[flavour == one], 3) for one in range(4)])
    np.testing.assert_allclose(spectra / spectra.sum(1, keepdims=True), np.tile(spectra[0] / spectra[0].sum(), (4, 1)))
    np.testing.assert_allclose(spectra.sum(1), np.bincount(flavour, event))


@pytest.mark.parametrize("cache", [True, False])
def test_sampling_draws_in_proportion_to_the_weights(make, cache):
    data = make(reweight={"mode": "sampling"}, cache=cache)
    weights = expected(data, shaped(400, 0))
    epochs = 60
    loader, times = data.train_dataloader(), np.zeros(400)
    for _ in range(epochs):
        rows = [row for batch in loader for row in batch.rows.tolist()]
        assert len(rows) == 400
        times += np.bincount(rows, minlength=400)
    assert all(batch.weights is None for batch in loader)
    wanted = epochs * weights * (400 / weights.sum())
    pulls = (times - wanted) / np.sqrt(wanted)
    assert np.abs(pulls).max() < 5
    assert (pulls**2).mean() == pytest.approx(1, abs=0.35)
    assert weights.max() / weights.min() > 2


@pytest.mark.parametrize("cache", [True, False])
def test_the_draw_depends_on_seed_and_epoch_alone(make, cache):
    def epochs(**changes: Any) -> list[list[int]]:
        data = make(reweight={"mode": "sampling"}, cache=cache, **changes)
        loader = data.train_dataloader()
        found = [[row for batch in loader for row in batch.rows.tolist()] for _ in range(2)]
        data.teardown()
        return found

    first = epochs()
    assert first == epochs() == epochs(num_workers=2)
    assert first[0] != first[1]
    assert first != epochs(seed=1)


def test_processes_share_one_draw(make):
    class Part:
        def __init__(self, rank: int, world: int) -> None:
            self.global_rank, self.world_size = rank, world

    def rows(rank: int, world: int, size: int) -> list[list[int]]:
        data = make(reweight={"mode": "sampling"}, batch_size=size)
        data.trainer = Part(rank, world)
        return [batch.rows.tolist() for batch in data.train_dataloader()]

    whole = rows(0, 1, 64)
    parts = [rows(rank, 2, 32) for rank in (0, 1)]
    assert [one + other for one, other in zip(*parts, strict=True)] == whole


def test_a_draw_from_windows(make, tmp_path):
    data = make(reweight={"mode": "sampling"})
    data.setup("fit")
    (folder,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir() and "train" in _about(path))
    rates, packed = data.spec.reweighting.factors(), PackedColumns(folder)
    windows, order = Windows(packed, rates=rates), Order(400, seed=3, window=100, chunk=100, run=5)
    weights, times = expected(data, shaped(400, 0)), np.zeros(400)
    for number in range(80):
        epoch = order.epoch(number)
        rows = np.concatenate([windows.take(epoch, start, start + 50).rows for start in range(0, 400, 50)])
        again = Windows(packed, rates=rates).take(order.epoch(number), 130, 170).rows
        assert np.array_equal(again, rows[130:170])
        times += np.bincount(rows, minlength=400)
    wanted = 80 * weights * (400 / weights.sum())
    # a window of 100 jets has its own sum of weights, here within some percent
    assert np.abs((times - wanted) / np.sqrt(wanted)).max() < 5.5


def _about(folder: Path) -> str:
    return (folder / "manifest.json").read_text() if Cache(folder.parent) else ""


def test_draws_at_the_limits():
    random = np.random.default_rng(0)
    assert drawn(random, np.zeros(0)).tolist() == []
    assert set(drawn(random, np.zeros(50)).tolist()) > {1, 2}
    rates = np.array([0.0, 1.0, 0.0, 3.0, 0.0])
    found = np.bincount(np.concatenate([drawn(random, rates) for _ in range(4000)]), minlength=5)
    assert found[[0, 2, 4]].tolist() == [0, 0, 0]
    assert found[3] / found[1] == pytest.approx(3, rel=0.06)

    class Largest:
        def random(self, number: int) -> np.ndarray:
            return np.full(number, np.nextafter(1, 0))

    assert drawn(Largest(), np.array([0.1, 0.2, 0.7, 0.0])).tolist() == [2] * 4


def area(score: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
    """Weighted area under the curve; ties count half."""
    order = np.argsort(score, kind="stable")
    _, group = np.unique(score[order], return_inverse=True)
    positive = np.bincount(group, (weights * truth)[order])
    negative = np.bincount(group, (weights * ~truth)[order])
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / positive.sum() / negative.sum())


def test_a_network_cannot_tell_flavours_by_kinematics(make, tmp_path):
    """Trained on pt and eta alone: nothing is learned with the weights, something without."""
    train, test = shaped(24_000, 0), shaped(24_000, 7)
    two = {"train": train, "test": test}
    for name, arrays in two.items():
        keep = np.isin(arrays["jets"]["flavour_label"], [0, 2])
        two[name] = {stream: rows[keep] for stream, rows in arrays.items()}
        two[name]["jets"]["flavour_label"] //= 2
        write(tmp_path / f"{name}.h5", two[name], jets={"flavour_label": ["ujets", "bjets"]})
    # the truth of the held-out jets is compared where they have the same kinematics, by a table of their own
    bins = {"pt": PT[::3], "abs_eta": ETA[::2]}

    def data(which: str, reweight: bool) -> Data:
        return Data(
            inputs={"jets": {"pt": "log", "eta": None}},
            train=str(tmp_path / f"{which}.h5"),
            batch_size=500,
            cache_dir=str(tmp_path / "cache"),
            requests=[FLAVOUR],
            reweight=ReweightConfig("flavour_label", bins) if reweight else None,
        )

    jets = two["test"]["jets"]
    truth = jets["flavour_label"] == 1
    reference = data("test", True)
    cells = next(reference._mixture("train").chunks(last=len(jets))).cells
    parts = [columns.cells for columns in reference._mixture("train").chunks()]
    assert np.array_equal(parts[0], cells)
    same = reference.spec.reweighting.factors()[np.concatenate(parts)]
    spread, areas = {}, {}
    for reweight in (True, False):
        torch.manual_seed(0)
        module = data("train", reweight)
        tasks = {
            "flavour": lambda spec, token, pooled: Classification(
                spec, token, pooled, stream="jets", label="flavour_label"
            )
        }
        model = Model(module.spec, tasks, dim=16)
        trainer = Trainer(max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False,
                          enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0)  # fmt: skip
        trainer.fit(model, datamodule=module)
        batches = data("test", reweight)
        batches.trainer = None
        with torch.no_grad():
            steps = batches._maker("test").once(batches._mixture("train"))
            score = torch.cat([model(batch)["flavour"].softmax(-1)[:, 1] for item in range(2 * len(jets) // 500)
                               for batch in _items(steps, item)]).numpy()  # fmt: skip
        areas[reweight] = area(score, truth, np.ones(len(truth))), area(score, truth, same)
        spread[reweight] = score.std()
    error = math.sqrt(1 / truth.sum() + 1 / (~truth).sum()) / math.sqrt(12)
    # with the same kinematics no function of them tells anything; that none was learned is seen in the output itself
    assert areas[False][0] > 0.6
    assert areas[True][1] == pytest.approx(0.5, abs=0.01 + error)
    assert spread[True] < 0.25 * spread[False]


def _items(steps, item: int):
    return steps[(0, item)] if item in {place[1] for place, _ in steps.items(0, 0)} else []
