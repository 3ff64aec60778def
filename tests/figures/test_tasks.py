"""Regressions and vertices in bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from salt_like.figures.origins import PANELS as CLASS_PANELS
from salt_like.figures.origins import origins
from salt_like.figures.regression import regression
from salt_like.figures.style import numbers
from salt_like.figures.vertices import PANELS, vertices
from salt_like.figures.words import parts


def test_residuals_bias_and_resolution_are_the_numbers(metrics: dict[str, Any]) -> None:
    one = metrics["tasks"]["mass"]
    figure = regression(parts(metrics)[0], "mass", "mass")
    residuals, pulls, *panels = figure.axes
    values, edges, _ = residuals.patches[0].get_data()
    assert values == pytest.approx(one["residuals"]["mass"]["shares"])
    assert edges == pytest.approx(one["residuals"]["mass"]["edges"])
    assert residuals.get_xlabel() == "mass: value - target [GeV]"
    names = ["bias", "half central 68 %", "median of value/target", "half central 68 % of value/target"]
    names += ["pull mean", "pull width (half central 68 %)"]
    assert len(panels) == 6
    assert pulls.patches[0].get_data().values == pytest.approx(one["pulls"]["mass"]["shares"])
    for axes, name in zip(panels, names, strict=True):
        found = one["profile"]["metrics"][f"mass: {name}"]
        (bars,) = axes.containers
        assert bars.lines[0].get_ydata() == pytest.approx(numbers(found["value"]), nan_ok=True)
        heights = [np.ptp(one[:, 1]) / 2 for one in bars.lines[2][-1].get_segments() if len(one)]
        assert heights == pytest.approx([one for one in found["error"] if one is not None])


def test_energies_are_shown_in_gev(metrics: dict[str, Any]) -> None:
    task = metrics["tasks"]["mass"]
    in_mev = {**task, "metrics": [{**one, "unit": "MeV"} for one in task["metrics"]]}
    in_mev["profile"] = {
        **task["profile"],
        "metrics": {name: {**one, "unit": one["unit"] and "MeV"} for name, one in task["profile"]["metrics"].items()},
    }
    figure = regression({**parts(metrics)[0], "tasks": {"mass": in_mev}}, "mass", "mass")
    edges = figure.axes[0].patches[0].get_data().edges
    assert edges == pytest.approx(np.array(task["residuals"]["mass"]["edges"]) / 1000)
    drawn = figure.axes[2].containers[0].lines[0].get_ydata()
    assert drawn == pytest.approx(numbers(task["profile"]["metrics"]["mass: bias"]["value"]) / 1000, nan_ok=True)
    ratios = figure.axes[4].containers[0].lines[0].get_ydata()  # have no unit
    assert ratios == pytest.approx(
        numbers(task["profile"]["metrics"]["mass: median of value/target"]["value"]), nan_ok=True
    )


def test_vertices_are_the_numbers(metrics: dict[str, Any]) -> None:
    profile = metrics["tasks"]["vertices"]["profile"]
    figure = vertices(parts(metrics)[0], "vertices")
    for axes, metric in zip(figure.axes, PANELS, strict=True):
        drawn = {bars.get_label(): bars.lines[0].get_ydata() for bars in axes.containers}
        kinds = {"light jets": "ujets", "c jets": "cjets", "b jets": "bjets"}
        for label, values in drawn.items():
            rows = profile["metrics"] if label == "all jets" else profile["by_class"][kinds[label]]
            wanted = [
                np.nan if error is None else value
                for value, error in zip(rows[metric]["value"], rows[metric]["error"], strict=True)
            ]
            assert values == pytest.approx(wanted, nan_ok=True)
        assert "all jets" in drawn


def test_classes_of_constituents_are_the_numbers(metrics: dict[str, Any]) -> None:
    profile = metrics["tasks"]["origin"]["profile"]
    figure = origins(parts(metrics)[0], "origin")
    for axes, kind in zip(figure.axes, CLASS_PANELS, strict=True):
        drawn = {bars.get_label(): bars.lines[0].get_ydata() for bars in axes.containers}
        assert set(drawn) == {"pileup", "primary", "fromB"}  # none of the fourth class is labelled
        for name, values in drawn.items():
            assert values == pytest.approx(numbers(profile["metrics"][f"{kind} of {name}"]["value"]), nan_ok=True)
