"""What holds for every task."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tasks.labelled import (
    POOLED,
    SLOTS,
    SPEC,
    TASKS,
    TOKEN,
    Jets,
    NoWaiting,
    packed,
    padded_jets,
    per_row,
    randomise,
    split,
)

from salt_like.sets import Tokens, layout_of
from salt_like.spec import Output
from salt_like.tasks import Classification, Task, Vertexing

# every pair of constituents has a target, so the task on pairs is no example of missing targets
WITH_MISSING = [name for name in TASKS if name != "vertexing"]

COUNTS = [3, 0, 9, 1, 5, 2, 7, 0, 4, 1]


def with_gradients(jets: Jets) -> tuple[Jets, list[torch.Tensor]]:
    values, pooled = jets.tokens.values.clone().requires_grad_(), jets.pooled.clone().requires_grad_()
    return replace(jets, tokens=jets.tokens.with_values(values), pooled=pooled), [values, pooled]


def run(task: Task, jets: Jets) -> torch.Tensor:
    return task(jets.tokens, jets.pooled)


def gradients(task: Task, jets: Jets) -> dict[str, torch.Tensor]:
    jets, (values, pooled) = with_gradients(jets)
    task.zero_grad()
    task.loss(run(task, jets), jets.batch).backward()
    found = {name: parameter.grad.clone() for name, parameter in task.named_parameters()}
    if values.grad is not None:
        found["tokens"] = per_row(values.grad, jets)
    if pooled.grad is not None:
        found["pooled"] = pooled.grad
    return found


@pytest.mark.parametrize("weights", [True, False])
def test_packed_equals_padded(task, weights):
    padded = padded_jets(COUNTS, weights=weights)
    other = packed(padded)
    terms = [task.loss_terms(run(task, jets), jets.batch) for jets in (padded, other)]
    assert terms[0][1] > 0
    torch.testing.assert_close(terms[1], terms[0], rtol=1e-5, atol=1e-5)
    for jets, (_, number) in zip((padded, other), terms, strict=True):
        assert task.count(jets.batch) == number
    first, second = gradients(task, padded), gradients(task, other)
    assert first.keys() == second.keys()
    for name, gradient in first.items():
        torch.testing.assert_close(
            second[name], gradient, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: name + text
        )
        assert gradient.abs().sum() > 0, name
    says, also = (task.predict(run(task, jets), jets.batch) for jets in (padded, other))
    assert tuple(says) == tuple(also) == task.outputs
    for output in task.outputs:
        torch.testing.assert_close(per_row(also[output], other), per_row(says[output], padded), rtol=1e-5, atol=1e-5)


def test_metrics_do_not_depend_on_layout_or_batches(task):
    padded = padded_jets(COUNTS, seed=3)
    results = []
    for parts in ([padded], [packed(padded)], [packed(split(padded, 0, 3)), split(padded, 3, 10)]):
        metrics = task.metrics()
        for jets in parts:
            for metric in metrics.values():
                metric.update(run(task, jets), jets.batch)
        results.append({name: metric.compute() for name, metric in metrics.items()})
    assert results[0]
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-4, atol=1e-5)
    assert all(value.isfinite() for value in results[0].values())


def test_terms_of_parts_add_up(task, layout):
    whole = padded_jets(COUNTS, seed=5)
    parts = [layout(split(whole, *edges)) for edges in ((0, 2), (2, 3), (3, 10))]
    whole = layout(whole)
    total, number = task.loss_terms(run(task, whole), whole.batch)
    terms = [task.loss_terms(run(task, part), part.batch) for part in parts]
    torch.testing.assert_close(sum(part for part, _ in terms), total, rtol=1e-5, atol=1e-5)
    assert sum(part for _, part in terms) == number
    torch.testing.assert_close(task.loss(run(task, whole), whole.batch), total / number)


def without_targets(jets: Jets) -> Jets:
    labels = {
        stream: {
            key: torch.full_like(value, torch.nan if value.is_floating_point() else -1) for key, value in fields.items()
        }
        for stream, fields in jets.batch.labels.items()
    }
    return replace(jets, batch=replace(jets.batch, labels=labels))


@pytest.mark.parametrize("name", TASKS)
def test_nothing_to_learn_gives_zero_loss_and_zero_gradient(name, layout):
    task = randomise(TASKS[name]())
    jets = layout(padded_jets([0, 1, 1]) if name == "vertexing" else without_targets(padded_jets(COUNTS)))
    loss = task.loss(run(task, jets), jets.batch)
    assert loss == 0
    assert task.count(jets.batch) == 0
    for parameter, gradient in gradients(task, jets).items():
        assert (gradient == 0).all(), parameter
    for metric in task.metrics().values():
        metric.update(run(task, jets), jets.batch)
        assert metric.compute().isnan()


@pytest.mark.parametrize("name", WITH_MISSING)
def test_missing_targets_have_exactly_zero_gradient(name, layout):
    task, jets = randomise(TASKS[name]()), layout(padded_jets(COUNTS, seed=7))
    logits = run(task, jets).detach().requires_grad_()
    task.loss(logits, jets.batch).backward()
    labels = [jets.batch.labels[task.stream][output.field] for output in task.outputs if output.kind == "value"]
    labels = labels or [jets.batch.labels[task.stream][task.label.key]]
    missing = torch.stack([label.isnan() if label.is_floating_point() else label < 0 for label in labels], -1)
    # logits come in blocks of one value per label, but the classes all belong to one label
    gradient = logits.grad.unflatten(-1, (-1, len(labels))).transpose(-1, -2)
    assert missing.any()
    assert not missing.all()
    assert (gradient[missing] == 0).all()
    assert (gradient[~missing] != 0).all()
    other = torch.where(missing[..., None], 1e4, logits.detach().unflatten(-1, (-1, len(labels))).transpose(-1, -2))
    changed = other.transpose(-1, -2).flatten(-2)
    assert task.loss(changed, jets.batch) == task.loss(logits, jets.batch)


def test_jets_without_constituents(task, layout):
    jets = layout(padded_jets([0, 0, 0]))
    logits = run(task, jets)
    assert task.loss(logits, jets.batch).isfinite()
    for values in task.predict(logits, jets.batch).values():
        assert values.isfinite().all()


@pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name]().stream == "jets"])
def test_jet_tasks_need_no_tokens(name):
    task, jets = randomise(TASKS[name]()), padded_jets(COUNTS)
    assert torch.equal(task(None, jets.pooled), run(task, jets))


def test_constituent_tasks_need_tokens():
    with pytest.raises(ValueError, match="'tracks' needs the tokens"):
        TASKS["origin"]()(None, torch.zeros(2, POOLED))


def test_order_of_constituents_does_not_matter(task):
    jets = padded_jets([9, 9, 9], seed=2)
    order = torch.randperm(SLOTS, generator=torch.Generator().manual_seed(0))
    tracks = {key: value[:, order] for key, value in jets.batch.labels["tracks"].items()}
    batch = replace(
        jets.batch,
        inputs={**jets.batch.inputs, "tracks": jets.batch.inputs["tracks"][:, order]},
        labels={**jets.batch.labels, "tracks": tracks},
    )
    tokens = Tokens.merged({"tracks": (jets.tokens.values[:, order], layout_of(batch, "tracks"))})
    shuffled = Jets(batch, tokens, jets.pooled)
    torch.testing.assert_close(task.loss(run(task, shuffled), batch), task.loss(run(task, jets), jets.batch))
    said, also = task.predict(run(task, jets), jets.batch), task.predict(run(task, shuffled), batch)
    for output in task.outputs:
        if output.kind == "index":  # numbers follow the order: compare who is with whom
            one, other = said[output][:, order], also[output]
            assert torch.equal(one[:, :, None] == one[:, None], other[:, :, None] == other[:, None])
        elif output.stream == "tracks":
            torch.testing.assert_close(also[output], said[output][:, order])
        else:
            torch.testing.assert_close(also[output], said[output])


def test_training_never_waits_for_the_device(task, layout):
    jets, _ = with_gradients(layout(padded_jets(COUNTS)))
    with NoWaiting():
        logits = run(task, jets)
        task.loss(logits, jets.batch).backward()
        task.count(jets.batch)
        for metric in task.metrics().values():
            metric.update(logits.detach(), jets.batch)


def test_prediction_in_the_padded_layout_has_no_shape_that_depends_on_data(task):
    jets = padded_jets(COUNTS)
    with NoWaiting(), torch.no_grad():
        task.predict(run(task, jets), jets.batch)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch.compile does it itself
def test_loss_compiles_to_one_graph(task, layout):
    jets = layout(padded_jets(COUNTS))
    values, batch = jets.tokens.values, jets.batch

    def loss(values, pooled, batch):
        tokens = Tokens.merged({"tracks": (values, layout_of(batch, "tracks"))})
        return task.loss(task(tokens, pooled), batch)

    torch._dynamo.reset()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(values, jets.pooled, batch), loss(values, jets.pooled, batch))


def test_half_precision_logits_give_single_precision_losses(task):
    jets = padded_jets(COUNTS)
    logits = run(task, jets).bfloat16()
    assert task.loss(logits, jets.batch).dtype == torch.float32
    assert all(value.dtype in (torch.float32, torch.int64) for value in task.predict(logits, jets.batch).values())


def test_reads_name_the_labels_that_the_task_uses():
    shared = {"stream": "tracks", "label": "origin", "where": "pt > 1", "label_map": {0: "a", 1: "b"}}
    (request,) = Classification.reads(**shared, classes=["a", "b"])
    assert (request.stream, request.name, request.kind, request.pairs) == ("tracks", "origin", "class", False)
    assert request.classes == ("a", "b")
    assert request.key == "origin{0: a, 1: b}[pt > 1]"


def test_task_refuses_stream_without_inputs_and_negative_weight():
    bare = replace(SPEC, streams=(SPEC.streams[0], replace(SPEC.streams[1], variables=())))
    with pytest.raises(ValueError, match="'tracks' has no inputs"):
        Classification(bare, TOKEN, POOLED, stream="tracks", label="origin")
    with pytest.raises(ValueError, match="weight must be at least 0 and finite, got -1"):
        Classification(SPEC, TOKEN, POOLED, stream="jets", label="flavour", weight=-1)
    with pytest.raises(ValueError, match="no stream 'track'"):
        Classification(SPEC, TOKEN, POOLED, stream="track", label="origin")


def test_head_reads_the_jet_only_with_context():
    args = {"stream": "tracks", "label": "origin", "hidden": [7]}
    assert Classification(SPEC, TOKEN, POOLED, **args).head.in_dim == TOKEN + POOLED
    assert Classification(SPEC, TOKEN, POOLED, context=False, **args).head.in_dim == TOKEN


def concatenated(task: Task, jets: Jets) -> torch.Tensor:
    """Logits of a task on constituents, each with a copy of its jet's vector."""
    values, own = jets.tokens.of(task.stream)
    features = torch.cat([values, own.spread(jets.pooled)], -1)
    if not isinstance(task, Vertexing):
        return task.head(features)
    first, second, _ = own.pairs(features)
    together = task.activation(task.sum(first) + task.sum(second))
    apart = (task.difference(first) - task.difference(second)).abs()
    return task.head(torch.cat([together, apart], -1)).squeeze(-1)


@pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name]().context])
def test_head_is_that_of_the_constituent_and_its_jet(name, layout):
    task, jets = randomise(TASKS[name]()).double(), layout(padded_jets(COUNTS, seed=4))
    jets = replace(jets, tokens=jets.tokens.with_values(jets.tokens.values.double()), pooled=jets.pooled.double())
    results = []
    for route in (run, concatenated):
        one, inputs = with_gradients(jets)
        logits = route(task, one)
        direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        gradients = torch.autograd.grad((logits * direction).sum(), [*inputs, *task.parameters()])
        results.append([logits, *gradients])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-9)
    assert all(gradient.any() for gradient in results[0])


def test_nothing_that_follows_from_the_data_is_in_the_state(task):
    assert set(task.state_dict()) == {name for name, _ in task.named_parameters()}


def test_outputs_are_named_after_classes_and_labels():
    fields = {name: [output.field for output in TASKS[name]().outputs] for name in TASKS}
    assert fields["jets"] == ["pb", "pc", "pu"]
    assert fields["origin"] == ["ppileup", "pprimary", "pfromB", "pfromC"]
    assert fields["mass"] == ["mass", "energy"]
    assert fields["gauss"] == ["mass", "mass_stddev", "energy", "energy_stddev"]
    assert TASKS["vertexing"]().outputs == (Output("tracks", "VertexIndex", "index"),)
    assert TASKS["gauss_tracks"]().outputs[1] == Output("tracks", "true_pt_stddev", "sigma", "GeV")
