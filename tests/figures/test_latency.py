from __future__ import annotations

from typing import Any

import pytest
from drawn_texts import collisions, texts

from salt_like.figures.latency import latency

COUNTS, BATCHES = (0, 5, 40, 100), (1, 10, 100)


@pytest.fixture
def content() -> dict[str, Any]:
    points = [
        {"threads": t, "batch": b, "constituents": n, "median": m, "low": 0.9 * m, "high": 1.5 * m}
        for t in (1, 2)
        for b in BATCHES
        for n in COUNTS
        for m in [(100 + n * n) / b / t]
        if (t, b, n) != (2, 100, 100)
    ]
    machine = {"processor": "A processor", "cores": 2, "onnxruntime": "1.32.0"}
    return {"model": "GN2", "profile": "batched", "machine": machine, "most_in_training": 40, "points": points}


def test_medians_and_bands_are_the_numbers(content: dict[str, Any]) -> None:
    figure = latency(content)
    assert [axes.get_title("left") for axes in figure.axes] == ["1 thread", "2 threads"]
    for threads, axes in enumerate(figure.axes, start=1):
        lines = {line.get_label(): line for line in axes.lines}
        for batch, band in zip(BATCHES, axes.collections, strict=True):
            own = [one for one in content["points"] if (one["threads"], one["batch"]) == (threads, batch)]
            assert list(lines[str(batch)].get_xdata()) == [one["constituents"] for one in own]
            assert list(lines[str(batch)].get_ydata()) == [one["median"] for one in own]
            outline = {tuple(vertex) for vertex in band.get_paths()[0].vertices.tolist()}
            assert {(float(one["constituents"]), one[key]) for one in own for key in ("low", "high")} <= outline
    assert "onnxruntime 1.32.0" in texts(figure)
    assert not collisions(figure)


def test_one_thread_only(content: dict[str, Any]) -> None:
    content["points"] = [one for one in content["points"] if one["threads"] == 1]
    figure = latency(content)
    assert len(figure.axes) == 1
    assert not collisions(figure)
