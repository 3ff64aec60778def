from __future__ import annotations

import numpy as np
import pytest
from field_files import make_arrays

from salt_like.data.events import EventPart, check_overlap, event_hash, event_parts, shared_events
from salt_like.errors import UserError

GOLDEN = [14037225222889099931, 16438634200498821406, 4571192990666087778]


def events(number: int) -> np.ndarray:
    rows = np.zeros(number, [("eventNumber", "i8"), ("process", "i4"), ("x", "f4")])
    rows["eventNumber"] = np.arange(number) - 5
    rows["process"] = np.arange(number) % 7
    return rows


def test_hash_is_the_same_everywhere_and_for_every_integer_type():
    rows = events(3)
    # golden: the splits of existing runs depend on it
    assert event_hash(rows, ["eventNumber"]).tolist() == GOLDEN
    short = rows.astype([("eventNumber", "i2"), ("process", "i4"), ("x", "f4")])
    assert event_hash(short, ["eventNumber"]).tolist() == GOLDEN


def test_hash_tells_fields_runs_and_events_apart():
    rows = events(50_000)
    one = event_hash(rows, ["eventNumber"])
    assert np.unique(one).size == len(rows)
    assert shared_events(one, event_hash(rows, ["eventNumber"], run=1)) == 0
    swapped = event_hash(rows, ["process", "eventNumber"])
    assert shared_events(event_hash(rows, ["eventNumber", "process"]), swapped) == 0
    assert np.unique(event_hash(rows, ["process"])).size == 7


def test_hash_refuses_what_is_no_integer():
    with pytest.raises(UserError, match="'x' cannot identify an event: it holds float32"):
        event_hash(events(2), ["x"])


def test_parts_cover_every_event_once_in_the_asked_proportion():
    rows = events(40_000)
    parts = event_parts("eventNumber", [0.8, 0.1, 0.1])
    inside = np.array([part.contains(rows) for part in parts])
    assert (inside.sum(0) == 1).all()
    # 4 standard deviations of a binomial
    np.testing.assert_allclose(inside.mean(1), [0.8, 0.1, 0.1], atol=4 * 0.4 / 200)


def test_part_of_an_event_depends_on_nothing_else():
    rows = events(1000)
    part = event_parts(["process", "eventNumber"], [0.5, 0.5])[1]
    shuffled = np.random.default_rng(0).permutation(1000)
    assert (part.contains(rows)[shuffled] == part.contains(rows[shuffled])).all()
    assert (part.contains(rows)[300:400] == part.contains(rows[300:400])).all()
    jets = make_arrays(200)["jets"]
    inside = EventPart(("eventNumber",), 0.0, 0.5).contains(jets)
    assert (inside[::2] == inside[1::2]).all()  # both jets of each event


@pytest.mark.parametrize("fractions", [[0.8, 0.1], [1.2, -0.2], []])
def test_parts_refuse_fractions_that_do_not_sum_to_one(fractions):
    with pytest.raises(UserError, match=r"data\.split\.fractions must be .* to 1, not to .*\nthey are the shares"):
        event_parts("eventNumber", fractions)


def test_parts_need_a_field():
    with pytest.raises(UserError, match=r"data\.split\.by names no field"):
        event_parts([], [0.5, 0.5])


def test_overlap_is_counted_by_event():
    rows = events(100)
    hashes = event_hash(rows, ["eventNumber"])
    check_overlap({"data.train": hashes[:60], "data.val": hashes[60:]}, ["eventNumber"])
    repeated = np.concatenate([hashes[50:], hashes[50:]])
    with pytest.raises(UserError, match=r"data\.train and data\.val share 10 events, of 50 in data\.val"):
        check_overlap({"data.train": hashes[:60], "data.val": repeated}, ["eventNumber"])
