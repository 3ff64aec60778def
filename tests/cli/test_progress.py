from __future__ import annotations

import io
import logging
import sys

import pytest

from salt_like.cli.progress import progress, shown
from salt_like.cli.shipped import FOLDER
from salt_like.data.module import Data

SAMPLES = FOLDER.parent / "samples"


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


def test_what_is_read_and_written_is_shown_while_a_command_runs(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SALT_LIKE_CACHE", str(tmp_path / "cache"))
    logger = logging.getLogger("salt_like.data")
    before = list(logger.handlers), logger.level
    with shown():
        data = Data(train=str(SAMPLES / "train.h5"), inputs={"jets": ["pt", "eta"]}, allow_overlap=True)
        data.setup("fit")
        logger.warning("careful")
    assert (list(logger.handlers), logger.level) == before
    for part in (
        "reading the training files once",
        "5000/5000",
        "writing the needed fields to",
        "are free",
        "writing the packed copy",
        "warning: careful",
    ):
        assert part in screen.getvalue()
