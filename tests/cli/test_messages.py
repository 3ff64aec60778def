from __future__ import annotations

from argparse import ArgumentError

from salt_like.cli import messages
from salt_like.errors import UserError


def test_types_are_put_in_words_and_noise_left_out():
    text = (
        'Parser key "model.encoder":\n'
        '  Type collections.abc.Callable[[int], a.b] expects a function or a callable class: Parser key "norm":\n'
        "    Expected a typing.Literal['pre', 'post']. Got value: prre"
    )
    assert messages.condense(ArgumentError(None, text)) == (
        "model.encoder.norm: Expected a Literal['pre', 'post']. Got value: prre"
    )


def test_unions_are_condensed_to_a_few_lines():
    text = (
        'Parser key "data.x":\n  Does not validate against any of the Union subtypes\n  Subtypes: [a, b]\n'
        "  Errors:\n    - Expected a <class 'dict'>\n    - Expected a <class 'NoneType'>\n"
        "  Given value type: <class 'str'>\n  Given value: pt"
    )
    assert messages.condense(ArgumentError(None, text)) == ("data.x: Expected a dict\nGiven value: pt")


def test_at_most_four_lines_of_at_most_200_characters():
    found = messages.condense(ValueError("\n".join(["x" * 500] * 9))).splitlines()
    assert [len(line) for line in found] == [200] * 4
    assert messages.condense(ValueError("")) == "not valid"


def test_a_message_for_the_user_below_wins():
    error = ArgumentError(None, "a page of text")
    error.__cause__ = UserError("no field 'x'")
    assert messages.condense(error) == "no field 'x'"


def test_a_constructors_message_is_cut():
    assert messages.from_constructor(ValueError("a\nb\nc\nd\ne\nf\n")) == "a\nb\nc\nd\ne"


def test_what_a_class_within_a_union_said_is_all_that_is_left():
    text = (
        "Does not validate against any of the Union subtypes\nSubtypes: [list[a.B], <class 'NoneType'>]\nErrors:\n"
        "  - the width of 'd0' must not be negative\n  - Expected a <class 'NoneType'>\n"
        "Given value type: <class 'list'>\nGiven value: [Namespace(class_path='a.B')]"
    )
    assert messages.from_constructor(ValueError(text)) == "the width of 'd0' must not be negative"
