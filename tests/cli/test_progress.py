from __future__ import annotations

import io
import sys

import pytest

from salt_like.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_when_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("predicting") as report:
        report(1, 2)
    assert screen.getvalue() == ""


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress("predicting") as report:
        report(1, 2)
        report(2, 2)
    assert "predicting" in screen.getvalue()
    assert "2/2" in screen.getvalue()
