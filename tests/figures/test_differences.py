from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from drawn_texts import collisions, texts

from salt_like.figures.differences import differences

EDGES = [-4.0, -3.0, -2.0, -1.0]


def output(name: str, counts: list[int], **more: Any) -> dict[str, Any]:
    found = {"name": name, "stream": "jets", "unit": "", "tolerance": {"absolute": 1e-3}, "jets_beyond": 0}
    return {**found, "histogram": {"edges": EDGES, "counts": counts, "equal": 7}, **more}


@pytest.fixture
def content() -> dict[str, Any]:
    vertices = {"name": "VertexIndex", "stream": "tracks", "regrouped": 3, "differing": 9, "compared": 500}
    return {
        "sources": ["a/" * 90 + "first.h5", "second.h5"],
        "jets": 1234,
        "outputs": [
            output("pb", [5, 10, 0]),
            output("mass", [0, 2, 40], unit="GeV", jets_beyond=4),
            output("equal", [0, 0, 0]),
            {**vertices, "jets_beyond": 2, "histogram": None},
        ],
    }


def test_the_counts_are_drawn(content: dict[str, Any]) -> None:
    figure = differences(content)
    assert [axes.get_title("left") for axes in figure.axes] == ["pb (jets)", "mass (jets)", "equal (jets)"]
    for axes, one in zip(figure.axes, content["outputs"], strict=False):
        for patch in axes.patches:
            data = patch.get_data()
            assert data.edges == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
            assert data.values == pytest.approx(np.maximum(one["histogram"]["counts"], 0.5))
        (line,) = axes.lines
        assert line.get_xdata()[0] == pytest.approx(1e-3)
        low, high = axes.get_xlim()
        assert low < 1e-3 < high
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["7 equal", "7 equal, 4 jets beyond", "7 equal"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["|B - A|", "|B - A| [GeV]", "|B - A|"]


def test_its_head_says_what_is_compared(content: dict[str, Any]) -> None:
    head = texts(differences(content))
    assert "1234 jets in both" in head
    assert "VertexIndex: 3 of 500 tracks differ, 2 jets beyond the tolerance" in head
    assert "B: second.h5" in head
    content["outputs"][-1]["regrouped"] = None
    assert "VertexIndex: 9 of 500 tracks differ" in texts(differences(content))


@pytest.mark.parametrize("number", [1, 3, 16])
def test_nothing_overlaps(content: dict[str, Any], number: int) -> None:
    content["outputs"] = [copy.deepcopy(content["outputs"][place % 3]) for place in range(number)]
    assert not collisions(differences(content))


def test_without_a_number_and_without_a_tolerance(content: dict[str, Any]) -> None:
    content["outputs"][0]["tolerance"]["absolute"] = 0.0
    assert not differences(content).axes[0].lines
    content["outputs"] = content["outputs"][-1:]
    assert "no output that is a number" in texts(differences(content))
