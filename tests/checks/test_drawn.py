from __future__ import annotations

import numpy as np
import pytest

from salt_like.checks import drawn
from salt_like.checks.drawn import draw, summary
from salt_like.checks.finding import Options
from salt_like.errors import UserError


def test_summary_is_that_of_loops():
    counts = np.array([0, 3, 1, 0, 2, 0])
    values = np.array([-1.0, -5.0, np.nan, -4.0, np.inf, np.nan])
    wanted = [[0, 0], [-3, -1], [-4, -4], [0, 0], [0, 0], [0, 0]]
    np.testing.assert_array_equal(summary(values, counts), wanted)
    np.testing.assert_array_equal(summary(np.zeros(0), np.zeros(3, int)), np.zeros((3, 2)))


def test_everything_is_drawn_where_there_is_little(clean, source):
    arrays = clean(50)
    found = draw("a", source(arrays), Options(weight="weight"), ("eventNumber",))
    real = arrays["tracks"]["valid"]
    assert (found.jets, found.total) == (50, 50)
    np.testing.assert_array_equal(found.values["jets", "pt"], arrays["jets"]["pt"])
    np.testing.assert_array_equal(found.values["tracks", "d0"], arrays["tracks"]["d0"][real])
    np.testing.assert_array_equal(found.values["tracks", ""], real.sum(1))
    np.testing.assert_array_equal(found.jets_of(("tracks", "d0")), np.nonzero(real)[0])
    np.testing.assert_array_equal(found.weights, arrays["jets"]["weight"])
    assert len(np.unique(found.events)) == 25
    largest = np.where(real, arrays["tracks"]["d0"], -np.inf).max(1)
    np.testing.assert_array_equal(found.features["tracks", "d0"][:, 1], largest)
    assert ("jets", "HadronPt") in found.values
    assert ("jets", "HadronPt") not in found.features
    assert ("tracks", "ftagTruthOriginLabel") not in found.features


def test_drawn_evenly_from_all_files(clean, source):
    parts = [clean(3000, seed) for seed in range(3)]
    found = draw("a", source(*parts), Options(jets=900), ())
    assert (found.jets, found.total) == (900, 9000)
    every = np.concatenate([one["jets"]["mass"] for one in parts])
    rows = np.flatnonzero(np.isin(every, found.values["jets", "mass"]))
    assert np.bincount(rows // 3000).tolist() == [306, 297, 297]
    assert np.abs(np.sort(rows) - np.arange(900) * 10).max() <= 100


def test_many_constituents_are_thinned_by_whole_jets(clean, source, monkeypatch):
    monkeypatch.setattr(drawn, "MOST_CONSTITUENTS", 500)
    arrays = clean(600)
    found = draw("a", source(arrays), Options(), ())
    owners = found.jets_of(("tracks", "d0"))
    assert 200 < len(owners) < 600
    real = arrays["tracks"]["valid"][np.unique(owners)]
    np.testing.assert_array_equal(found.values["tracks", "d0"], arrays["tracks"]["d0"][np.unique(owners)][real])
    assert len(found.features["tracks", "d0"]) == 600


def test_weights_must_be_finite(clean, source):
    arrays = clean(50)
    arrays["jets"]["weight"][7] = np.nan
    with pytest.raises(UserError, match=r"the weight 'weight' is nan in row 7 of .*part0.h5\n\(1 such rows"):
        draw("a", source(arrays), Options(weight="weight"), ())
