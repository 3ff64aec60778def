from __future__ import annotations

import pytest
from standins import Attentive, Block, Summing
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from salt_like.cli import class_names
from salt_like.errors import UserError


def test_known_leaves_out_abstract_and_base_classes():
    known = class_names.known((Block,))
    assert known["Attentive"] == [Attentive]
    assert known["Summing"] == [Summing]
    assert "Block" not in known


def test_a_base_with_nothing_below_it_stands_for_itself():
    assert class_names.known((Attentive,)) == {"Attentive": [Attentive]}
    schedulers = class_names.known((LRScheduler, ReduceLROnPlateau))
    assert schedulers["ReduceLROnPlateau"] == [ReduceLROnPlateau]
    assert "LRScheduler" not in schedulers


def test_short_and_dotted_names():
    assert class_names.resolve("Summing", (Block,), "x") is Summing
    assert class_names.resolve("standins.Summing", (Block,), "x") is Summing


def test_two_classes_of_one_name_are_printed_in_full():
    class Root:
        pass

    first = type("Twin", (Root,), {"__module__": "a"})
    second = type("Twin", (Root,), {"__module__": "b"})
    with pytest.raises(UserError, match=r"x: several classes are called 'Twin': a.Twin, b.Twin"):
        class_names.resolve("Twin", (Root,), "x")
    assert first is not second


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (3, "x = 3: expected the name of a class of kind Block"),
        ("nowhere.Block", "'nowhere.Block' cannot be imported: No module named 'nowhere'"),
        ("standins.Sumimng", r"module 'standins' has no 'Sumimng' \(did you mean 'Summing'\?\)"),
        ("standins.Model", "'standins.Model' is not of kind Block\nknown: Attentive, Summing"),
    ],
)
def test_mistakes(name, message):
    with pytest.raises(UserError, match=message):
        class_names.resolve(name, (Block,), "x")


def test_lists_are_shortened_between_names():
    assert class_names.shorten(["ab", "cd"]) == "ab, cd"
    assert class_names.shorten(["ab", "cd", "ef"], limit=7) == "ab, cd, …"
    assert class_names.shorten([]) == "none"
