from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from salt_like.figures.confusion import confusion
from salt_like.figures.words import parts


@pytest.mark.parametrize("task", ["flavour", "origin"])
def test_each_row_is_the_share_of_its_class(metrics: dict[str, Any], task: str) -> None:
    sums = np.array(metrics["tasks"][task]["confusion"]["sums"])
    (axes,) = confusion(parts(metrics)[0], task).axes
    shares = np.asarray(axes.images[0].get_array())
    expected = sums / np.maximum(sums.sum(1, keepdims=True), 1)
    assert shares == pytest.approx(expected)
    for text in axes.texts:
        column, row = text.get_position()
        if text.get_text() != "-":
            assert float(text.get_text()) == pytest.approx(100 * expected[row, column], abs=0.51)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label.rpartition("(")[2] for label in labels] == [f"{total:,.0f})" for total in sums.sum(1)]


def test_an_absent_class_has_no_shares(metrics: dict[str, Any]) -> None:
    part = copy.deepcopy(parts(metrics)[0])
    part["tasks"]["flavour"]["confusion"]["sums"][1] = [0, 0, 0]
    (axes,) = confusion(part, "flavour").axes
    assert [text.get_text() for text in axes.texts][3:6] == ["-"] * 3
