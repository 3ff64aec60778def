from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from salt_like.errors import UserError
from salt_like.evaluation.aligned import Difference
from salt_like.evaluation.answers import Answer, Matched, Rows, Side, vector_rows
from salt_like.evaluation.differences import Differences, differences
from salt_like.export.verify import SMALLEST

LIMITS = {
    "probability": {"absolute": 1e-3, "relative": 0.0, "logarithm": 0.1},
    "value": {"absolute": 1.0, "relative": 0.1},
    "embedding": {"absolute": 0.5, "relative": 0.0},
    "index": {"absolute": 0.0, "relative": 0.0},
}


def of_jets(**answers: Answer) -> Rows:
    number = len(next(iter(answers.values())).values)
    return Rows("jets", np.arange(number), np.full(number, -1), answers)


def of_tracks(jet: list[int], place: list[int], **answers: Answer) -> Rows:
    return Rows("tracks", np.array(jet), np.array(place), answers)


def side(model: str = "m", /, number: int = 0, **rows: Rows) -> Side:
    number = number or 1 + max(int(one.jet.max(initial=-1)) for one in rows.values())
    return Side(f"{model}.h5", model, {"row": 100 + np.arange(number)}, rows)


def everything(number: int) -> Matched:
    return Matched(np.arange(number), np.arange(number), "row")


def value(*values: float, kind: str = "value", **more) -> Answer:
    return Answer(kind, np.array(values, np.int32 if kind == "index" else np.float64), **more)


def compared(one: Answer, other: Answer) -> Difference:
    matched = everything(len(one.values))
    (found,) = differences(side(jets=of_jets(x=one)), side(jets=of_jets(x=other)), matched, LIMITS).outputs
    return found


def test_numbers_of_one_output() -> None:
    first = np.array([0.0, 10.0, -100.0, 5.0, 7.0])
    change = np.array([0.0, 1.5, 11.5, -2.0, 0.25])
    found = compared(value(*first), value(*(first + change)))
    # tolerances are 1 + 10 % of |A|: 1, 2, 11, 1.5, 1.7
    assert (found.compared, found.beyond, found.jets_beyond, found.one_sided) == (5, 2, 2, 0)
    size = np.abs(change)
    assert found.largest == pytest.approx(11.5)
    assert found.mean == pytest.approx(size.mean())
    assert found.quantiles == pytest.approx(
        {"50": 1.5, "95": np.quantile(size, 0.95), "99.9": np.quantile(size, 0.999)}
    )
    assert found.largest_of_logarithm is None
    assert [(one["row"], one["A"], one["B"]) for one in found.worst] == [
        (103, 5.0, 3.0),  # 1.33 tolerances
        (102, -100.0, -88.5),  # 1.05
        (101, 10.0, 11.5),
        (104, 7.0, 7.25),
    ]
    assert [one["times_tolerance"] for one in found.worst] == pytest.approx([2 / 1.5, 11.5 / 11, 1.5 / 2, 0.25 / 1.7])
    assert [one["difference"] for one in found.worst] == pytest.approx([2.0, 11.5, 1.5, 0.25])


def test_the_tolerance_is_relative_to_the_first() -> None:
    assert compared(value(0.0), value(1.05)).beyond == 1
    assert compared(value(1.05), value(0.0)).beyond == 0


def test_small_probabilities_are_judged_by_their_logarithm() -> None:
    first, second = [1e-6, 1e-6, 0.5, 0.0, SMALLEST / 10], [1.05e-6, 1.2e-6, 0.502, 1e-9, 1e-9]
    found = compared(value(*first, kind="probability"), value(*second, kind="probability"))
    assert found.beyond == 2  # 20 % of 1e-6, and 0.002 of 0.5
    assert {one["row"] for one in found.worst if one["times_tolerance"] > 1} == {101, 102}
    assert found.largest_of_logarithm == pytest.approx(np.log(1.2))


def test_zero_is_infinitely_far_from_any_probability() -> None:
    found = compared(value(1e-9, 0.0, SMALLEST / 10, kind="probability"), value(0.0, 1e-9, 0.0, kind="probability"))
    assert [one["row"] for one in found.worst if one["times_tolerance"] > 1] == [100]
    assert (found.beyond, found.one_sided, found.largest_of_logarithm) == (1, 0, 0.0)


def test_what_is_no_number_in_one_only_is_beyond_any_tolerance() -> None:
    nan, inf = np.nan, np.inf
    found = compared(value(nan, inf, 1.0, nan, inf, -inf, 3.0), value(nan, inf, nan, 1.0, 5.0, inf, 3.5))
    assert (found.beyond, found.one_sided, found.largest) == (4, 4, 0.5)
    assert [one["row"] for one in found.worst[:4]] == [102, 103, 104, 105]
    assert found.histogram is not None
    assert (sum(found.histogram["counts"]), found.histogram["equal"]) == (1, 2)


def test_no_tolerance_at_all() -> None:
    matched = everything(3)
    none = {"value": {"absolute": 0.0, "relative": 0.0}}
    sides = [side(jets=of_jets(x=value(*some))) for some in ((1.0, 2.0, 3.0), (1.0, 2.0, 3.0 + 1e-9))]
    found = differences(sides[0], sides[1], matched, none)
    assert not found.passed
    assert [one["row"] for one in found.outputs[0].worst] == [102]
    assert differences(sides[0], sides[0], matched, none).passed


def test_the_histogram_holds_every_difference_once() -> None:
    change = np.array([0.0, 1e-20, 1e-12, 2e-5, 3e-5, 0.7, 1e9])
    found = compared(value(*np.zeros(7)), value(*change))
    assert found.histogram is not None
    edges, counts = np.array(found.histogram["edges"]), np.array(found.histogram["counts"])
    assert found.histogram["equal"] == 1
    assert counts.sum() == 6
    assert (counts[0], counts[-1]) == (2, 1)  # what is outside is in the bins at the ends
    inside = counts[(edges[:-1] <= np.log10(0.7)) & (edges[1:] > np.log10(0.7))]
    assert inside.tolist() == [1]


def regrouped_by_a_loop(jet: list[int], one: list[int], other: list[int]) -> list[bool]:
    found = []
    for i in range(len(jet)):
        mates = [
            {j for j in range(len(jet)) if jet[j] == jet[i] and some[j] == some[i]} if some[i] >= 0 else {"none", i}
            for some in (one, other)
        ]
        if one[i] < 0 and other[i] < 0:  # those without a group are compared with each other
            mates = [{j for j in range(len(jet)) if jet[j] == jet[i] and s[j] == s[i]} for s in (one, other)]
        found.append(mates[0] != mates[1])
    return found


def test_vertices_are_compared_whatever_their_numbers() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        jet = np.sort(random.integers(0, 3, 12)).tolist()
        one, other = (random.integers(-1, 3, 12).tolist() for _ in range(2))
        if random.random() < 0.5:  # the same under other numbers, but for one constituent
            other = [{-1: -1, 0: 2, 1: 0, 2: 1}[n] for n in one]
            other[int(random.integers(12))] = 7
        tracks = [of_tracks(jet, list(range(12)), v=value(*some, kind="index")) for some in (one, other)]
        found = differences(side(tracks=tracks[0]), side(tracks=tracks[1]), everything(max(jet) + 1), LIMITS).outputs[0]
        moved = regrouped_by_a_loop(jet, one, other)
        assert found.regrouped == found.beyond == sum(moved)
        assert found.jets_beyond == len({j for j, yes in zip(jet, moved, strict=True) if yes})
        assert found.differing == sum(a != b for a, b in zip(one, other, strict=True))


def test_the_jets_with_other_vertices_are_shown_whole() -> None:
    jet, place = [0, 0, 1, 1, 1, 2, 2], [0, 1, 0, 1, 2, 0, 1]
    one, other = [0, 0, 0, 0, 1, 0, 1], [3, 3, 0, 1, 2, 1, 1]
    tracks = [of_tracks(jet, place, v=value(*some, kind="index")) for some in (one, other)]
    found = differences(side(tracks=tracks[0]), side(tracks=tracks[1]), everything(3), LIMITS).outputs[0]
    assert (found.differing, found.regrouped, found.jets_beyond) == (5, 4, 2)
    assert [(line["row"], line["A"], line["B"], line["regrouped"]) for line in found.worst] == [
        (101, [0, 0, 1], [0, 1, 2], 2),
        (102, [0, 1], [1, 1], 2),
    ]


def test_classes_are_compared_by_their_number() -> None:
    one, other = (value(*some, kind="index", groups=False) for some in ([0, 1, 1], [1, 0, 0]))
    found = compared(one, other)
    assert (found.beyond, found.differing, found.regrouped) == (3, 3, None)


def test_constituents_are_found_in_their_slots_and_jets_in_their_place() -> None:
    """The same said about jets in another order, constituents in another, and one of each only here or there."""
    ours = of_tracks([0, 0, 1, 2, 2], [0, 3, 1, 0, 1], x=value(1, 2, 3, 4, 5))
    theirs = of_tracks([1, 0, 0, 2, 2], [1, 1, 0, 3, 0], x=value(30, 50, 4, 2, 1))
    # jets 0, 1, 2 of A are 2, 3 (which has nothing), 0 of B
    matched = Matched(np.array([0, 1, 2]), np.array([2, 3, 0]), "row")
    found = differences(side(number=3, tracks=ours), side(number=4, tracks=theirs), matched, LIMITS)
    (one,) = found.outputs
    assert (one.compared, one.largest, one.beyond) == (4, 45.0, 1)
    assert (one.worst[0]["row"], one.worst[0]["place"], one.worst[0]["A"], one.worst[0]["B"]) == (102, 1, 5.0, 50.0)
    assert one.jets_beyond == 2  # and the jet of whose constituents B knows none
    assert found.notes == ("1 of the tracks of 1 jets are only in A: beyond any tolerance",)


def test_vectors_are_compared_by_component() -> None:
    one = np.arange(12.0).reshape(4, 3)
    other = one.copy()
    other[2, 1] += 0.75
    of_jets = np.arange(4), np.full(4, -1)
    rows = [vector_rows("jets", "embedding", Answer("embedding", some), *of_jets) for some in (one, other)]
    sides = [side(**{"jets, embedding": some}) for some in rows]
    (found,) = differences(*sides, everything(4), LIMITS).outputs
    assert (found.compared, found.jets_beyond, found.largest) == (12, 1, 0.75)
    assert (found.worst[0]["row"], found.worst[0]["place"]) == (102, 1)


def test_only_ten_jets_are_named_each_once() -> None:
    jet, place = np.repeat(np.arange(20), 2).tolist(), [0, 1] * 20
    change = np.repeat(np.arange(20.0), 2) + np.tile([0.0, 0.5], 20)
    tracks = [of_tracks(jet, place, x=value(*some)) for some in (np.zeros(40), change)]
    (found,) = differences(side(tracks=tracks[0]), side(tracks=tracks[1]), everything(20), LIMITS).outputs
    assert [line["row"] for line in found.worst] == [100 + n for n in range(19, 9, -1)]
    assert {line["place"] for line in found.worst} == {1}


def test_outputs_are_matched_by_name_kind_and_unit() -> None:
    first = side("old", jets=of_jets(pb=value(0.5, kind="probability"), mass=value(5, unit="GeV"), old=value(1)))
    second = side("new", jets=of_jets(new=value(1), mass=value(5000, unit="MeV"), pb=value(0.5, kind="probability")))
    found = differences(first, second, everything(1), LIMITS)
    assert [one.name for one in found.outputs] == ["pb"]
    assert found.notes == (
        "only in A: old of jets",
        "only in B: new of jets",
        "mass of jets: left out, value GeV in A, value MeV in B",
    )
    with pytest.raises(UserError, match="no output that both have\nA: x, m.h5\nB: y, m.h5"):
        differences(side(jets=of_jets(x=value(1))), side(jets=of_jets(y=value(1))), everything(1), LIMITS)


def test_an_output_may_bring_its_tolerance() -> None:
    own = {"absolute": 3.0, "relative": 0.0}
    sides = [side(jets=of_jets(x=value(some, tolerance=own))) for some in (0.0, 2.0)]
    assert differences(*sides, everything(1), LIMITS).passed
    assert not differences(*sides, everything(1), LIMITS, every=True).passed


def test_all_of_it_is_json(tmp_path) -> None:
    found = differences(
        side(jets=of_jets(x=value(1.0, np.nan), v=value(0, 1, kind="index"))),
        side(jets=of_jets(x=value(np.inf, 1.0), v=value(0, 0, kind="index"))),
        everything(2),
        LIMITS,
    )
    assert isinstance(found, Differences)
    text = json.dumps(found.plain(), allow_nan=False)
    assert json.loads(text)["passed"] is False
    lines = list(itertools.chain.from_iterable(one["worst"] for one in json.loads(text)["outputs"]))
    assert {line["row"] for line in lines} == {100, 101}
