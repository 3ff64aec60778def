"""Beginning with the weights of another tagger."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_runs import MODEL, TASKS, make_run

from salt_like.data.norms import with_norms
from salt_like.errors import UserError
from salt_like.training import checkpoint
from salt_like.training.optimisers import make_optimizer, parameter_groups
from salt_like.training.origin import begin, freeze, open_origin

STORED = Path(__file__).parent.parent / "export" / "old" / "schema-1"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("origin") / "run", seed=3)


@pytest.fixture(scope="module")
def origin(run):
    return open_origin(run)


def fresh(origin, spec=None, **model):
    config = {**MODEL, "tasks": TASKS, **model}
    return checkpoint.build("new", spec or origin.spec, config), config["tasks"]


def test_everything_is_taken_where_all_is_the_same(origin):
    model, tasks = fresh(origin, ema=0.9)
    taken = begin(model, tasks, origin, ["*"])
    assert taken.left == {}
    assert taken.unused == ()
    for name, value in model.tagger.named_parameters():
        assert torch.equal(value, origin.weights[name])
        assert torch.equal(dict(model.averaged.module.named_parameters())[name], value)
    assert set(taken.taken) == {name for name, _ in model.tagger.named_parameters()}


def test_a_head_is_new_when_its_classes_change_even_in_number_they_are_the_same(origin):
    labels = [
        replace(one, classes=("first", *one.classes[1:])) if one.name == "flavour_label" else one
        for one in origin.spec.labels
    ]
    model, tasks = fresh(origin, replace(origin.spec, labels=tuple(labels)))
    before = {name: value.clone() for name, value in model.tagger.named_parameters()}
    taken = begin(model, tasks, origin, ["*"])
    heads = {name for name in before if name.startswith("tasks.flavour.")}
    assert set(taken.left) == heads
    assert all("its target differs: jets " in reason and "first" in reason for reason in taken.left.values())
    for name, value in model.tagger.named_parameters():
        assert torch.equal(value, before[name] if name in heads else origin.weights[name])


def test_only_what_is_asked_for_and_what_fits(origin):
    layers = {**MODEL["encoder"], "init_args": {"layers": 2, "heads": 2}}
    model, tasks = fresh(origin, encoder=layers)
    taken = begin(model, tasks, origin, ["encoder", "pooling.*"])
    reasons = set(taken.left.values())
    assert reasons == {"not asked for", "not in the other model"}
    assert {name for name, why in taken.left.items() if why == "not in the other model"} == {
        name for name, _ in model.tagger.named_parameters() if name.startswith("encoder.layers.1.")
    }
    assert all(name.startswith(("encoder.", "pooling.")) for name in taken.taken)
    fewer, tasks = fresh(origin, tasks={"flavour": TASKS["flavour"]})
    assert "tasks.vertices.head.0.weight" in begin(fewer, tasks, origin, ["*"]).unused


def test_a_tokenizer_is_new_when_the_inputs_mean_something_else(origin):
    jets, tracks = origin.spec.streams
    swapped = replace(origin.spec, streams=(jets, replace(tracks, variables=tracks.variables[::-1])))
    model, tasks = fresh(origin, swapped)
    taken = begin(model, tasks, origin, ["*"])
    assert set(taken.left.values()) == {"the inputs of 'tracks' differ"}
    assert all(name.startswith("tokenizers.tracks.") for name in taken.left)
    other = replace(origin.spec, streams=(replace(jets, variables=jets.variables[::-1]), tracks))
    model, tasks = fresh(origin, other)  # jets' variables are attached to the tracks
    assert set(begin(model, tasks, origin, ["*"]).left.values()) == {"the inputs of 'jets' differ"}


def test_mistakes(origin):
    model, tasks = fresh(origin)
    with pytest.raises(UserError, match=r"init_from.take: 'encodr' means none .* \(did you mean 'encoder'\?\)"):
        begin(model, tasks, origin, ["encodr"])
    with pytest.raises(UserError, match="nothing of .* can be taken over"):
        begin(fresh(origin, dim=16)[0], tasks, origin, ["encoder"])
    with pytest.raises(UserError, match="leaves nothing to train"):
        freeze(model, ["*"])


def test_frozen_weights_are_not_optimised_and_factors_scale_the_learning_rate(origin):
    factors = {"encoder": 0.5, "encoder.layers.0.attention": 0.1}
    model, _ = fresh(origin, lr_factors=factors)
    frozen = freeze(model, ["tokenizers", "*.bias"])
    names = {id(value): name for name, value in model.tagger.named_parameters()}
    optimizer = make_optimizer(model.optimizer, model, model.lr_factors)
    found = {names[id(one)]: group for group in optimizer.param_groups for one in group["params"]}
    assert not set(found) & set(frozen)
    assert set(found) | set(frozen) == set(names.values())
    for name, group in found.items():
        attention = name.startswith("encoder.layers.0.attention.")  # not attention_norm
        factor = 0.1 if attention else 0.5 if name.startswith("encoder.") else 1
        assert group["lr"] == pytest.approx(1e-3 * factor), name
        assert (group["weight_decay"] == 0) == (dict(model.tagger.named_parameters())[name].dim() < 2)
    assert optimizer.param_groups[0]["lr"] == 1e-3  # the one that metrics.csv shows
    with pytest.raises(UserError, match="model.lr_factors: 'encodr' means none"):
        fresh(origin, lr_factors={"encodr": 0.1})
    with pytest.raises(ValueError, match="factor of 'encoder' must be above 0"):
        fresh(origin, lr_factors={"encoder": 0.0})
    assert len(parameter_groups(fresh(origin)[0])) == 2


def test_norms_are_kept_for_what_means_the_same(origin):
    jets, tracks = origin.spec.streams
    moved = [replace(one, mean=one.mean + 1, std=2 * one.std) for one in tracks.variables]
    moved[0] = replace(moved[0], transform="asinh")
    other = replace(origin.spec, streams=(jets, replace(tracks, variables=tuple(moved))))
    first, *rest = with_norms(other, origin.spec).stream("tracks").variables
    assert first == moved[0]
    assert tuple(rest) == tracks.variables[1:]


def test_a_bundle_is_an_origin_and_a_changed_one_is_refused(tmp_path):
    bundle = next(path.parent for path in STORED.rglob("manifest.json"))
    found = open_origin(bundle)
    model = checkpoint.build("new", found.spec, dict(found.config))
    taken = begin(model, found.config["tasks"], found, ["*"])
    assert taken.left == {}
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    (copy / "config.yaml").write_text("model: !!python/object/apply:os.mkdir [executed]\n")
    with pytest.raises(UserError, match="config.yaml of the bundle is not what SHA256SUMS says"):
        open_origin(copy)


def test_what_is_no_tagger(tmp_path, run):
    with pytest.raises(UserError, match="no run folder"):
        open_origin(tmp_path / "none")
    with pytest.raises(UserError, match="no checkpoint at"):
        open_origin(tmp_path / "none.ckpt")
    assert open_origin(run / "checkpoints" / "best.ckpt").fingerprint == open_origin(run).fingerprint
