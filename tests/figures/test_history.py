from __future__ import annotations

import numpy as np
import pytest
from drawn_texts import collisions, texts

from salt_like.figures.history import history, tasks_of

RUN = {
    "epoch": np.arange(3.0),
    "lr": np.array([3.0, 2.0, 1.0]),
    "train/loss": np.array([5.0, 4.0, 3.0]),
    "val/loss": np.array([6.0, np.nan, 4.0]),
    "train/flavour/loss": np.array([2.0, 1.0, 0.5]),
    "val/flavour/loss": np.array([2.5, 1.5, 1.0]),
    "val/flavour/accuracy": np.array([0.5, 0.6, 0.7]),
    "val/flavour/accuracy_majority": np.full(3, 0.4),
}


def test_curves_are_the_numbers_of_every_run() -> None:
    other = {name: values + 1 for name, values in RUN.items() if name != "epoch"} | {"epoch": np.arange(3.0)}
    runs = {"a": RUN, "b": other}
    assert tasks_of(runs) == ["", "flavour"]
    figure = history(runs, "flavour")
    loss, accuracy = figure.axes
    lines = [line for line in loss.lines if len(line.get_xdata())]
    assert [line.get_xdata().tolist() for line in lines] == [[1, 2, 3]] * 4
    wanted = [RUN["train/flavour/loss"], RUN["val/flavour/loss"]]
    wanted += [other["train/flavour/loss"], other["val/flavour/loss"]]
    for line, values in zip(lines, wanted, strict=True):
        assert line.get_ydata() == pytest.approx(values)
    assert accuracy.get_title(loc="left") == "accuracy"  # beside it, not alone, what the most frequent class reaches
    assert [line.get_ydata()[0] for line in accuracy.lines] == pytest.approx([0.5, 0.4, 1.5, 1.4])
    assert {text.get_text() for text in loss.get_legend().get_texts()} == {"a", "b"}
    assert collisions(figure) == []


def test_the_whole_loss_stands_beside_the_learning_rate() -> None:
    loss, rate = history({"a": RUN}, "").axes
    _, validation = loss.lines
    assert validation.get_ydata().tolist() == [6, 4]  # an epoch without validation is left out
    assert rate.lines[0].get_ydata().tolist() == [3, 2, 1]
    assert "whole loss" in texts(history({"a": RUN}, ""))


def test_nothing_to_draw_is_no_task() -> None:
    assert tasks_of({"a": {"epoch": np.arange(2.0)}}) == []
