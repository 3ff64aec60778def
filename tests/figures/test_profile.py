from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn_texts import texts

from salt_like.figures.profile import middles, profile
from salt_like.figures.words import look, parts


def test_efficiencies_and_rejections_are_the_numbers(metrics: dict[str, Any]) -> None:
    one = metrics["discriminants"]["Db"]
    figure = profile(parts(metrics)[0], "Db")
    assert figure.texts[0].get_text() == "Db: 77 % working point in bins"
    assert len(figure.axes) == 2 * len(one["profiles"]) == 4
    for column, found in enumerate(one["profiles"]):
        above, below = figure.axes[2 * column : 2 * column + 2]
        assert len(above.containers) == 2
        for bars, kind in zip(above.containers, ("fixed", "flat"), strict=True):
            assert bars.lines[0].get_ydata() == pytest.approx(found[kind]["signal_efficiency"])
            heights = [np.ptp(segment[:, 1]) / 2 for segment in bars.lines[2][-1].get_segments()]
            assert heights == pytest.approx(found[kind]["signal_error"])
        drawn = np.concatenate([bars.lines[0].get_ydata() for bars in below.containers if bars.lines[0] is not None])
        for index, name in enumerate(("ujets", "cjets")):
            colour = look(name, index)["color"]
            mine = [
                bars for bars in below.containers if bars.lines[0] is not None and bars.lines[0].get_color() == colour
            ]
            drawn = np.concatenate([bars.lines[0].get_ydata() for bars in mine])
            wanted = [
                value for kind in ("fixed", "flat") for value in found[kind]["rejections"][name]["value"] if value
            ]
            assert sorted(drawn) == pytest.approx(sorted(wanted))
    assert figure.axes[1].get_xlabel() == "jet pT [GeV]"
    assert figure.axes[3].get_xlabel() == "number of tracks"
    assert "cuts made on this sample, 20 ≤ pT < 60 GeV" in texts(figure)


def test_middles_of_bins() -> None:
    assert middles(np.array([0.0, 2.0, 6.0]), False) == pytest.approx([1, 4])
    assert middles(np.array([1.0, 100.0]), True) == pytest.approx([10])
    assert middles(np.array([0.0, 2.0]), False, 0.25) == pytest.approx([1.5])
