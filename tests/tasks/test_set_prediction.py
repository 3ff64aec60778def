from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tasks.labelled import POOLED, SLOTS, TOKEN, Jets, NoWaiting, per_row
from tasks.object_jets import ARGUMENTS, CAPACITY, COUNTS, SPEC, changed, make_task, object_jets, packed_objects

from salt_like.assignment import solve
from salt_like.sets import Padded, Tokens, layout_of
from salt_like.spec import Output
from salt_like.tasks import SetPrediction
from salt_like.tasks.objects import Found
from salt_like.tasks.set_losses import SetLoss, mask_losses, matched, value_losses


def run(task: SetPrediction, jets: Jets) -> Found:
    return task(jets.tokens, jets.pooled)


def gradients(task: SetPrediction, jets: Jets) -> dict[str, torch.Tensor]:
    values = jets.tokens.values.clone().requires_grad_()
    task.zero_grad()
    task.loss(run(task, replace(jets, tokens=jets.tokens.with_values(values))), jets.batch).backward()
    found = {name: parameter.grad.clone() for name, parameter in task.named_parameters()}
    return {**found, "tokens": per_row(values.grad, jets)}


@pytest.mark.parametrize("changes", [{}, {"masked": False, "label": None, "values": None, "fewest": 0}, {"dim": 8}])
@pytest.mark.parametrize("weights", [True, False])
def test_packed_equals_padded(changes, weights):
    task, padded = make_task(**changes), object_jets(weights=weights)
    other = packed_objects(padded)
    terms = [task.loss_terms(run(task, jets), jets.batch) for jets in (padded, other)]
    torch.testing.assert_close(terms[1], terms[0], rtol=1e-5, atol=1e-5)
    assert terms[0][1] == task.count(padded.batch) == task.count(other.batch) == len(COUNTS)
    first, second = gradients(task, padded), gradients(task, other)
    for name, gradient in first.items():
        torch.testing.assert_close(second[name], gradient, rtol=1e-4, atol=1e-5, msg=lambda text, n=name: n + text)
        assert gradient.abs().sum() > 1e-7 or name.endswith("key_norm.bias"), name
    said, also = (task.predict(run(task, jets), jets.batch) for jets in (padded, other))
    assert tuple(said) == tuple(also) == task.outputs
    for output in task.outputs:
        ours, theirs = said[output], also[output]
        ours = per_row(ours, padded) if output.stream == "tracks" else ours
        torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5)


def test_outputs_are_of_objects_and_constituents():
    task, jets = make_task(), object_jets()
    assert task.outputs == (
        Output("hadrons", "pbhadrons", "probability", of_class="bhadrons", objects=4),
        Output("hadrons", "pchadrons", "probability", of_class="chadrons", objects=4),
        Output("hadrons", "pnone", "probability", of_class="none", objects=4),
        Output("hadrons", "pt", "value", "GeV", objects=4),
        Output("hadrons", "Lxy", "value", "mm", objects=4),
        Output("tracks", "hadrons_mask", "probability", width=4),
        Output("tracks", "hadronsIndex", "index"),
    )
    found, random = run(task, jets), torch.Generator().manual_seed(0)
    found = Found(*(torch.randn(one.shape, generator=random) * 2 for one in found))
    said = {output.field: values for output, values in task.predict(found, jets.batch).items()}
    shares = torch.stack([said["pbhadrons"], said["pchadrons"], said["pnone"]], -1)
    torch.testing.assert_close(shares, found.classes[:, -1].softmax(-1))
    torch.testing.assert_close(said["pt"], found.values[:, -1, :, 0].exp() * 50)
    torch.testing.assert_close(said["Lxy"], found.values[:, -1, :, 1] * 2 + 3)
    torch.testing.assert_close(said["hadrons_mask"], found.masks[..., -1, :].sigmoid())
    for jet, track in itertools.product(range(len(COUNTS)), range(SLOTS)):
        best, index = 0.5, -1
        for query in range(4):
            share = said["hadrons_mask"][jet, track, query]
            if said["pnone"][jet, query] < 0.5 and share > best:
                best, index = share, query
        assert said["hadronsIndex"][jet, track] == (index if track < COUNTS[jet] else -1)
    assert len(said["hadronsIndex"].unique()) > 2


def brute_truth(jets: Jets, fewest: int) -> list[dict[int, set[int]]]:
    """Slot of each object that is to be found → its constituents, jet by jet."""
    labels, valid = jets.batch.labels, jets.batch.valid
    found = []
    for jet in range(jets.batch.size):
        own = {}
        for slot in range(CAPACITY):
            key = int(labels["truth_hadrons"]["barcode"][jet, slot])
            known = bool(valid["truth_hadrons"][jet, slot]) and int(labels["truth_hadrons"]["flavour"][jet, slot]) >= 0
            parents = labels["tracks"]["parent"][jet].tolist()
            members = {t for t in range(SLOTS) if valid["tracks"][jet, t] and parents[t] == key}
            if known and len(members) >= fewest:
                own[slot] = members
        found.append(own)
    return found


@pytest.mark.parametrize("fewest", [0, 1, 2])
def test_truth_is_that_of_a_loop(fewest):
    jets = object_jets()
    truth = make_task(fewest=fewest).sought.truth(jets.batch)
    numbers = set()
    for jet, own in enumerate(brute_truth(jets, fewest)):
        assert torch.nonzero(truth.asked[jet]).flatten().tolist() == sorted(own)
        for slot in range(CAPACITY):
            members = set(torch.nonzero(truth.members[jet, :, slot]).flatten().tolist())
            assert members == own.get(slot, set())
        numbers.add(len(own))
    assert numbers >= ({0, 1, 2} if fewest < 2 else {0, 1})


def brute_loss(task: SetPrediction, jets: Jets, criterion: SetLoss) -> float:
    """The definition, jet by jet, with every possible assignment tried."""
    found, total = Found(*(one.detach() for one in run(task, jets))), 0.0
    flavour = jets.batch.labels["truth_hadrons"]["flavour"]
    scaled = [target.scaled(jets.batch) for target in task.targets]
    layers, queries = found.classes.shape[1:3]
    for jet, own in enumerate(brute_truth(jets, task.sought.fewest)):
        tracks = [t for t in range(SLOTS) if jets.batch.valid["tracks"][jet, t]]
        for layer in range(layers):
            logp = found.classes[jet, layer].double().log_softmax(-1)

            def pair(query, slot, jet=jet, layer=layer, tracks=tracks, own=own):
                bce = over = size = 0.0
                for track in tracks:
                    p = float(found.masks[jet, track, layer, query].double().sigmoid())
                    member = track in own[slot]
                    bce -= np.log(p if member else 1 - p)
                    over += p * member
                    size += p + member
                known = [
                    abs(float(found.values[jet, layer, query, place] - values[jet, slot]))
                    for place, values in enumerate(scaled)
                    if values[jet, slot].isfinite()
                ]
                dice = 1 - (2 * over + 1) / (size + 1)
                value = sum(known) / max(len(known), 1)
                return (
                    criterion.mask_weight * bce / max(len(tracks), 1)
                    + criterion.dice_weight * dice
                    + criterion.value_weight * value
                )

            best = None
            for chosen in itertools.permutations(range(queries), len(own)):
                pairs = list(zip(chosen, own, strict=True))
                losses = [pair(query, slot) for query, slot in pairs]
                shares = [float(logp[query, flavour[jet, slot]].exp()) for query, slot in pairs]
                cost = sum(losses) - criterion.class_weight * sum(shares)
                if best is None or cost < best[0]:
                    best = cost, losses, pairs
            _, losses, pairs = best
            classes = dict(pairs)
            entropy = sum(
                -float(logp[query, flavour[jet, classes[query]]])
                if query in classes
                else -criterion.none_weight * float(logp[query, -1])
                for query in range(queries)
            )
            loss = sum(losses) / max(len(losses), 1) + criterion.class_weight * entropy / queries
            weight = float(jets.batch.weights[jet])
            total += weight * loss * (1 if layer == layers - 1 else criterion.auxiliary)
    return total


@pytest.mark.parametrize("seed", [0, 3])
def test_loss_is_that_of_a_loop_over_all_assignments(seed):
    weights = {"class_weight": 2.0, "mask_weight": 3.0, "dice_weight": 0.7, "value_weight": 0.4}
    task = make_task(none_weight=0.3, auxiliary=0.6, **weights)
    jets = object_jets([3, 0, 5, 1, 4, 2], seed)
    total, number = task.loss_terms(run(task, jets), jets.batch)
    assert number == 6
    assert total.item() == pytest.approx(brute_loss(task, jets, task.criterion), rel=1e-4)


def test_assignment_is_the_best_of_all_permutations():
    costs = torch.randn(40, 5, 3, generator=torch.Generator().manual_seed(0))
    asked = torch.rand(40, 3, generator=torch.Generator().manual_seed(1)) < 0.6
    found = solve(costs, asked)
    for cost, there, chosen in zip(costs, asked, found, strict=True):
        objects = torch.nonzero(there).flatten().tolist()
        best = min(
            sum(float(cost[q, m]) for q, m in zip(queries, objects, strict=True))
            for queries in itertools.permutations(range(5), len(objects))
        )
        assert sum(float(cost[chosen[m], m]) for m in objects) == pytest.approx(best, abs=1e-5)
        assert (chosen[~there] == -1).all()
        assert len(set(chosen[there].tolist())) == len(objects)
    # more objects than candidates: each candidate has one, the others none
    found = solve(costs.transpose(1, 2), torch.ones(40, 5, dtype=torch.bool))
    assert ((found >= 0).sum(1) == 3).all()
    # a network that has diverged is for others to notice
    assert solve(torch.full((1, 2, 2), torch.nan), torch.ones(1, 2, dtype=torch.bool)).sort()[0].tolist() == [[0, 1]]


def test_golden_values_of_masks_and_values():
    masks = torch.tensor([[[[2.0]], [[-1.0]], [[0.5]], [[99.0]]]])  # one jet, one layer, one query; the last is padding
    members = torch.tensor([[[True], [False], [True], [True]]])
    layout = Padded(torch.tensor([[True, True, True, False]]))
    entropy, dice = mask_losses(masks, members, layout)
    p = [1 / (1 + np.exp(-x)) for x in (2.0, -1.0, 0.5)]
    expected = -(np.log(p[0]) + np.log(1 - p[1]) + np.log(p[2])) / 3
    assert entropy.item() == pytest.approx(expected, rel=1e-6)
    assert dice.item() == pytest.approx(1 - (2 * (p[0] + p[2]) + 1) / (sum(p) + 2 + 1), rel=1e-6)
    nothing = mask_losses(masks, members, Padded(torch.zeros(1, 4, dtype=torch.bool)))
    assert [one.item() for one in nothing] == [0, 0]
    values, true = torch.tensor([[[[1.0, -3.0]]]]), torch.tensor([[[0.5, 1.0], [torch.nan, 0.0], [torch.nan] * 2]])
    assert value_losses(values, true).flatten().tolist() == [(0.5 + 4) / 2, 3, 0]
    assert value_losses(values, true, 1.0).flatten().tolist() == [(0.125 + 3.5) / 2, 2.5, 0]


def test_order_of_constituents_and_objects_does_not_matter():
    task, jets = make_task(), object_jets([9, 9, 9, 9], seed=4)
    random = torch.Generator().manual_seed(0)
    order, other = torch.randperm(SLOTS, generator=random), torch.tensor([2, 0, 1])
    tracks = {name: one[:, order] for name, one in jets.batch.labels["tracks"].items()}
    hadrons = {name: one[:, other] for name, one in jets.batch.labels["truth_hadrons"].items()}
    shuffled = changed(changed(jets, "tracks", **tracks), "truth_hadrons", **hadrons)
    valid = {**jets.batch.valid, "truth_hadrons": jets.batch.valid["truth_hadrons"][:, other]}
    batch = replace(shuffled.batch, valid=valid)
    tokens = Tokens.merged({"tracks": (jets.tokens.values[:, order], layout_of(batch, "tracks"))})
    shuffled = Jets(batch, tokens, jets.pooled)
    torch.testing.assert_close(task.loss(run(task, shuffled), batch), task.loss(run(task, jets), jets.batch))
    said, also = task.predict(run(task, jets), jets.batch), task.predict(run(task, shuffled), batch)
    for output in task.outputs:
        expected = said[output][:, order] if output.stream == "tracks" else said[output]
        torch.testing.assert_close(also[output], expected, rtol=1e-5, atol=1e-5)


def test_values_of_queries_without_object_and_unknown_values_have_exactly_zero_gradient():
    task, jets = make_task(), object_jets(seed=2)
    found = Found(*(one.detach().requires_grad_() for one in run(task, jets)))
    truth = task.sought.truth(jets.batch)
    task.loss(found, jets.batch).backward()
    values = task._values(jets.batch)
    costs, _ = task.criterion._pairs(found, truth, values, layout_of(jets.batch, "tracks"))
    taken = matched(costs, truth.asked)
    known = (taken[..., None] & values.isfinite()[:, None, None]).any(3)
    assert known.any()
    assert not known.all()
    assert (found.values.grad[~known] == 0).all()
    assert (found.values.grad[known] != 0).all()
    # jets without an object ask nothing of masks, and something of classes
    empty = ~truth.asked.any(1)
    assert empty.any()
    assert (found.masks.grad[empty] == 0).all()
    assert (found.classes.grad[empty] != 0).all()


def test_batch_without_any_object():
    task, jets = make_task(), object_jets()
    none = {name: torch.full_like(one, -1) for name, one in jets.batch.labels["truth_hadrons"].items()}
    for some in (changed(jets, "truth_hadrons", **none), packed_objects(changed(jets, "truth_hadrons", **none))):
        found = run(task, some)
        # of every jet and layer: the mean of -ln p(none)
        entropy = -found.classes.log_softmax(-1)[..., -1].mean(-1).sum(-1)
        total, _ = task.loss_terms(found, some.batch)
        torch.testing.assert_close(total, (entropy * some.batch.weights).sum())
        for name, metric in task.metrics().items():
            metric.update(found, some.batch)
            assert metric.compute().isnan() == (name not in ("purity", "assignment_accuracy"))


@pytest.mark.parametrize("layout", [lambda jets: jets, packed_objects], ids=["padded", "packed"])
def test_jets_without_constituents(layout):
    task, jets = make_task(), layout(object_jets([0, 0, 0]))
    found = run(task, jets)
    assert task.loss(found, jets.batch).isfinite()
    assert all(values.isfinite().all() for values in task.predict(found, jets.batch).values())
    beside = layout(object_jets([0, 5, 0]))  # what a jet without constituents says does not depend on others
    beside = replace(beside, pooled=jets.pooled)
    torch.testing.assert_close(run(task, beside).classes[[0, 2]], found.classes[[0, 2]])


def test_metrics_are_those_of_perfect_and_of_useless_answers():
    task, jets = make_task(), object_jets(seed=3)
    truth = task.sought.truth(jets.batch)
    masks = torch.full((len(COUNTS), SLOTS, 1, 4), -9.0)
    masks[..., 0, :CAPACITY] = torch.where(truth.members, 9.0, -9.0)
    classes = torch.full((len(COUNTS), 1, 4, 3), -9.0)
    classes[..., -1] = 0.0
    classes[:, 0, :CAPACITY].scatter_(2, truth.classes[..., None], torch.where(truth.asked, 9.0, -9.0)[..., None])
    perfect = Found(classes, torch.zeros(len(COUNTS), 1, 4, 2), masks)
    for name, metric in task.metrics().items():
        metric.update(perfect, jets.batch)
        assert metric.compute() == 1, name
    one = Found(perfect.classes, perfect.values, torch.full_like(masks, -9.0))
    found = task.metrics()
    for metric in found.values():
        metric.update(one, jets.batch)
    real = jets.batch.valid["tracks"]
    assert found["efficiency"].compute() == 0
    none = (~truth.members.any(-1) & real).sum() / real.sum()
    torch.testing.assert_close(found["assignment_accuracy"].compute(), none)


def test_metrics_do_not_depend_on_layout_or_batches():
    task, jets = make_task(), object_jets(seed=6)
    results = []
    for one in (jets, packed_objects(jets)):
        metrics = task.metrics()
        for metric in metrics.values():
            metric.update(run(task, one), one.batch)
        results.append({name: metric.compute() for name, metric in metrics.items()})
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-5)
    assert results[0]["efficiency"] > 0


def test_forward_and_metrics_never_wait_for_the_device():
    task, jets = make_task(), packed_objects(object_jets())
    assert task.waits
    with NoWaiting():
        found = run(task, jets)
        task.count(jets.batch)
        task.loss(found, jets.batch).backward()
        for metric in task.metrics().values():
            metric.update(found, jets.batch)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_loss_compiles_to_one_graph():
    task, jets = make_task(), packed_objects(object_jets())

    def loss(values, pooled, batch):
        tokens = Tokens.merged({"tracks": (values, layout_of(batch, "tracks"))})
        return task.loss(task(tokens, pooled), batch)

    torch._dynamo.reset()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    given = (jets.tokens.values, jets.pooled, jets.batch)
    torch.testing.assert_close(compiled(*given), loss(*given))


def test_moved_logits_find_what_is_undecided():
    task, jets = make_task(), object_jets()
    found = run(task, jets)
    index = task.predict(found, jets.batch)[task.outputs[-1]]
    masks = found.masks.clone()
    jet, track = (index >= 0).nonzero()[0].tolist()
    best = int(index[jet, track])
    exists = (found.classes[jet, -1].softmax(-1)[:, -1] < 0.5).nonzero().flatten().tolist()
    other = next(query for query in exists if query != best)
    masks[jet, track, -1, other] = masks[jet, track, -1, best] - 1e-6  # as near as two can be
    close = found._replace(masks=masks)
    said = [task.predict(one, jets.batch)[task.outputs[-1]] for one in (close, *task.moved(close, 4e-5))]
    changes = torch.stack([one != said[0] for one in said[1:]]).any(0)
    assert changes[jet, track]
    assert changes.sum() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": 2}, r"queries must be at least 3, as many objects as .*'truth_hadrons', got 2\nor look at fewer"),
        ({"stream": "jets"}, "stream must be one of constituents"),
        ({"none_weight": -1}, "none_weight must be at least 0 and finite, got -1"),
        ({"loss": "mse"}, "loss must be 'l1' or 'huber', got 'mse'"),
        ({"loss": "huber", "huber_delta": 0}, "huber_delta must be above 0"),
        ({"threshold": 1}, r"threshold must be in \(0, 1\), got 1"),
        ({"name": "tracks"}, "name must differ from the datasets jets, tracks, truth_hadrons, got 'tracks'"),
        ({"name": "two words"}, "name must be a word"),
        ({"fewest": -1}, "fewest must be at least 0"),
        ({"heads": 4}, "dim must be a multiple of heads"),
        ({"link": "parents"}, "no label 'parents' of stream 'tracks'"),
    ],
)
def test_refuses(changes, message):
    labels = SPEC.labels
    if changes.get("stream") == "jets":
        labels = (*labels, replace(labels[0], stream="jets"))
    with pytest.raises(ValueError, match=message):
        SetPrediction(replace(SPEC, labels=labels), TOKEN, POOLED, **{**ARGUMENTS, **changes})
