from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from tasks.labelled import POOLED, SPEC, TOKEN, packed, padded_jets

from salt_like.batch import Batch
from salt_like.spec import Label
from salt_like.tasks import GaussianRegression, Regression, Vertexing
from salt_like.tasks.metrics import Accuracy, AreaUnderCurve, MacroF1, MajorityAccuracy
from salt_like.tasks.targets import sigma_of
from salt_like.tasks.vertices import true_pairs

FLAVOUR = SPEC.label("jets", "flavour")


def batch(truth: torch.Tensor) -> Batch:
    return Batch(torch.arange(len(truth)), {}, labels={"jets": {"flavour": truth}})


def measure(metric, logits, jets: Batch):
    metric.update(logits, jets)
    return metric.compute()


def test_accuracy_majority_and_f1():
    truth = torch.tensor([0, 0, 0, 1, 1, 2, -1, -1])
    said = torch.tensor([0, 0, 1, 1, 2, 2, 0, 1])
    logits = torch.nn.functional.one_hot(said, 3).float()
    assert measure(Accuracy(FLAVOUR), logits, batch(truth)) == pytest.approx(4 / 6)
    assert measure(MajorityAccuracy(FLAVOUR), logits, batch(truth)) == pytest.approx(3 / 6)
    assert measure(MacroF1(FLAVOUR), logits, batch(truth)) == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)


def test_f1_leaves_out_classes_that_do_not_occur():
    truth, logits = torch.tensor([0, 0, 1]), torch.eye(3)
    assert measure(MacroF1(FLAVOUR), logits, batch(truth)) == pytest.approx((2 / 3 + 0) / 2)


def exact_area(score: np.ndarray, own: np.ndarray) -> float:
    rank = rankdata(score)
    return (rank[own].sum() - own.sum() * (own.sum() + 1) / 2) / (own.sum() * (~own).sum())


@pytest.mark.parametrize("size", [0.05, 1.0, 4.0])
def test_area_agrees_with_ranks(size):
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(-1, 3, (5000,), generator=generator)
    logits = torch.randn(5000, 3, generator=generator)
    logits = (logits + torch.nn.functional.one_hot(truth.clamp(min=0), 3)) * size
    known = (truth >= 0).numpy()
    odds = torch.logit(logits.double().softmax(-1)).numpy()[known]
    expected = np.mean([exact_area(odds[:, own], truth.numpy()[known] == own) for own in range(3)])
    assert 0.6 < expected < 0.95
    metric = AreaUnderCurve(FLAVOUR)
    for part in range(5):
        metric.update(logits[part::5], batch(truth[part::5]))
    assert metric.compute() == pytest.approx(expected, abs=2e-4)


def test_area_of_constant_perfect_and_inverted_scores():
    truth = torch.tensor([0, 1, 2, 0, 1, 2, -1])
    perfect = 50.0 * torch.nn.functional.one_hot(truth.clamp(min=0), 3)
    assert measure(AreaUnderCurve(FLAVOUR), torch.zeros(7, 3), batch(truth)) == 0.5
    assert measure(AreaUnderCurve(FLAVOUR), perfect, batch(truth)) == 1
    assert measure(AreaUnderCurve(FLAVOUR), -perfect, batch(truth)) == 0


def test_area_leaves_out_absent_classes():
    truth = torch.tensor([0, 1, 1, 0])
    logits = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 2, 0], [3, 0, 0]])
    assert measure(AreaUnderCurve(FLAVOUR), logits, batch(truth)) == 1
    assert measure(AreaUnderCurve(FLAVOUR), logits, batch(torch.zeros(4, dtype=torch.long))).isnan()


def test_areas_of_two_classes_are_the_same():
    label = Label("jets", "flavour", "flavour", "class", ("one", "other"))
    generator = torch.Generator().manual_seed(1)
    truth, logits = torch.randint(0, 2, (1000,), generator=generator), torch.randn(1000, 2, generator=generator)
    expected = exact_area((logits[:, 1] - logits[:, 0]).double().numpy(), truth.numpy() == 1)
    assert measure(AreaUnderCurve(label), logits, batch(truth)) == pytest.approx(expected, abs=1e-3)


def real_batch() -> tuple[Batch, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mass, energy = 50 + 20 * torch.randn(500, generator=generator), 90 + 30 * torch.randn(500, generator=generator)
    mass[::7] = torch.nan
    jets = Batch(torch.arange(500), {"jets": torch.ones(500, 2)}, labels={"jets": {"mass": mass, "energy": energy}})
    return jets, mass, energy


def test_residuals_are_in_the_unit_of_each_label():
    jets, mass, energy = real_batch()
    task = Regression(SPEC, TOKEN, POOLED, stream="jets", label=["mass", "energy"])
    logits = torch.randn(500, 2, generator=torch.Generator().manual_seed(1))
    found = {name: measure(metric, logits, jets) for name, metric in task.metrics().items()}
    assert list(found) == ["bias_mass", "rms_mass", "mae_mass", "bias_energy", "rms_energy", "mae_energy"]
    for name, residual in (("mass", 20 * logits[:, 0] + 50 - mass), ("energy", 30 * logits[:, 1] + 90 - energy)):
        residual = residual[residual.isfinite()]
        torch.testing.assert_close(found[f"bias_{name}"], residual.mean(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found[f"rms_{name}"], residual.square().mean().sqrt())
        torch.testing.assert_close(found[f"mae_{name}"], residual.abs().mean())


def test_pulls_of_each_target():
    jets, mass, energy = real_batch()
    task = GaussianRegression(SPEC, TOKEN, POOLED, stream="jets", label=["mass", "energy"])
    logits = torch.randn(500, 4, generator=torch.Generator().manual_seed(1))
    found = {name: measure(metric, logits, jets) for name, metric in task.metrics().items()}
    scaled = {"mass": (mass - 50) / 20, "energy": (energy - 90) / 30}
    for column, name in enumerate(("mass", "energy")):
        pull = (logits[:, column] - scaled[name]) / sigma_of(logits[:, 2 + column])
        pull = pull[pull.isfinite()]
        torch.testing.assert_close(found[f"pull_mean_{name}"], pull.mean(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[f"pull_width_{name}"], pull.std(correction=0), rtol=1e-4, atol=1e-5)
    only = GaussianRegression(SPEC, TOKEN, POOLED, stream="jets", label="mass")
    assert list(only.metrics()) == ["bias", "rms", "mae", "pull_mean", "pull_width"]


def test_pairs_joined_rightly_wrongly_and_missed():
    jets = packed(padded_jets([9, 2, 0, 6]))
    true, _ = true_pairs(jets.batch, "tracks", "vertex")
    task = Vertexing(SPEC, TOKEN, POOLED, stream="tracks", label="vertex", threshold=0.7)
    said = torch.rand(len(true), generator=torch.Generator().manual_seed(0)) < 0.4
    logits = torch.where(said, 0.9, 0.8)  # probabilities 0.711 and 0.690
    found = {name: measure(metric, logits, jets.batch) for name, metric in task.metrics().items()}
    right = (said & true).sum().item()
    assert 0 < right < true.sum()
    assert found["pair_efficiency"] == pytest.approx(right / true.sum().item())
    assert found["pair_purity"] == pytest.approx(right / said.sum().item())
    assert found["pair_f1"] == pytest.approx(2 * right / (true.sum() + said.sum()).item())


def test_pairs_with_padding_are_not_counted():
    jets = padded_jets([9, 2, 0, 6])
    task = Vertexing(SPEC, TOKEN, POOLED, stream="tracks", label="vertex")
    for name, metric in task.metrics().items():
        padded = measure(metric, torch.ones(4, 36), jets.batch)
        assert padded == measure(task.metrics()[name], torch.ones(36 + 1 + 15), packed(jets).batch)


def test_states_of_several_processes_add_up(task):
    first, second = padded_jets([3, 0, 9, 5, 8], seed=1), padded_jets([2, 7, 1, 6], seed=2)
    for name, metric in task.metrics().items():
        parts = []
        for jets in (first, second):
            one = task.metrics()[name]
            one.update(task(jets.tokens, jets.pooled), jets.batch)
            metric.update(task(jets.tokens, jets.pooled), jets.batch)
            parts.append(one.metric_state)
        merged = task.metrics()[name]
        merged.update(task(first.tokens, first.pooled), first.batch)  # marks it as updated
        for state, reduction in merged._reductions.items():
            setattr(merged, state, reduction(torch.stack([part[state] for part in parts])))
        torch.testing.assert_close(merged.compute(), metric.compute(), rtol=1e-4, atol=1e-5)


def test_metrics_start_again_after_reset(task):
    jets = padded_jets([3, 0, 9, 5])
    logits = task(jets.tokens, jets.pooled)
    for metric in task.metrics().values():
        metric.update(logits, jets.batch)
        once = metric.compute()
        metric.reset()
        metric.update(logits, jets.batch)
        torch.testing.assert_close(metric.compute(), once, equal_nan=True)
