"""The assembled network: the same numbers by every route."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import jets
import pytest
import torch

from salt_like.batch import Batch
from salt_like.encoders import DeepSets, Transformer
from salt_like.nn.pooling import SumPooling
from salt_like.sets import layout_of
from salt_like.tagger import Tagger
from salt_like.tasks import Classification, GaussianRegression, Regression, Vertexing
from salt_like.tokenizers import DenseTokenizer

FLAVOUR = partial(Classification, stream="jets", label="flavour_label")
TASKS = {
    "flavour": FLAVOUR,
    "origin": partial(Classification, stream="tracks", label="origin", weight=0.5),
    "vertices": partial(Vertexing, stream="tracks", label="vertex", weight=1.5),
    "energy": partial(Regression, stream="jets", label="truth_pt", scale="log"),
    "energy_and_width": partial(GaussianRegression, stream="jets", label="truth_pt", scale="ratio", denominator="pt"),
}
ENCODERS = {
    "transformer": partial(Transformer, layers=2, heads=2),
    "registers": partial(Transformer, layers=2, heads=2, registers=3, gated=True, norm="RMSNorm", out_dim=6),
    "deepsets": DeepSets,
}


def tagger(encoder="transformer", tasks=("flavour", "origin", "vertices", "energy"), **options) -> Tagger:
    torch.manual_seed(1)
    model = Tagger(jets.spec(), 8, {name: TASKS[name] for name in tasks}, encoder=ENCODERS[encoder], **options)
    return jets.randomise(model).double()


def at_tracks(batch: Batch, values: torch.Tensor) -> torch.Tensor:
    """Values per track in a common grid, to compare layouts."""
    return layout_of(batch, "tracks").to_padded(values, jets.LENGTH)


def same(first: Batch, second: Batch, one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for output in one:
        left, right = one[output], other[output]
        if output.stream == "tracks":
            left, right = at_tracks(first, left), at_tracks(second, right)
        torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("options", [{}, {"attach_global": False}, {"join_global": True}], ids=str)
def test_packed_equals_padded(encoder, options):
    model = tagger(encoder, **options)
    content = jets.make()
    packed, padded = jets.doubled(jets.packed(content)), jets.doubled(jets.padded(content))
    same(packed, padded, model.predict(packed), model.predict(padded))


@pytest.mark.parametrize("tasks", [("flavour", "origin", "vertices", "energy"), ("energy_and_width",)], ids=str)
def test_losses_gradients_and_an_optimiser_step_agree_in_both_layouts(tasks):
    content = jets.make()
    results = []
    for batch in (jets.packed(content), jets.packed(content, buckets=1), jets.padded(content)):
        model, batch = tagger("registers", tasks), jets.doubled(jets.weighted(batch))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        logits = model(batch)
        losses = {name: model.task(name).loss(logits[name], batch) for name in logits}
        sum(losses.values()).backward()
        gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        optimizer.step()
        results.append((losses, gradients, dict(model.named_parameters())))
    for other in results[1:]:  # losses are computed in float32 whatever the logits are
        for mine, theirs in zip(results[0], other, strict=True):
            for name in mine:
                torch.testing.assert_close(
                    mine[name], theirs[name], rtol=1e-5, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}"
                )
    assert all(gradient.abs().max() > 0 for gradient in results[0][1].values())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_padding_never_matters(encoder):
    model = tagger(encoder)
    content = jets.make()
    clean, longer = jets.doubled(jets.padded(content)), jets.doubled(jets.padded(content, length=jets.LENGTH + 4))
    same(clean, longer, model.predict(clean), model.predict(longer))
    for garbage in (float("nan"), float("inf"), -999.0, 1e30):
        dirty = jets.doubled(jets.padded(content, garbage=garbage))
        same(clean, dirty, model.predict(clean), model.predict(dirty))
        model.zero_grad()
        logits = model(dirty)
        sum(model.task(name).loss(logits[name], dirty) for name in logits).backward()
        for name, parameter in model.named_parameters():
            assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("layout", [jets.packed, jets.padded])
def test_a_batch_is_left_as_it_was(layout):
    model = tagger("registers")
    batch = jets.doubled(layout(jets.make()))
    kept = batch.map(torch.Tensor.clone)
    logits = model(batch)
    for name in model.tasks:
        model.task(name).loss(logits[name], batch).backward(retain_graph=True)
        for metric in model.task(name).metrics().values():
            metric.update(logits[name].detach(), batch)
    model.predict(batch)
    tensors: list[list[torch.Tensor]] = [[], []]
    for one, seen in zip((batch, kept), tensors, strict=True):
        one.map(lambda tensor, seen=seen: seen.append(tensor) or tensor)
    assert len(tensors[0]) > 8
    assert [list(getattr(batch, part)) for part in ("inputs", "valid", "offsets")] == [
        list(getattr(kept, part)) for part in ("inputs", "valid", "offsets")
    ]
    for mine, theirs in zip(*tensors, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_jets_do_not_see_each_other(encoder):
    model = tagger(encoder)
    content = jets.make()
    whole = jets.doubled(jets.packed(content))
    rows = [7, 0, 2, 11, 5, 3]
    part = jets.doubled(jets.packed(content.take(rows)))
    all_of_them, some = model.predict(whole), model.predict(part)
    for output, values in some.items():
        expected = all_of_them[output]
        if output.stream == "tracks":
            values, expected = at_tracks(part, values), at_tracks(whole, expected)
        torch.testing.assert_close(values, expected[rows], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_order_of_tracks_does_not_matter_for_the_jet(encoder):
    model = tagger(encoder, tasks=("flavour",))
    content = jets.make()
    turned = replace(content, tracks=[one[::-1].copy() for one in content.tracks])
    first, second = jets.doubled(jets.packed(content)), jets.doubled(jets.packed(turned))
    torch.testing.assert_close(model(first)["flavour"], model(second)["flavour"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_jets_without_any_constituent_have_finite_predictions_and_gradients(encoder):
    model = tagger(encoder)
    content = jets.make(4, empty=(0, 1, 2, 3))
    for batch in (jets.doubled(jets.packed(content)), jets.doubled(jets.padded(content, length=1))):
        predictions = model.predict(batch)
        assert all(torch.isfinite(values).all() for output, values in predictions.items() if output.stream == "jets")
        logits = model(batch)
        losses = {name: model.task(name).loss(logits[name], batch) for name in logits}
        assert losses["origin"].item() == 0.0
        assert losses["vertices"].item() == 0.0
        model.zero_grad()
        sum(losses.values()).backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_without_constituents_it_is_a_dense_network_on_jet_variables():
    described = jets.spec()
    alone = replace(described, streams=(described.global_stream,))
    model = Tagger(alone, 8, {"flavour": FLAVOUR}, tokenizer=partial(DenseTokenizer, hidden=[16]))
    assert model.encoder is None
    batch = jets.packed(jets.make())
    logits = model(batch)["flavour"]
    expected = model.tasks["flavour"](None, model.tokenizers["jets"](model.norms["jets"](batch.inputs["jets"])))
    torch.testing.assert_close(logits, expected)


def test_one_stream_can_have_its_own_tokenizer():
    torch.manual_seed(0)
    model = Tagger(
        jets.spec(),
        8,
        {"flavour": FLAVOUR},
        tokenizers={"flows": partial(DenseTokenizer, hidden=[32])},
        encoder=ENCODERS["deepsets"],
        pooling=SumPooling,
    )
    count = {name: sum(p.numel() for p in one.parameters()) for name, one in model.tokenizers.items()}
    assert count["flows"] == (2 + 2) * 32 + 32 + 32 * 8 + 8
    assert sorted(count) == ["flows", "tracks"]


def test_refuses_what_cannot_be():
    described = jets.spec()
    with pytest.raises(ValueError, match=r"tokenizers: 'electrons' is not an input \(inputs: jets, tracks, flows\)"):
        Tagger(described, 8, {"flavour": FLAVOUR}, tokenizers={"electrons": DenseTokenizer})
    with pytest.raises(ValueError, match="the model has no inputs"):
        Tagger(replace(described, streams=(replace(described.global_stream, variables=()),)), 8, {"flavour": FLAVOUR})
    with pytest.raises(ValueError, match="^encoder: layers must be at least 1, got 0"):
        Tagger(described, 8, {"flavour": FLAVOUR}, encoder=partial(Transformer, layers=0))
    with pytest.raises(ValueError, match="^task 'flavour': weight must be at least 0 and finite, got nan"):
        Tagger(described, 8, {"flavour": partial(FLAVOUR, weight=math.nan)})
    with pytest.raises(ValueError, match="task 'a' and task 'b' both have an output 'pu' of stream 'jets'"):
        Tagger(described, 8, {"a": FLAVOUR, "b": FLAVOUR})


def test_outputs_are_what_predict_returns():
    model = tagger()
    batch = jets.doubled(jets.packed(jets.make()))
    assert tuple(model.predict(batch)) == model.outputs
    assert [output.column("GN2") for output in model.outputs] == [
        *(f"GN2_p{name}" for name in ("u", "c", "b", "tau")),
        *(f"GN2_p{name}" for name in jets.ORIGINS),
        "VertexIndex",
        "GN2_truth_pt",
    ]
