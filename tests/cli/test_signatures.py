from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Optional

import pytest
import torch
from standins import Attentive, Block, Split, Summing

from salt_like.cli import signatures


def test_leading_arguments_are_left_out():
    found = signatures.signature(Attentive, skip=1)
    assert list(found.parameters) == ["layers", "rate", "norm"]
    assert not found.is_open
    assert found.parameters["layers"] == signatures.Parameter("layers", int, False, 3)


def test_keyword_arguments_open_a_signature():
    def function(one, **rest):
        pass

    found = signatures.signature(function)
    assert found.is_open
    assert found.parameters["one"] == signatures.Parameter("one", Any, True, None)


def test_typed_dictionary():
    found = signatures.signature(Split)
    assert {name: one.required for name, one in found.parameters.items()} == {"by": True, "fractions": True}


def test_names_that_only_type_checkers_know():
    def function(one: Nothing = 3):  # noqa: F821
        pass

    assert signatures.signature(function).parameters["one"].hint is Any


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "an integer"),
        (str | None, "text or null"),
        (Optional[list[float]], "a list of [a number] or null"),  # noqa: UP045
        (Literal["a", "b"] | Literal["b"], "one of a, b or one of b"),
        (dict[str, int], "a mapping of keys to values"),
        (Sequence, "a list"),
        (tuple[int, float], "a list of [an integer, a number]"),
        (Callable[[int], Attentive | Summing], "a class of kind Attentive or Summing"),
        (Callable, "something else"),
        (float | torch.Tensor, "a number"),
        (Path, "something else"),
    ],
)
def test_types_in_words(hint, text):
    assert signatures.describe(hint) == text


def test_classes_and_filled_in_arguments():
    assert signatures.bases(Callable[[int, int], Block]) == (Block,)
    assert signatures.filled_in(Callable[[int, int], Block]) == 2
    assert signatures.filled_in(Callable[..., Block]) == 0
    assert signatures.bases(Block) == (Block,)
    assert signatures.bases(dict[str, int]) == signatures.bases(Path) == signatures.bases(Callable) == ()
