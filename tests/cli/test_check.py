from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import pytest
from lightning import Trainer
from standins import Attentive, Data, Model

from salt_like.cli import check
from salt_like.errors import UserError

TASK = {"class_path": "Sorting", "init_args": {"stream": "jets", "label": "flavour"}}
OWNERS = {"model": Model, "data": Data, "trainer": Trainer}
LINKED = {"model": ("name", "spec"), "data": ("seed", "requests"), "trainer": ()}


def checked(section: str, **given):
    if section == "model":
        given = {"tasks": {"t": copy.deepcopy(TASK)}, **given}
    return check.section(given, OWNERS[section], section, LINKED[section])


def task(**init_args):
    return {"tasks": {"t": {"class_path": "Sorting", "init_args": {**TASK["init_args"], **init_args}}}}


@pytest.mark.parametrize(
    ("section", "given", "message"),
    [
        ("data", {"batchsize": 3}, r"unknown key 'data.batchsize' \(did you mean 'batch_size'\?\), value 3\ndata"),
        ("model", {"enc": {}}, r"unknown key 'model.enc' \(did you mean 'encoder'\?\)"),
        ("trainer", {"max_epoch": 3}, r"unknown key 'trainer.max_epoch' \(did you mean 'max_epochs'\?\)"),
        ("model", {"encoder": {"layer": 3}}, r"unknown key 'model.encoder.layer' \(did you mean 'layers'\?\)"),
        ("model", {"encoder": {"class_path": "Summing", "init_args": {"size": [1]}}},
         r"unknown key 'model.encoder.init_args.size' \(did you mean 'sizes'\?\), value \[1\]\nSumming takes: rate"),
        ("model", {"encoder": {"class_path": "Atentive"}},
         r"model.encoder.class_path: no Block is called 'Atentive' \(did you mean 'Attentive'\?\)\nknown: Att"),
        ("model", {"encoder": "Atentive"}, r"no Block is called 'Atentive' \(did you mean 'Attentive'\?\)"),
        ("model", {"encoder": {"norm": "poost"}},
         r"model.encoder.norm = 'poost': expected one of pre, post \(did you mean 'post'\?\)"),
        ("model", {"encoder": {"class_path": "Summing", "layers": 3}},
         "model.encoder: 'layers' stands beside class_path; write it under init_args"),
        ("model", {"encoder": {"class_path": "Summing", "init_args": 3}}, "encoder.init_args = 3: expected a mapping"),
        ("model", {"encoder": 3}, "model.encoder = 3: expected a class of kind Block"),
        ("model", {"tasks": {"t": {"class_path": "Sortin"}}}, r"model.tasks.t.class_path: .*did you mean 'Sorting'"),
        ("model", {"tasks": {"t": {"stream": "jets"}}}, "model.tasks.t: missing class_path\nknown: Sorting"),
        ("model", {"tasks": {"t": {"class_path": "Sorting", "init_args": {"stream": "jets"}}}},
         r"missing key 'model.tasks.t.init_args.label' \(Sorting needs it\)\ngiven: stream"),
        ("model", task(lable="x"), r"unknown key 'model.tasks.t.init_args.lable' .*'label'.*, value 'x'"),
        ("model", task(weight="heavy"), "model.tasks.t.init_args.weight = 'heavy': expected a number"),
        ("model", task(label_map={"b": "bjets"}), "model.tasks.t.init_args.label_map: key 'b' must be an integer"),
        ("model", task(label_map={5: 5}), r"label_map.5 = 5: expected text \(write it in quotes\)"),
        ("model", {"tasks": [1]}, r"model.tasks = \[1\]: expected a mapping of keys to values"),
        ("model", {"tasks": None}, "model.tasks = None: expected a mapping"),
        ("model", {"dim": "big"}, "model.dim = 'big': expected an integer"),
        ("model", {"dim": True}, "model.dim = True: expected an integer"),
        ("model", {"dim": 1.5}, "model.dim = 1.5: expected an integer"),
        ("model", {"compile": "yes"}, "model.compile = 'yes': expected true or false"),
        ("model", {"optimizer": {"class_path": "Adm"}}, r"no Optimizer is called 'Adm' \(did you mean 'Adam'\?\)"),
        ("data", {"select": {"tracks": 3}}, r"data.select.tracks = 3: expected text \(write it in quotes\)"),
        ("data", {"inputs": {"jets": {"pt": {"trnsform": "log"}}}},
         r"unknown key 'data.inputs.jets.pt.trnsform' \(did you mean 'transform'\?\)"),
        ("data", {"inputs": {"jets": [1]}}, r"data.inputs.jets\[0\] = 1: expected text"),
        ("data", {"inputs": "pt"}, "data.inputs = 'pt': expected a mapping of keys to values or null"),
        ("data", {"split": {"by": "event"}}, "missing key 'data.split.fractions'"),
        ("data", {"split": {"by": "event", "fraction": [1]}}, "unknown key 'data.split.fraction' .*'fractions'"),
        ("data", {"bounds": [1, 2, 3]}, r"data.bounds = \[1, 2, 3\]: expected 2 values, found 3"),
        ("trainer", {"max_epochs": "many"}, "trainer.max_epochs = 'many': expected an integer or null"),
        ("trainer", {"callbacks": [{"class_path": "EarlyStoping"}]},
         r"trainer.callbacks\[0\].class_path: no Callback is called 'EarlyStoping' \(did you mean 'EarlyStopping'\?\)"),
        ("trainer", {"callbacks": [{"class_path": "EarlyStopping"}]},
         r"missing key 'trainer.callbacks\[0\].init_args.monitor' \(EarlyStopping needs it\)"),
        ("trainer", {"precision": "bf17-mixed"}, r"trainer.precision = 'bf17-mixed': .*did you mean 'bf16-mixed'"),
    ],
)  # fmt: skip
def test_mistakes(section, given, message):
    with pytest.raises(UserError, match=message) as caught:
        checked(section, **given)
    assert len(str(caught.value).splitlines()) <= 5
    assert max(map(len, str(caught.value).splitlines())) < 400


def test_missing_section_key():
    with pytest.raises(UserError, match=r"missing key 'model.tasks' \(model needs it\)"):
        check.section({"dim": 3}, Model, "model", LINKED["model"])


def test_classes_are_completed_and_whole_floats_become_integers():
    found = checked("model", dim=1e2, encoder={"layers": 4})
    assert found["dim"] == 100
    assert type(found["dim"]) is int
    assert found["encoder"] == {"class_path": "standins.Attentive", "init_args": {"layers": 4}}
    assert found["tasks"]["t"] == {"class_path": "standins.Sorting", "init_args": TASK["init_args"]}


def test_another_class_gets_its_own_defaults_not_those_of_the_usual_one():
    assert checked("model", encoder="Summing")["encoder"]["init_args"] == {"rate": 0.5}
    sgd = checked("model", optimizer={"class_path": "SGD", "init_args": {"lr": 1}})["optimizer"]
    assert sgd["init_args"]["weight_decay"] == 0
    assert sgd["init_args"]["lr"] == 1


def test_forms_that_are_accepted():
    assert checked("model", encoder={"init_args": {"layers": 2}})["encoder"]["init_args"] == {"layers": 2}
    assert (
        checked("model", encoder={"class_path": "standins.Attentive"})["encoder"]["class_path"] == "standins.Attentive"
    )
    assert checked("model", encoder=Attentive)["encoder"] is Attentive
    inputs = {"jets": {"pt": "log", "eta": None, "phi": {"default": -9}}, "tracks": ["d0"]}
    assert checked("data", inputs=inputs)["inputs"] == inputs
    assert checked("data", train={"a": ["x", "y"], "b": "z"})["train"] == {"a": ["x", "y"], "b": "z"}
    assert checked("data", train=None, bounds=[0, 1]) == {"train": None, "bounds": [0, 1]}
    assert checked("trainer", logger=False, devices=2, callbacks=None) == {
        "logger": False,
        "devices": 2,
        "callbacks": None,
    }


def test_arguments_beside_the_signature():
    entry = {"class_path": "Sorting", "init_args": TASK["init_args"], "dict_kwargs": {"label_map": {1: "a"}}}
    found = checked("model", tasks={"t": entry})["tasks"]["t"]
    assert found["dict_kwargs"] == {"label_map": {1: "a"}}


def test_a_function_by_dotted_path_is_left_to_jsonargparse():
    entry = {"class_path": "torch.optim.swa_utils.get_swa_avg_fn"}
    assert checked("model", optimizer=entry)["optimizer"] == entry


@pytest.mark.parametrize(
    ("value", "hint", "result"),
    [
        ([1, "a"], list, [1, "a"]),
        ({1: "a"}, dict, {1: "a"}),
        ({"4": "c", "-5": "b"}, dict[int, str], {4: "c", -5: "b"}),  # as a resolved configuration has them
        ([1, 2.0], tuple[int, ...], [1, 2]),
        ("simple", Attentive | str, "simple"),
        ({"rate": 0.2}, Callable[[int], Attentive], {"class_path": "standins.Attentive", "init_args": {"rate": 0.2}}),
        (3, TypeVar("T"), 3),
        ({"what": 1}, Callable[..., int], {"what": 1}),
    ],
)
def test_values_that_fit(value, hint, result):
    found = check.visit(value, hint, "x")
    assert found == result
    assert repr(found) == repr(result)  # 2 rather than 2.0


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        ([1.5], list[int] | list[bool], r"^x\[0\] = 1.5: expected an integer$"),
        ([1], tuple[int, int] | tuple[int, int, int], r"^x = \[1\]: expected a list of"),
        ("x" * 200, int, r"^x = 'x{76}…: expected an integer$"),
    ],
)
def test_values_that_do_not(value, hint, message):
    with pytest.raises(UserError, match=message):
        check.visit(value, hint, "x")


def test_a_class_that_passes_keys_on_takes_any_key():
    class Open:
        def __init__(self, one: int = 1, **rest: int) -> None:
            pass

    assert check.section({"two": 2, "one": 3}, Open, "x") == {"two": 2, "one": 3}
