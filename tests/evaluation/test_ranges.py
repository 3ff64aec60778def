from __future__ import annotations

import math

import numpy as np
import pytest

from salt_like.errors import UserError
from salt_like.evaluation.ranges import Range, field_of, parse, standard


def test_the_lower_end_is_inside_and_the_upper_is_not() -> None:
    values = np.array([19.9, 20.0, 249.9, 250.0, np.nan])
    np.testing.assert_array_equal(Range("pt", 20, 250).contains(values), [False, True, True, False, False])


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (Range("pt", 20e3, 250e3, "MeV"), "20000 ≤ pt < 250000 MeV"),
        (Range("pt", 250, math.inf, "GeV"), "pt ≥ 250 GeV"),
        (Range("eta", -math.inf, 1.5), "eta < 1.5"),
    ],
)
def test_as_text_and_back_from_json(one: Range, text: str) -> None:
    assert str(one) == text
    assert Range.from_plain(one.plain()) == one


def test_standard_ranges_are_in_the_unit_of_the_file() -> None:
    assert [(one.low, one.high) for one in standard("pt", "MeV")] == [(20e3, 250e3), (250e3, math.inf)]
    assert [(one.low, one.high) for one in standard("pt", "GeV")] == [(20, 250), (250, math.inf)]
    assert standard("pt", "") == ()
    assert field_of(["eta", "jet_pt", "pt_btagJes"]) == "pt_btagJes"
    assert field_of(["eta"]) is None


def test_edges_of_the_command_line() -> None:
    assert parse("pt=20,250,inf", "GeV") == standard("pt", "GeV")
    for text in ("pt", "pt=", "pt=20", "pt=20,20", "pt=30,20", "=20,30", "pt=a,b", "pt=20,nan"):
        with pytest.raises(UserError, match="edges that rise"):
            parse(text)
