from __future__ import annotations

import sys

import pytest

from salt_like.cli import table

ONE = table.Table("numbers", ["name", "value"], [["a", "1"], ["long [bold]", "12345"]])


def test_plain_text_is_aligned():
    assert ONE.plain() == "numbers\n  name         value\n  a                1\n  long [bold]  12345"


def test_piped_output_is_plain(capsys):
    table.show(["first", ONE])
    assert capsys.readouterr().out == f"first\n\n{ONE.plain()}\n"


def test_on_a_terminal_it_is_drawn(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table.show(["first", ONE])
    shown = capsys.readouterr().out
    assert "first" in shown
    assert "long [bold]" in shown  # no markup is read
    assert "│" in shown or "┃" in shown


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (0.123456789, "0.12346"), (-2.5, "-2.5"), (1e12, "1e+12"), (120000, "120000")]
)
def test_numbers(value, text):
    assert table.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (9999, "9999"), (12345, "12.3 k"), (2.5e6, "2.5 M"), (3e9, "3 G"), (4e12, "4 T")]
)
def test_counts(value, text):
    assert table.count(value) == text
