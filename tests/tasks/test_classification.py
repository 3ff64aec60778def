from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tasks.labelled import POOLED, SPEC, TOKEN, padded_jets

from salt_like.batch import Batch
from salt_like.evaluation.priors import transfer
from salt_like.evaluation.temperature import scaled
from salt_like.spec import DataSpec, Label
from salt_like.tasks import Classification
from salt_like.tasks.classification import short_name

TRUTH = torch.tensor([0, 2, -1, 1, 2, 2])


def jets_task(spec: DataSpec = SPEC, **args) -> Classification:
    return Classification(spec, TOKEN, POOLED, **{"stream": "jets", "label": "flavour", **args})


def with_flavour(label: Label) -> DataSpec:
    return replace(SPEC, labels=(label, *SPEC.labels[1:]))


def batch(truth: torch.Tensor = TRUTH, weights: torch.Tensor | None = None) -> Batch:
    rows = torch.arange(len(truth))
    return Batch(rows, {"jets": torch.zeros(len(truth), 2)}, labels={"jets": {"flavour": truth}}, weights=weights)


def logits(classes: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(len(TRUTH), classes, generator=torch.Generator().manual_seed(seed))


def test_loss_is_the_mean_cross_entropy():
    expected = F.cross_entropy(logits(), TRUTH, ignore_index=-1)
    torch.testing.assert_close(jets_task().loss(logits(), batch()), expected)
    smooth = F.cross_entropy(logits(), TRUTH, ignore_index=-1, label_smoothing=0.2)
    torch.testing.assert_close(jets_task(label_smoothing=0.2).loss(logits(), batch()), smooth)


def test_uniform_logits_cost_the_logarithm_of_the_number_of_classes():
    torch.testing.assert_close(jets_task().loss(torch.zeros(6, 3), batch()), torch.tensor(3.0).log())


def test_jet_weights_multiply_and_are_not_counted():
    weights = torch.tensor([2.0, 0.5, 7.0, 1.0, -1.0, 0.0])
    each = F.cross_entropy(logits(), TRUTH, ignore_index=-1, reduction="none")
    total, number = jets_task().loss_terms(logits(), batch(weights=weights))
    torch.testing.assert_close(total, (each * weights).sum())
    assert number == 5


def test_constituents_weigh_as_their_jets(layout):
    task = Classification(SPEC, TOKEN, POOLED, stream="tracks", label="origin")
    jets = layout(padded_jets([1, 0, 4, 2], seed=4))
    values = task(jets.tokens, jets.pooled)
    doubled = replace(jets.batch, weights=jets.batch.weights * torch.tensor([1.0, 1.0, 2.0, 1.0]))
    one, two = task.loss_terms(values, jets.batch), task.loss_terms(values, doubled)
    third = replace(jets.batch, weights=jets.batch.weights * torch.tensor([0.0, 0.0, 1.0, 0.0]))
    torch.testing.assert_close(two[0] - one[0], task.loss_terms(values, third)[0])
    assert one[1] == two[1]


def test_balanced_weights_are_inverse_frequencies_with_mean_one():
    task = jets_task(class_weights="balanced")
    counts = torch.tensor([10.0, 30.0, 60.0])
    torch.testing.assert_close(task.class_weights * counts, torch.full((3,), 100 / 3))
    expected = F.cross_entropy(logits(), TRUTH, task.class_weights, ignore_index=-1, reduction="sum") / 5
    torch.testing.assert_close(task.loss(logits(), batch()), expected)


def test_prior_is_that_of_the_training_times_the_weights():
    counts = (10.0, 30.0, 60.0)
    spec = with_flavour(replace(SPEC.labels[0], counts=counts, prior=(0.1, 0.3, 0.6)))
    assert jets_task(spec).prior == ()
    assert jets_task(spec, class_weights="balanced").prior == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert jets_task(spec, class_weights=[6.0, 2.0, 1.0]).prior == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert jets_task(spec, class_weights=[1.0, 1.0, 0.0]).prior == pytest.approx((0.25, 0.75, 0))
    # a class_dict gives weights, not frequencies
    given = with_flavour(replace(SPEC.labels[0], counts=(1.0, 0.5, 0.25), prior=(0.1, 0.3, 0.6)))
    assert jets_task(given, class_weights="balanced").prior == pytest.approx((0.1 / 3.1, 0.6 / 3.1, 2.4 / 3.1))


def test_absent_class_does_not_shift_the_weights_of_the_others():
    absent = replace(SPEC.labels[0], counts=(10.0, 0.0, 90.0))
    weights = jets_task(with_flavour(absent), class_weights="balanced").class_weights
    torch.testing.assert_close(weights, torch.tensor([5.0, 0.0, 100 / 180]))


def test_given_weights_are_scaled_to_mean_one():
    weights = jets_task(class_weights=[6.0, 2.0, 1.0]).class_weights
    torch.testing.assert_close(weights / weights[2], torch.tensor([6.0, 2.0, 1.0]))
    torch.testing.assert_close((weights * torch.tensor([0.1, 0.3, 0.6])).sum(), torch.tensor(1.0))
    unknown = jets_task(with_flavour(replace(SPEC.labels[0], counts=())), class_weights=[1.0, 2.0, 3.0])
    torch.testing.assert_close(unknown.class_weights, torch.tensor([0.5, 1.0, 1.5]))


def test_two_classes_are_binary_classification():
    label = replace(SPEC.labels[0], classes=("bjets", "rest"), counts=(1.0, 1.0))
    task = jets_task(with_flavour(label))
    truth = torch.tensor([0, 1, -1, 1, 0, 0])
    values = logits(2)
    margin = values[:, 1] - values[:, 0]
    known = truth >= 0
    expected = F.binary_cross_entropy_with_logits(margin[known], truth[known].float())
    torch.testing.assert_close(task.loss(values, batch(truth)), expected)
    said = {output.field: value for output, value in task.predict(values, batch(truth)).items()}
    torch.testing.assert_close(said["prest"], margin.sigmoid())
    torch.testing.assert_close(said["pb"], 1 - margin.sigmoid())


def test_predictions_are_probabilities_by_class_name():
    said = jets_task().predict(logits(), batch())
    assert [(output.field, output.kind, output.of_class) for output in said] == [
        ("pb", "probability", "bjets"),
        ("pc", "probability", "cjets"),
        ("pu", "probability", "ujets"),
    ]
    torch.testing.assert_close(torch.stack(list(said.values()), -1), logits().softmax(-1))


PRIOR = {"bjets": 0.5, "cjets": 0.2, "ujets": 0.3}


def probabilities(task: Classification, values: torch.Tensor) -> torch.Tensor:
    return torch.stack(list(task.predict(values, batch()).values()), -1)


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_temperature_acts_on_likelihood_ratios(weights):
    task = jets_task(class_weights=weights, temperature=1.7)
    prior = torch.tensor((0.1, 0.3, 0.6) if weights == "none" else (1 / 3,) * 3)
    said = logits().log_softmax(-1)
    expected = (prior.log() + (said - prior.log()) / 1.7).softmax(-1)
    torch.testing.assert_close(probabilities(task, logits()), expected)
    assert not torch.allclose(expected, said.exp(), atol=0.01)
    assert task.prior == pytest.approx(() if weights == "none" else prior.tolist())


def test_other_class_fractions():
    task = jets_task(class_weights="balanced", prior=PRIOR)
    expected = logits().softmax(-1) * torch.tensor((0.5, 0.2, 0.3))
    torch.testing.assert_close(probabilities(task, logits()), expected / expected.sum(-1, keepdim=True))
    assert task.prior == (0.5, 0.2, 0.3)
    assert task.trained_prior == pytest.approx((1 / 3,) * 3)


@pytest.mark.parametrize("seed", range(5))
def test_temperature_and_other_fractions_commute(seed):
    random = np.random.default_rng(seed)
    spec = with_flavour(replace(SPEC.labels[0], prior=tuple(random.dirichlet(np.ones(3)))))
    new, values = random.dirichlet(np.ones(3)), logits(seed=seed)
    both = jets_task(spec, temperature=0.6, prior=dict(zip(PRIOR, new.tolist(), strict=True)))
    scaled_first = probabilities(jets_task(spec, temperature=0.6), values).numpy()
    old = jets_task(spec).trained_prior
    np.testing.assert_allclose(probabilities(both, values), transfer(scaled_first, old, new), atol=1e-6)
    moved_first = np.log(transfer(probabilities(jets_task(spec), values).numpy(), old, new)) - np.log(new)
    np.testing.assert_allclose(probabilities(both, values), scaled(moved_first, new, 0.6), atol=1e-6)


def test_loss_metrics_and_weights_do_not_know_the_temperature():
    plain, hot = jets_task(), jets_task(temperature=3.0, prior=PRIOR)
    assert plain.loss(logits(), batch()) == hot.loss(logits(), batch())
    assert plain.state_dict().keys() == hot.state_dict().keys()
    assert [one.field for one in plain.outputs] == [one.field for one in hot.outputs]


def test_neutral_temperature_and_fractions_change_no_bit():
    plain = probabilities(jets_task(), logits())
    same = {"bjets": 0.1, "cjets": 0.3, "ujets": 0.6}
    assert torch.equal(plain, probabilities(jets_task(temperature=1.0), logits()))
    torch.testing.assert_close(plain, probabilities(jets_task(prior=same), logits()))
    assert torch.equal(plain, logits().softmax(-1))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_logits_only(kind):
    task, values = jets_task(temperature=0.7, prior=PRIOR), logits().to(kind)
    expected = probabilities(task, values.float())
    half = jets_task(temperature=0.7, prior=PRIOR).to(kind)
    assert torch.equal(probabilities(half, values), expected)
    assert expected.dtype == torch.float32
    large = torch.tensor([[6e4, -6e4, 0.0]]).to(kind)
    torch.testing.assert_close(probabilities(jets_task(temperature=0.1), large), torch.tensor([[1.0, 0.0, 0.0]]))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_class_without_training_rows_keeps_its_probability(temperature):
    spec = with_flavour(replace(SPEC.labels[0], counts=(1.0, 0.0, 3.0), prior=(0.25, 0.0, 0.75)))
    before, given = logits().softmax(-1), {"bjets": 0.5, "ujets": 0.5}
    after = probabilities(jets_task(spec, temperature=temperature, prior=given), logits())
    torch.testing.assert_close(after[:, 1], before[:, 1])
    torch.testing.assert_close(after.sum(-1), torch.ones(6))
    ratios = (before[:, 0] / before[:, 2] * 3) ** (1 / temperature)
    torch.testing.assert_close(after[:, 0] / after[:, 2], ratios)
    with pytest.raises(ValueError, match="saw nothing of class 'cjets', so leave it out"):
        jets_task(spec, prior=PRIOR)
    unknown = jets_task(with_flavour(replace(SPEC.labels[0], counts=())), temperature=2.0)
    torch.testing.assert_close(probabilities(unknown, logits()), (logits() / 2).softmax(-1))


class Predicting(torch.nn.Module):
    """What of a task is in an exported graph."""

    def __init__(self, task: Classification) -> None:
        super().__init__()
        self.task = task

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return probabilities(self.task, values)


@pytest.mark.skipif(not hasattr(torch, "export"), reason="needs torch 2.1")
@pytest.mark.parametrize("absent", [False, True])
def test_an_exported_graph_has_temperature_and_fractions(absent):
    prior = (0.25, 0.0, 0.75) if absent else (0.1, 0.3, 0.6)
    given = {"bjets": 0.5, "ujets": 0.5} if absent else PRIOR
    spec = with_flavour(replace(SPEC.labels[0], prior=prior, counts=prior))
    task = jets_task(spec, temperature=1.7, prior=given).eval()
    exported = torch.export.export(Predicting(task), (logits(),)).module()
    other = logits(seed=3)
    torch.testing.assert_close(exported(other), probabilities(task, other))
    assert not torch.allclose(exported(other), other.softmax(-1), atol=0.01)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({**PRIOR, "tau": 0.1}, "no class 'tau'"),
        ({"bjet": 0.5, "cjets": 0.2, "ujets": 0.3}, r"no class 'bjet' \(did you mean 'bjets'\?\)"),
        ({"bjets": 0.5, "cjets": 0.5}, "no fraction for ujets"),
        ({**PRIOR, "ujets": 0.4}, "sum to 1.1"),
        ({"bjets": 1.0, "cjets": 0.0, "ujets": 0.0}, "the fraction of 'cjets' is 0.0"),
        ({**PRIOR, "ujets": float("nan")}, "the fraction of 'ujets' is nan"),
        ({"bjets": 1.5, "cjets": -0.2, "ujets": -0.3}, "the fraction of 'cjets' is -0.2"),
    ],
)
def test_refuses_fractions_that_are_none(prior, message):
    with pytest.raises(ValueError, match=f"{message}.*\nallowed: a fraction above 0 for each of bjets, cjets, ujets"):
        jets_task(prior=prior)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_temperatures_that_are_none(temperature):
    with pytest.raises(ValueError, match="temperature must be a number above 0"):
        jets_task(temperature=temperature)


def test_label_map_and_where_choose_the_label_of_that_reading():
    key = "flavour{5: heavy, 4: heavy, 0: light}[pt > 2]"
    label = Label("jets", key, "flavour", "class", ("heavy", "light"), values=((5, 0), (4, 0), (0, 1)))
    spec = replace(SPEC, labels=(*SPEC.labels, label))
    task = jets_task(spec, label_map={5: "heavy", 4: "heavy", 0: "light"}, where="pt > 2")
    assert task.label == label
    with pytest.raises(ValueError, match="no label 'flavour\\[pt > 3\\]'"):
        jets_task(spec, where="pt > 3")


@pytest.mark.parametrize(
    ("name", "short"), [("bjets", "b"), ("taujets", "tau"), ("fromB", "fromB"), ("jets", "jets"), ("jetsX", "jetsX")]
)
def test_short_names(name, short):
    assert short_name(name) == short


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.0], []])
def test_refuses_weights_that_do_not_fit(weights):
    with pytest.raises(ValueError, match="class_weights must hold one number >= 0 for each of bjets, cjets, ujets"):
        jets_task(class_weights=weights)


def test_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="class_weights must be .* got 'balance'"):
        jets_task(class_weights="balance")
    with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\), got 1"):
        jets_task(label_smoothing=1.0)
    with pytest.raises(ValueError, match=r"'flavour' needs at least two classes, got \['bjets'\]"):
        jets_task(with_flavour(replace(SPEC.labels[0], classes=("bjets",))))
    with pytest.raises(ValueError, match="needs the class counts of label 'flavour'"):
        jets_task(with_flavour(replace(SPEC.labels[0], counts=())), class_weights="balanced")
    only_one = replace(SPEC.labels[0], counts=(1.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="must not be 0 for every class of the training sample"):
        jets_task(with_flavour(only_one), class_weights=[0.0, 1.0, 1.0])
