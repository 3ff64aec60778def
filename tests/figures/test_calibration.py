from __future__ import annotations

from typing import Any

import pytest
from drawn_texts import texts

from salt_like.figures.calibration import calibration
from salt_like.figures.words import parts


@pytest.mark.parametrize("task", ["flavour", "origin"])
def test_curves_are_the_numbers(metrics: dict[str, Any], task: str) -> None:
    curves = metrics["tasks"][task]["calibration"]
    figure = calibration(parts(metrics)[0], task)
    classes = list(curves[0]["classes"])
    assert len(figure.axes) == len(classes)
    for axes, name in zip(figure.axes, classes, strict=True):
        assert len(axes.containers) == len(curves)
        for bars, curve in zip(axes.containers, curves, strict=True):
            found = curve["classes"][name]
            x, y = bars.lines[0].get_data()
            assert x == pytest.approx(found["predicted"])
            assert y == pytest.approx(found["observed"])
            heights = [segment[1, 1] - segment[0, 1] for segment in bars.lines[2][0].get_segments()]
            assert heights == pytest.approx([2 * error for error in found["errors"]])
            assert f"ECE {found['ece']:.3f}" in bars.get_label()
        low, high = axes.get_xlim()
        assert axes.get_ylim() == (low, high)
        assert [list(line.get_data()[0]) for line in axes.lines if len(line.get_xdata()) == 2][-1] == [0, high]
    assert "circles: probabilities for the class fractions of the training (" in texts(figure)
