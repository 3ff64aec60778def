from __future__ import annotations

import pytest
from drawn_texts import collisions, texts

from salt_like.figures.importance import importance


def test_bars_are_the_numbers_the_largest_on_top() -> None:
    rows = {"pt": (0.1, 0.01), "d0": (0.5, 0.02), "eta": (-0.01, None)}
    found = {
        "model": "m",
        "sample": "ttbar",
        "jets": 2000,
        "losses": {"flavour": 0.61},
        "inputs": [
            {"stream": "tracks", "name": name, "increase": {"flavour": {"value": value, "error": error}}}
            for name, (value, error) in rows.items()
        ],
    }
    figure = importance(found)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["tracks: d0", "tracks: pt", "tracks: eta"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.5, 0.1, -0.01])
    (_, _, (lines,)) = axes.containers[1]
    assert [(one[1, 0] - one[0, 0]) / 2 for one in lines.get_segments()] == pytest.approx([0.02, 0.01, 0])
    assert "2,000 jets, model m" in texts(figure)
    assert collisions(figure) == []
