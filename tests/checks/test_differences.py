from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from salt_like.checks.differences import differences, distance
from salt_like.checks.drawn import Draw


def made(values: dict[str, np.ndarray], name: str = "a", events: np.ndarray | None = None, weights=None) -> Draw:
    number = len(next(iter(values.values())))
    return Draw(
        name,
        number,
        np.arange(number, dtype=np.uint64) if events is None else events.astype(np.uint64),
        np.ones(number) if weights is None else weights,
        {("jets", key): value for key, value in values.items()},
        {},
        {},
    )


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i4", "u1", "?"])
def test_distance_is_that_of_scipy(kind):
    random = np.random.default_rng(1)
    first = (random.normal(size=313) * 3 + 5).astype(kind)
    second = (random.normal(size=200) * 4 + 5).astype(kind)
    wanted = ks_2samp(first.astype("f8"), second.astype("f8")).statistic
    assert distance(first, second) == pytest.approx(wanted, abs=1e-12)
    assert distance(first, first) == 0


def test_weights_are_repetitions():
    random = np.random.default_rng(2)
    first, second = random.normal(size=50), random.normal(size=70) + 0.3
    times = random.integers(0, 4, 50)
    wanted = distance(np.repeat(first, times), second)
    assert distance(first, second, times.astype(float)) == pytest.approx(wanted, abs=1e-12)
    assert distance(second, first, None, times.astype(float)) == pytest.approx(wanted, abs=1e-12)


def test_another_share_of_nan_is_a_difference():
    values = np.random.default_rng(3).normal(size=1000)
    spoilt = values.copy()
    spoilt[::5] = np.nan
    assert distance(spoilt, spoilt) == 0
    assert distance(values, spoilt) == pytest.approx(0.2, abs=0.01)


def test_chance_is_exceeded_in_one_case_of_twenty():
    random = np.random.default_rng(4)
    over = 0
    for _ in range(20):
        pair = [made({str(i): random.normal(size=number) for i in range(40)}) for number in (700, 300)]
        over += sum(one.excess > 0 for one in differences(*pair, is_weighted=False))
    assert over / 800 == pytest.approx(0.05, abs=0.025)


def test_jets_of_one_event_are_not_independent():
    random = np.random.default_rng(5)
    over = 0
    for _ in range(20):
        pair = []
        for number in (350, 150):
            columns = {str(i): np.repeat(random.normal(size=number), 4) for i in range(20)}
            pair.append(made(columns, events=np.repeat(np.arange(number), 4)))
        found = differences(*pair, is_weighted=False)
        assert found[0].chance == pytest.approx(1.358 * (1 / 350 + 1 / 150) ** 0.5)
        over += sum(one.excess > 0 for one in found)
    assert over / 400 == pytest.approx(0.05, abs=0.035)


def test_worst_first_with_its_medians():
    random = np.random.default_rng(6)
    first = made({"same": random.normal(size=2000), "other": random.normal(size=2000), "eventNumber": np.arange(2000)})
    second = made({"other": random.normal(size=1000) + 1, "same": random.normal(size=1000)})
    found = differences(first, second, is_weighted=False)
    assert [one.field for one in found] == ["other", "same"]
    wanted = ks_2samp(*(one.values["jets", "other"] for one in (first, second))).statistic
    assert found[0].distance == pytest.approx(wanted, abs=1e-12)
    assert found[0].medians[1] - found[0].medians[0] == pytest.approx(1, abs=0.1)
    assert found[1].excess == 0


def test_weighted_samples_have_fewer_independent_jets():
    weights = np.where(np.arange(1000) < 10, 100.0, 1.0)
    values = {"x": np.random.default_rng(7).normal(size=1000)}
    (found,) = differences(made(values, weights=weights), made(values, weights=weights), is_weighted=True)
    size = weights.sum() ** 2 / np.square(weights).sum()
    assert found.chance == pytest.approx(1.358 * (2 / size) ** 0.5)
    assert found.distance == 0


def test_shift_is_found_in_files(clean, checked, of):
    first, second = clean(2000, seed=1), clean(1500, seed=2)
    assert of(checked(first, second), "ks") == []
    second["tracks"]["d0"] += 0.3
    second["jets"]["mass"] *= 2
    report = checked(first, second)
    found = of(report, "ks")
    assert {one.where for one in found} == {"tracks.d0", "jets.mass"}
    wanted = ks_2samp(*(one["tracks"]["d0"][one["tracks"]["valid"]] for one in (first, second))).statistic
    assert report.pairs[0].differences[1].distance == pytest.approx(wanted, abs=1e-12)
    assert next(one for one in found if one.where == "tracks.d0").value == f"{wanted:.3f}"
    assert report.failed
    assert of(checked(first, second, max_ks=0.7), "ks") == []
    assert {one.where for one in of(checked(first, second, ignore=("jets.*",)), "ks")} == {"tracks.d0"}


def test_number_of_constituents_is_a_variable(clean, checked, of):
    first, second = clean(seed=1), clean(seed=2)
    second["tracks"]["valid"][:, 3:] = False
    assert "number of tracks" in {one.where for one in of(checked(first, second), "ks")}


def test_small_files_do_not_alarm(clean, checked):
    first, second = clean(seed=1), clean(seed=2)
    few = {name: rows[:12] for name, rows in second.items()}
    report = checked(first, few, max_ks=0.0)
    assert [one.check.name for one in report.findings if one.check.severity == "error"] == []
    assert report.pairs[0].separation is None


def test_what_only_one_file_has(clean, checked, of):
    first, second = clean(seed=1), clean(seed=2)
    second["hits"] = np.zeros((600, 2), [("x", "f4")])
    second["hits"]["x"] = np.random.default_rng(0).normal(size=(600, 2))
    kinds = [(name, kind) for name, kind in first["jets"].dtype.descr if name != "mass"]
    jets = np.zeros(600, kinds)
    for name, _ in kinds:
        jets[name] = first["jets"][name]
    found = of(checked({**first, "jets": jets}, second), "not-in-both")
    assert [(one.where, one.number, one.detail) for one in found] == [("sample1", 2, "hits, jets.mass")]
