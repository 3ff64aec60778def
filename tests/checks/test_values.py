from __future__ import annotations

import numpy as np
import pytest

from salt_like.checks.values import defaults


def test_nothing_is_found_in_clean_files(clean, checked):
    assert checked(clean()).findings == []
    assert not checked(clean()).failed


def test_nan_and_infinity(clean, checked, of):
    arrays = clean()
    arrays["jets"]["pt"][[41, 99]] = np.nan
    rows, slots = np.nonzero(arrays["tracks"]["valid"])
    chosen = np.flatnonzero(rows >= 17)[[0, 5, 6]]
    arrays["tracks"]["d0"][rows[chosen], slots[chosen]] = [np.inf, -np.inf, np.inf]
    report = checked(arrays)
    (nan,) = of(report, "nan")  # NaN in the padding and in truth fields is nothing
    assert (nan.where, nan.number, nan.total, nan.row) == ("jets.pt", 2, 600, 41)
    assert nan.plain()["mend"].endswith("data: {defaults: {pt: .nan}}")
    (inf,) = of(report, "inf")
    assert (inf.where, inf.number, inf.total, inf.row) == ("tracks.d0", 3, len(rows), 17)
    assert report.failed
    assert len(report.findings) == 2


def test_truth_may_be_nan_but_not_infinite(clean, checked, of):
    arrays = clean()
    arrays["jets"]["HadronPt"] = np.nan
    assert checked(arrays).findings == []
    arrays["jets"]["HadronPt"][3] = np.inf
    assert [one.row for one in of(checked(arrays), "inf")] == [3]


def test_constant(clean, checked, of):
    arrays = clean()
    arrays["jets"]["mass"] = 7
    arrays["tracks"]["hits"][arrays["tracks"]["valid"]] = 3  # other values in the padding do not matter
    found = of(checked(arrays), "constant")
    assert {(one.where, one.value) for one in found} == {("jets.mass", "7"), ("tracks.hits", "3")}
    assert of(checked({name: rows[:5] for name, rows in arrays.items()}), "constant") == []  # too few to say


@pytest.mark.parametrize("value", [-999.0, 0.0])
def test_default(clean, checked, of, value):
    arrays = clean()
    arrays["jets"]["softMuon_pt"][100:160] = value
    (found,) = of(checked(arrays), "default")
    assert (found.where, found.number, found.total, found.row) == ("jets.softMuon_pt", 60, 600, 100)
    assert found.value == f"{value:g}"
    assert found.plain()["mend"].endswith(f"data: {{defaults: {{softMuon_pt: {value:g}}}}}")
    assert of(checked(arrays, ignore=("softMuon_*",)), "default") == []


def test_default_counts_are_those_of_all_rows(clean, checked, of):
    arrays = clean(3000)
    arrays["jets"]["softMuon_pt"][::4] = -999
    report = checked(arrays, jets=500)
    assert report.samples[0].drawn.jets == 500
    assert [(one.number, one.row) for one in of(report, "default")] == [(750, 0)]


def random_values(number: int = 1000) -> np.ndarray:
    return np.random.default_rng(0).normal(size=number).astype(np.float32)


def test_what_is_a_default():
    values = random_values()
    assert defaults(values) == []
    assert defaults(np.append(values, [-50])) == []  # one outlier
    assert defaults(np.append(values, [-50] * 5)) == [-50]  # far outside, again and again
    assert defaults(np.append(values, [0.5] * 40)) == []  # within the others and below the share
    assert defaults(np.append(values, [0.5] * 100)) == [0.5]
    assert defaults(np.append(values, [0.5] * 100), max_share=0.2) == []
    assert sorted(defaults(np.append(values, [0.5] * 100 + [-999] * 100))) == [-999, 0.5]
    assert defaults(np.append(1e6 * np.abs(values), [-999] * 5)) == [-999]  # in the width, but known
    assert defaults(np.append(1e6 * np.abs(values), [-1] * 5)) == [-1]
    assert defaults(np.append(1e6 * values, [-1] * 5)) == []


def test_counts_are_no_defaults():
    random = np.random.default_rng(0)
    assert defaults(random.integers(0, 5, 1000)) == []
    assert defaults(random.poisson(0.1, 1000)) == []
    assert defaults(np.array([0] * 900 + [-13, -11, 11, 13] * 25)) == []
    assert defaults(np.array([0, 1] * 500)) == []
    assert defaults(np.append(random.integers(0, 9, 1000), [255] * 5)) == [255]
    assert defaults(np.zeros(0)) == []
    assert defaults(np.full(100, np.nan)) == []
