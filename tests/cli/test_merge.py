from __future__ import annotations

import copy

import pytest

from salt_like.cli.merge import merge, nested
from salt_like.errors import UserError

BASE = {
    "data": {"inputs": {"jets": {"pt": "log", "eta": "log"}, "tracks": ["d0"]}, "select": {"tracks": "pt > 1"}},
    "model": {
        "encoder": {"layers": 4, "heads": 8},
        "tasks": {
            "flavour": {"class_path": "Classification", "init_args": {"stream": "jets", "weight": 1.0}},
            "origin": {"class_path": "Classification", "init_args": {"stream": "tracks"}},
        },
    },
}


def merged(*path_and_value):
    *path, value = path_and_value
    before = copy.deepcopy(BASE)
    result = merge(BASE, nested(".".join(path), value))
    assert before == BASE  # never changed
    return result


def test_mappings_are_merged_and_lists_replaced():
    assert merged("model", "encoder", "layers", 6)["model"]["encoder"] == {"layers": 6, "heads": 8}
    assert merged("data", "inputs", "tracks", ["z0"])["data"]["inputs"]["tracks"] == ["z0"]


def test_a_new_task_is_added_after_the_others():
    tasks = merged("model", "tasks", "vertex", {"class_path": "Vertexing"})["model"]["tasks"]
    assert list(tasks) == ["flavour", "origin", "vertex"]


def test_null_removes_a_task_a_stream_and_a_selection():
    assert list(merged("model", "tasks", "origin", None)["model"]["tasks"]) == ["flavour"]
    assert list(merged("data", "inputs", "tracks", None)["data"]["inputs"]) == ["jets"]
    assert merged("data", "select", "tracks", None)["data"]["select"] == {}
    assert "encoder" not in merged("model", "encoder", None)["model"]


def test_null_is_a_value_where_the_entry_is_not_named_by_the_user():
    assert merged("data", "inputs", "jets", "eta", None)["data"]["inputs"]["jets"] == {"pt": "log", "eta": None}
    assert merged("trainer", "max_epochs", None)["trainer"] == {"max_epochs": None}


def test_removing_a_task_that_is_not_there_names_the_nearest():
    with pytest.raises(UserError, match=r"model\.tasks\.orign.*did you mean 'origin'.*\ntasks: flavour, origin"):
        merged("model", "tasks", "orign", None)


def test_plain_key_of_a_class_entry_goes_into_its_arguments():
    task = merged("model", "tasks", "flavour", "weight", 0.5)["model"]["tasks"]["flavour"]
    assert task == {"class_path": "Classification", "init_args": {"stream": "jets", "weight": 0.5}}


def test_init_args_can_be_given_in_full_too():
    task = merged("model", "tasks", "flavour", "init_args", "weight", 0.5)["model"]["tasks"]["flavour"]
    assert task["init_args"] == {"stream": "jets", "weight": 0.5}


def test_another_class_replaces_the_arguments_of_the_first():
    assert merged("model", "encoder", "class_path", "DeepSets")["model"]["encoder"] == {"class_path": "DeepSets"}
    task = merged("model", "tasks", "origin", {"class_path": "Vertexing", "init_args": {"stream": "flows"}})
    assert task["model"]["tasks"]["origin"] == {"class_path": "Vertexing", "init_args": {"stream": "flows"}}


def test_the_same_class_keeps_them():
    task = merged("model", "tasks", "origin", {"class_path": "Classification", "init_args": {"weight": 2}})
    assert task["model"]["tasks"]["origin"]["init_args"] == {"stream": "tracks", "weight": 2}


def test_arguments_after_the_name_of_a_class_are_those_of_that_class():
    named = merge({"model": {"optimizer": "SGD"}}, nested("model.optimizer.lr", 0.1))
    assert named == {"model": {"optimizer": {"class_path": "SGD", "init_args": {"lr": 0.1}}}}
    again = merge(named, nested("model.optimizer.momentum", 0.9))
    assert again["model"]["optimizer"]["init_args"] == {"lr": 0.1, "momentum": 0.9}
    other = merge({"trainer": {"logger": "CSVLogger"}}, {"trainer": {"logger": {"class_path": "CometLogger"}}})
    assert other == {"trainer": {"logger": {"class_path": "CometLogger"}}}
    samples = merge({"data": {"train": "a.h5"}}, nested("data.train.ttbar", "b.h5"))
    assert samples == {"data": {"train": {"ttbar": "b.h5"}}}


@pytest.mark.parametrize("key", ["model..dim", ".model", "model."])
def test_empty_part_of_a_key(key):
    with pytest.raises(UserError, match="single dots"):
        nested(key, 1)
