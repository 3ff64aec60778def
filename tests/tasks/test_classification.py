from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tasks.labelled import POOLED, SPEC, TOKEN, padded_jets

from salt_like.batch import Batch
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
