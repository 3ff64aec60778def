from __future__ import annotations

from typing import Any

import pytest

from salt_like.figures.scan import scan
from salt_like.figures.words import parts


def test_points_are_the_numbers_and_the_used_fraction_stands_out(metrics: dict[str, Any]) -> None:
    part = next(one for one in parts(metrics) if one["discriminants"]["Db"]["scan"])
    one = part["discriminants"]["Db"]["scan"]
    assert one["class"] == "cjets"
    (axes,) = scan(part, "Db").axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("c-jet rejection", "light-jet rejection")
    x, y = axes.lines[0].get_data()
    assert x == pytest.approx([point["rejections"]["cjets"]["value"] for point in one["points"]])
    assert y == pytest.approx([point["rejections"]["ujets"]["value"] for point in one["points"]])
    written = {text.get_text(): text.get_color() for text in axes.texts}
    fractions = {f"{point['fraction']:g}" for point in one["points"]}
    assert set(written) <= fractions
    assert [text for text, colour in written.items() if colour != written["1"]] == ["0.2"]
    limits = [point["rejections"]["ujets"]["limit"] for point in one["points"]]
    assert [line.get_marker() == "^" for line in axes.lines[1 : len(limits) + 1]] == limits
