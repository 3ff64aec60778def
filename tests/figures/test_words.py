from __future__ import annotations

from typing import Any

import pytest

from salt_like.figures import style, words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, ""),
        ({"field": "pt_btagJes", "low": 20000.0, "high": 250000.0, "unit": "MeV"}, "20 ≤ pT < 250 GeV"),
        ({"field": "pt", "low": 250.0, "high": None, "unit": "GeV"}, "pT ≥ 250 GeV"),
        ({"field": "eta", "low": -2.5, "high": 0.0, "unit": ""}, "-2.5 ≤ eta < 0"),
        ({"field": "mass", "low": None, "high": 5.0, "unit": "MeV"}, "mass < 5 MeV"),
        ({"field": "pt", "low": 20.0, "high": None, "unit": ""}, "pt ≥ 20"),
    ],
)
def test_ranges(given: Any, said: str) -> None:
    assert words.within(given) == said


def test_classes() -> None:
    assert [words.of_class(name) for name in ("bjets", "ujets", "taujets", "fromB", "b")] == [
        "b jets",
        "light jets",
        "tau jets",
        "fromB",
        "b jets",
    ]
    assert [words.jet_of(name) for name in ("cjets", "fromB")] == ["c-jet", "fromB"]
    looks = [words.look(name, index) for index, name in enumerate(("ujets", "cjets", "bjets", "taujets", "hbb", "qcd"))]
    assert len({one["color"] for one in looks}) == len(looks)
    assert len({str(one["linestyle"]) for one in looks[:4]}) == 4


def test_only_what_says_so_is_called_a_simulation_of_the_parametrised_tracker() -> None:
    assert words.simulated("Pythia 8.317.2 + FastJet 3.5.2.0 + parametrised detector")
    for other in ("", "Pythia 8.3", "Herwig 7 + parametrised detector", "data"):
        assert words.simulated(other) == ""


def test_numbers_of_a_metrics_file() -> None:
    assert style.numbers([1, None, 2.5]) == pytest.approx([1, float("nan"), 2.5], nan_ok=True)
    assert style.numbers([[None], [3]], float("inf")).tolist() == [[float("inf")], [3]]
    assert style.numbers([]).tolist() == []
