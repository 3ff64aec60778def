from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from drawn_texts import collisions, texts

from salt_like.figures.rejection import FIRST, rejection
from salt_like.figures.words import look, parts


def lines(axes: Any, **wanted: Any) -> list[Any]:
    """Lines of an axes with these properties."""
    return [one for one in axes.lines if all(getattr(one, f"get_{name}")() == value for name, value in wanted.items())]


@pytest.fixture
def db(metrics: dict[str, Any]) -> Any:
    return metrics["discriminants"]["Db"]


def test_curves_bands_and_limits_are_the_numbers(metrics: dict[str, Any], db: Any) -> None:
    (axes,) = rejection({"m": parts(metrics)[0]}, "Db").axes
    for index, name in enumerate(("ujets", "cjets")):
        found = db["curve"]["rejections"][name]
        colour = look(name, index)["color"]
        limit = np.array(found["limit"])
        assert 0 < limit.sum() < len(limit)
        curve = next(one for one in axes.lines if one.get_label() == {"u": "light jets", "c": "c jets"}[name[0]])
        assert curve.get_color() == colour
        assert curve.get_xdata() == pytest.approx(db["curve"]["efficiency"])
        drawn = np.isfinite(curve.get_ydata())
        assert (drawn == ~limit).all()
        assert curve.get_ydata()[drawn] == pytest.approx(np.array(found["value"])[~limit])
        (marks,) = lines(axes, marker="^", color=colour, markersize=2.6)
        x, y = marks.get_data()
        assert (x >= FIRST).all()
        for at, value in zip(x, y, strict=True):
            place = db["curve"]["efficiency"].index(at)
            assert found["limit"][place]
            assert value == found["value"][place]
    band = axes.collections[0].get_paths()[0].vertices
    place = next(i for i, one in enumerate(db["curve"]["rejections"]["ujets"]["limit"]) if not one)
    for key in ("low", "high"):
        wanted = [db["curve"]["efficiency"][place], db["curve"]["rejections"]["ujets"][key][place]]
        assert np.isclose(band, wanted).all(1).any(), key


def test_working_points_stand_at_their_efficiency_with_their_errors(metrics: dict[str, Any], db: Any) -> None:
    (axes,) = rejection({"m": parts(metrics)[0]}, "Db").axes
    sure = [point for point in db["points"] if not point["rejections"]["cjets"]["limit"]]
    assert sure
    bars = next(one for one in axes.containers if one.lines[0].get_color() == look("cjets", 1)["color"])
    x, y = bars.lines[0].get_data()
    assert x == pytest.approx([point["signal_efficiency"] for point in sure])
    assert y == pytest.approx([point["rejections"]["cjets"]["value"] for point in sure])
    for segment, point in zip(bars.lines[2][0].get_segments(), sure, strict=True):
        found = point["rejections"]["cjets"]
        assert segment[:, 1] == pytest.approx([found["low"], found["high"]])
    limits = [point for point in db["points"] if point["rejections"]["ujets"]["limit"]]
    drawn = lines(axes, marker="^", color=look("ujets", 0)["color"], markersize=4.2)
    assert len(limits) == sum(len(one.get_xdata()) for one in drawn)


def test_a_range_is_drawn_with_its_own_numbers(metrics: dict[str, Any]) -> None:
    part = parts(metrics)[2]
    figure = rejection({"m": part}, "Db")
    assert "pT ≥ 60 GeV" in texts(figure)
    assert f"{metrics['by_range'][1]['jets']:,} jets" in texts(figure)
    curve = next(one for one in figure.axes[0].lines if one.get_label() == "light jets")
    wanted = metrics["by_range"][1]["discriminants"]["Db"]["curve"]["rejections"]["ujets"]
    drawn = np.isfinite(curve.get_ydata())
    assert curve.get_ydata()[drawn] == pytest.approx(np.array(wanted["value"])[~np.array(wanted["limit"])])


def test_several_taggers_have_a_panel_for_each_background_and_ratios_to_the_first(metrics: dict[str, Any]) -> None:
    first = parts(metrics)[0]
    second = copy.deepcopy(first)
    columns = second["discriminants"]["Db"]["curve"]["rejections"]["ujets"]
    for key in ("value", "low", "high"):
        columns[key] = [None if one is None else 1.5 * one for one in columns[key]]
    figure = rejection({"old": first, "new": second}, "Db")
    light, light_ratio, charm, charm_ratio = figure.axes
    assert (light.get_ylabel(), charm.get_ylabel()) == ("light-jet rejection", "c-jet rejection")
    ratios = [one.get_ydata() for one in light_ratio.lines[:2]]
    known = np.isfinite(ratios[1])
    assert known.any()
    assert ratios[0][known] == pytest.approx(1)
    assert ratios[1][known] == pytest.approx(1.5)
    assert light_ratio.get_ylim()[1] > 1.5
    same = charm_ratio.lines[1].get_ydata()
    assert same[np.isfinite(same)] == pytest.approx(1)
    assert collisions(figure) == []


def test_a_class_without_jets_is_said(metrics: dict[str, Any]) -> None:
    part = copy.deepcopy(parts(metrics)[0])
    for column in ("value", "low", "high"):
        part["discriminants"]["Db"]["curve"]["rejections"]["cjets"][column] = [None] * 81
    for taggers, said in (({"m": part}, "no c jets"), ({"m": part, "n": part}, "m: no jets")):
        figure = rejection(taggers, "Db")
        legends = [
            text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()
        ]
        assert said in legends
