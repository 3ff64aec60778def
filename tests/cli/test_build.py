from __future__ import annotations

import sys

import pytest
import torch
import yaml
from standins import Attentive, Data, Model, Summing

from salt_like.cli import build
from salt_like.cli.configuration import Configuration
from salt_like.errors import UserError

FULL = {
    "name": "GN2",
    "seed": 3,
    "data": {"train": "a.h5", "inputs": {"jets": ["pt"], "tracks": {"d0": "log", "z0": {"default": -1.0}}}},
    "model": {
        "dim": 16,
        "encoder": {"layers": 4},
        "tasks": {
            "flavour": {
                "class_path": "Sorting",
                "init_args": {"stream": "jets", "label": "f", "label_map": {5: "bjets", 4: "cjets"}},
            },
            "origin": {
                "class_path": "standins.Sorting",
                "init_args": {"stream": "tracks", "label": "o", "weight": 0.5},
            },
        },
    },
    "trainer": {"max_epochs": 1, "accelerator": "cpu"},
}


def built(**sections):
    content = {**FULL, **{key: {**FULL[key], **value} for key, value in sections.items()}}
    return build.build(Configuration(content, ()), Model, Data)


def test_everything_is_wired(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", "x"])
    parsed = built()
    assert (parsed.name, parsed.seed) == (parsed.model.name, parsed.data.seed) == ("GN2", 3)
    assert parsed.model.spec is parsed.data.spec
    assert isinstance(parsed.model.encoder, Attentive)
    assert (parsed.model.encoder.dim, parsed.model.encoder.layers) == (16, 4)
    assert parsed.model.tasks["origin"].dims == (16, 32)
    assert parsed.model.tasks["origin"].weight == 0.5
    assert [(one["stream"], one["name"], one["label_map"]) for one in parsed.data.requests] == [
        ("jets", "f", {5: "bjets", 4: "cjets"}),
        ("tracks", "o", None),
    ]
    assert parsed.trainer["max_epochs"] == 1
    assert isinstance(parsed.model.optimizer([torch.nn.Parameter(torch.ones(1))]), torch.optim.AdamW)


def test_the_resolved_configuration_is_plain_complete_and_builds_the_same():
    parsed = built()
    resolved = parsed.config
    top = ["name", "seed", "keep_best", "checkpoint_minutes", "init_from", "data", "model", "trainer"]
    assert list(resolved) == top
    assert resolved["model"]["encoder"] == {
        "class_path": "standins.Attentive",
        "init_args": {"layers": 4, "rate": 0.1, "norm": "pre"},
    }
    assert resolved["model"]["optimizer"]["init_args"]["weight_decay"] == 0.01
    assert {"requests", "seed"}.isdisjoint(resolved["data"])
    assert {"name", "spec"}.isdisjoint(resolved["model"])
    again = build.build(Configuration(yaml.safe_load(yaml.safe_dump(resolved)), ()), Model, Data)
    assert again.config == resolved
    assert again.model.first_weight == parsed.model.first_weight


def test_the_seed_decides_the_first_weights():
    content = {**FULL, "seed": 4}
    assert build.build(Configuration(content, ()), Model, Data).model.first_weight != built().model.first_weight


def test_other_classes_of_a_factory():
    parsed = built(model={"encoder": "Summing", "optimizer": {"class_path": "SGD", "init_args": {"lr": 0.5}}})
    assert isinstance(parsed.model.encoder, Summing)
    assert parsed.model.encoder.rate == 0.5
    group = parsed.model.optimizer([torch.nn.Parameter(torch.ones(1))]).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0)


def test_callbacks_of_the_trainer_are_built():
    entry = {"class_path": "EarlyStopping", "init_args": {"monitor": "val/loss"}}
    assert built(trainer={"callbacks": [entry]}).trainer["callbacks"][0].monitor == "val/loss"


def test_what_a_class_says_about_its_arguments_is_the_users_error():
    with pytest.raises(UserError, match="^dim must not be 13$"):
        built(model={"dim": 13})


def test_mistakes_are_found_before_anything_is_built():
    with pytest.raises(UserError, match=r"name = 5: expected text \(write it in quotes\)"):
        build.build(Configuration({**FULL, "name": 5}, ()), Model, Data)
    with pytest.raises(UserError, match="did you mean 'layers'"):
        built(model={"encoder": {"layer": 4}})


def test_a_class_of_the_users_own_file_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "my_blocks.py").write_text(
        "from standins import Block\n\n\nclass Mine(Block):\n"
        "    def __init__(self, dim: int, depth: int = 2) -> None:\n"
        "        super().__init__(dim)\n        self.depth = depth\n\n"
        "    def kind(self) -> str:\n        return 'mine'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    parsed = built(model={"encoder": {"class_path": "my_blocks.Mine", "init_args": {"depth": 7}}})
    assert parsed.model.encoder.depth == 7
