from __future__ import annotations

from dataclasses import replace

import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from tasks.labelled import PAIR_WEIGHT, POOLED, SPEC, TASKS, TOKEN, Jets, packed, padded_jets, randomise, split
from torch import nn

from salt_like.batch import Batch
from salt_like.sets import Tokens, layout_of
from salt_like.tasks import Vertexing


def build(**args) -> Vertexing:
    return Vertexing(SPEC, TOKEN, POOLED, **{"stream": "tracks", "label": "vertex", **args})


def one_jet(vertex: list[int], origin: list[int] | None = None) -> Jets:
    """One padded jet with chosen labels and random tokens."""
    jets = split(padded_jets([len(vertex)], seed=1), 0, 1)
    labels = {"vertex": torch.tensor([vertex]), "origin": torch.tensor([origin or vertex])}
    inputs = {
        stream: values[:, : len(vertex)] if stream == "tracks" else values
        for stream, values in jets.batch.inputs.items()
    }
    valid = {"tracks": torch.ones(1, len(vertex), dtype=torch.bool)}
    batch = replace(jets.batch, inputs=inputs, valid=valid, labels={"tracks": labels}, weights=None)
    values = jets.tokens.values[:, : len(vertex)]
    return Jets(batch, Tokens.merged({"tracks": (values, layout_of(batch, "tracks"))}), jets.pooled)


def matrix(task: Vertexing, jets: Jets) -> torch.Tensor:
    """Logit of every ordered pair of one jet, NaN on the diagonal."""
    number = jets.tokens.values.shape[1]
    first, second, _ = layout_of(jets.batch, "tracks").pairs(torch.arange(number)[None])
    found = torch.full((number, number), torch.nan)
    found[first[0], second[0]] = task(jets.tokens, jets.pooled)[0]
    found[second[0], first[0]] = found[first[0], second[0]].clone()
    return found


def test_logit_of_a_pair_does_not_depend_on_its_order():
    task, jets = randomise(build(hidden=[8, 5])), one_jet([0, 0, 1, 2])
    order = torch.tensor([3, 1, 0, 2])
    shuffled = replace(jets, tokens=jets.tokens.with_values(jets.tokens.values[:, order]))
    expected = matrix(task, jets)[order][:, order]
    torch.testing.assert_close(matrix(task, shuffled), expected, equal_nan=True)


def test_factorised_first_layer_is_a_network_on_both_constituents():
    task, jets = randomise(build(hidden=[8, 5])), one_jet([0, 0, 1, 2])
    features = torch.cat([jets.tokens.values[0], jets.pooled.expand(4, -1)], -1)
    weight, bias = task.sum.weight, task.sum.bias
    for one, other in ((0, 1), (1, 3), (2, 0)):
        pair = torch.cat([features[one], features[other]])
        summed = F.linear(pair, torch.cat([weight, weight], -1), 2 * bias)
        difference = F.linear(pair, torch.cat([task.difference.weight, -task.difference.weight], -1))
        expected = task.head(torch.cat([nn.SiLU()(summed), difference.abs()]))
        torch.testing.assert_close(matrix(task, jets)[one, other], expected[0])


def test_negative_indices_match_nothing_and_loss_is_averaged_over_all_pairs():
    jets = one_jet([-2, -2, 0, 0, -1])
    logits = torch.full((1, 10), 1.5)
    expected = (9 * F.softplus(torch.tensor(1.5)) + F.softplus(torch.tensor(-1.5))) / 10
    torch.testing.assert_close(build().loss(logits, jets.batch), expected)
    assert build().count(jets.batch) == 10


def test_no_matching_pair_is_an_ordinary_batch(layout):
    jets = padded_jets([4, 0, 3])
    labels = {**jets.batch.labels["tracks"], "vertex": torch.full((3, 9), -2)}
    jets = layout(
        replace(jets, batch=replace(jets.batch, labels={**jets.batch.labels, "tracks": labels}, weights=None))
    )
    task = randomise(build())
    logits = task(jets.tokens, jets.pooled)
    real = layout_of(jets.batch, "tracks").pairs(jets.batch.labels["tracks"]["vertex"])[2]
    torch.testing.assert_close(task.loss(logits, jets.batch), F.softplus(logits[real]).mean())


def test_each_unordered_pair_counts_once(layout):
    jets = layout(padded_jets([4, 1, 0, 9]))
    assert build().count(jets.batch) == 6 + 36


def test_pair_weights_read_the_label_that_they_name():
    jets = one_jet([0, 0, 0, 1], origin=[2, 2, 1, 3])  # fromB fromB primary fromC; pairs within B and C weigh 3
    task = build(pair_weight=PAIR_WEIGHT)
    logits = torch.randn(1, 6, generator=torch.Generator().manual_seed(0))
    first, second, _ = layout_of(jets.batch, "tracks").pairs(torch.arange(4)[None])
    heavy = torch.tensor([[(one != 2) and (other != 2) for one, other in zip(first[0], second[0], strict=True)]])
    true = ((first < 3) & (second < 3)).float()
    weights = torch.where(heavy, 3.0, 1.0)
    expected = F.binary_cross_entropy_with_logits(logits, true, weights, reduction="sum") / 6
    torch.testing.assert_close(task.loss(logits, jets.batch), expected)
    assert heavy.sum() == 3


def test_pairs_weigh_as_their_jets(layout):
    jets = layout(padded_jets([3, 5, 2], seed=2))
    task, plain = randomise(build()), replace(jets.batch, weights=None)
    logits = task(jets.tokens, jets.pooled)
    doubled = task.loss_terms(logits, replace(plain, weights=torch.full((3,), 2.0)))
    torch.testing.assert_close(doubled[0], 2 * task.loss_terms(logits, plain)[0])
    parts = [
        task.loss_terms(logits, replace(plain, weights=weight * one))[0]
        for weight, one in zip(jets.batch.weights, torch.eye(3), strict=True)
    ]
    torch.testing.assert_close(task.loss_terms(logits, jets.batch)[0], sum(parts))


def test_predicted_vertices_are_joined_pairs():
    jets = one_jet([0, 0, 0, 0])
    first, second, _ = layout_of(jets.batch, "tracks").pairs(torch.arange(4)[None])
    logits = torch.where((first + second == 3), 0.5, -0.5)  # 0-3 and 1-2
    (index,) = build().predict(logits, jets.batch).values()
    assert index.tolist() == [[0, 1, 1, 0]]
    (index,) = build(threshold=0.7).predict(logits, jets.batch).values()  # 0.5 is a probability of 0.62
    assert index.tolist() == [[0, 1, 2, 3]]


def test_reads_both_labels_and_the_pairs():
    vertex, origin = Vertexing.reads(stream="tracks", label="vertex", pair_weight=PAIR_WEIGHT)
    assert (vertex.name, vertex.kind, vertex.pairs) == ("vertex", "index", True)
    assert (origin.name, origin.kind, origin.pairs) == ("origin", "class", False)
    assert Vertexing.reads(stream="tracks", label="vertex") == (vertex,)


def test_learns_to_join_equal_tokens():
    torch.manual_seed(0)
    jets = padded_jets([9] * 50, weights=False)
    vertex = torch.randint(0, 3, (50, 9))
    values = F.one_hot(vertex, TOKEN).float() + 0.05 * torch.randn(50, 9, TOKEN)
    batch = replace(jets.batch, labels={"tracks": {"vertex": vertex}})
    jets = packed(Jets(batch, jets.tokens.with_values(values), torch.zeros(50, POOLED)))
    task = build(hidden=[16, 8])
    optimiser = torch.optim.Adam(task.parameters(), lr=0.03)
    for _ in range(60):
        optimiser.zero_grad()
        loss = task.loss(task(jets.tokens, jets.pooled), jets.batch)
        loss.backward()
        optimiser.step()
    assert loss < 0.02
    metrics = task.metrics()
    for metric in metrics.values():
        metric.update(task(jets.tokens, jets.pooled), jets.batch)
        assert metric.compute() > 0.99


def test_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="stream must be one of constituents, 'jets' has one row per jet"):
        build(stream="jets")
    with pytest.raises(ValueError, match=r"threshold must be in \(0, 1\), got 1"):
        build(threshold=1.0)
    with pytest.raises(ValueError, match=r"hidden\[0\] must be even, got 7"):
        build(hidden=[7])
    with pytest.raises(ValueError, match="layers must be at least 1, got 0"):
        build(hidden=[])
    wrong = {**PAIR_WEIGHT, "classes": ["fromBC"]}
    with pytest.raises(ValueError, match=r"'origin' has no class 'fromBC' \(did you mean 'fromC'"):
        build(pair_weight=wrong)
    with pytest.raises(ValueError, match="factor must be at least 0, got -1"):
        build(pair_weight={**PAIR_WEIGHT, "factor": -1})


class Exported(nn.Module):
    """What an exported tagger does with the task."""

    def __init__(self, task: Vertexing) -> None:
        super().__init__()
        self.task = task

    def forward(self, values: torch.Tensor, pooled: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        batch = Batch(torch.arange(valid.shape[0]), {}, valid={"tracks": valid})
        tokens = Tokens.merged({"tracks": (values, layout_of(batch, "tracks"))})
        return next(iter(self.task.predict(self.task(tokens, pooled), batch).values()))


@pytest.mark.filterwarnings("ignore")  # of the exporter itself
def test_exported_vertexing_takes_any_number_of_jets_and_constituents(tmp_path):
    model = Exported(randomise(TASKS["vertexing"]())).eval()
    jets = padded_jets([3, 9])
    number, slots = torch.export.Dim("B", min=1), torch.export.Dim("N", min=0)
    shapes = ({0: number, 1: slots}, {0: number}, {0: number, 1: slots})
    inputs = (jets.tokens.values, jets.pooled, jets.batch.valid["tracks"])
    program = torch.onnx.export(model, inputs, dynamo=True, opset_version=18, dynamic_shapes=shapes, verbose=False)
    program.save(tmp_path / "vertexing.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "vertexing.onnx")
    names = [node.name for node in session.get_inputs()]
    for jet, slot in ((1, 0), (3, 0), (1, 1), (3, 2), (1, 3), (2, 20), (2, 130)):
        values, valid = torch.randn(jet, slot, TOKEN), torch.rand(jet, slot) < 0.8
        arguments = (values, torch.randn(jet, POOLED), valid)
        (index,) = session.run(None, {name: one.numpy() for name, one in zip(names, arguments, strict=True)})
        assert index.tolist() == model(*arguments).tolist()
