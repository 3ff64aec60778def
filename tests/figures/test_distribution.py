from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from salt_like.figures.distribution import distribution
from salt_like.figures.words import parts


def test_shares_and_cuts_are_the_numbers(metrics: dict[str, Any]) -> None:
    one = metrics["discriminants"]["Db"]
    (axes,) = distribution(parts(metrics)[0], "Db").axes
    steps, bands = [patch for patch in axes.patches if not patch.get_fill()], axes.patches
    assert len(bands) == 2 * len(steps) == 6
    for patch, (name, found) in zip(steps, one["distribution"].items(), strict=True):
        values, edges, _ = patch.get_data()
        shares = np.array(found["shares"])
        assert edges == pytest.approx(found["edges"])
        assert values[shares > 0] == pytest.approx(shares[shares > 0])
        assert f"({found['entries']:,.0f})" in patch.get_label()
        assert name[0] in patch.get_label() or name == "ujets"
    low, high = axes.get_xlim()
    inside = [point["cut"] for point in one["points"] if low < point["cut"] < high]
    assert [line.get_xdata()[0] for line in axes.lines] == pytest.approx(inside)
    assert [text.get_text() for text in axes.texts] == ["60 %", "65 %", "70 %", "77 %", "85 %", "90 %"][: len(inside)]
