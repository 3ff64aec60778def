from __future__ import annotations

import numpy as np
import pytest
from field_files import write

from salt_like.checks.finding import Options
from salt_like.checks.run import check
from salt_like.data.files import Files
from salt_like.data.watch import watched
from salt_like.errors import UserError


def test_three_samples(clean, checked):
    report = checked(clean(seed=1), clean(seed=2), clean(seed=1))
    assert [(one.first, one.second) for one in report.pairs] == [
        ("sample0", "sample1"),
        ("sample0", "sample2"),
        ("sample1", "sample2"),
    ]
    assert [bool(one.differences) for one in report.pairs] == [True, True, False]
    assert {(one.check.name, one.sample) for one in report.findings} == {
        ("shared-events", "sample0, sample2"),
        ("shared-jets", "sample0, sample2"),
    }
    assert {one.number for one in report.findings} == {300, 600}


def test_one_jet_and_no_jet(clean, checked):
    one = {name: rows[:1] for name, rows in clean().items()}
    none = {name: rows[:0] for name, rows in clean().items()}
    report = checked(one)
    assert {finding.check.name for finding in report.findings} == {"class-absent"}  # three of four
    report = checked(clean(seed=1), one, none)
    assert [
        (finding.check.name, finding.sample) for finding in report.findings if finding.check.severity == "error"
    ] == [
        ("empty", "sample2"),
    ]
    assert checked(none).failed


def test_only_constituents(tmp_path, clean):
    tracks = clean()["tracks"]
    tracks = np.array(tracks)
    report = check({"a": Files([write(tmp_path / "x.h5", {"tracks": tracks})])}, Options())
    assert report.findings == []
    assert report.samples[0].event == ()


def test_streams_of_another_length_are_named(tmp_path, clean):
    arrays = {**clean(), "sums": np.arange(4).view([("total", "i8")])}
    report = check({"a": Files([write(tmp_path / "x.h5", arrays)])}, Options())
    (found,) = report.findings
    assert (found.check.name, found.where, found.number, found.total) == ("lengths", "sums", 4, 600)


def test_options_that_name_what_is_not_there(clean, checked):
    with pytest.raises(UserError, match=r"--ignore names 'masss' \(did you mean 'mass'\?\), which no file has"):
        checked(clean(), ignore=("masss",))
    with pytest.raises(UserError, match=r"no field 'weigth' \(did you mean 'weight'\?\) \(asked for in --weight\)"):
        checked(clean(), weight="weigth")
    with pytest.raises(UserError, match="no field 'run'"):
        checked(clean(), event=("run", "eventNumber"))


def test_errors_come_first(clean, checked):
    arrays = clean()
    arrays["jets"]["pt"][0] = np.nan
    arrays["jets"]["mass"][0] = np.inf
    assert [one.check.severity for one in checked(arrays).findings] == ["error", "warning"]


def test_progress_is_shown(clean, source):
    from contextlib import contextmanager

    seen = {}

    @contextmanager
    def watcher(what):
        yield lambda done, total: seen.__setitem__(what, (done, total))

    with watched(watcher):
        check({"a": source(clean(), clean(300, seed=1))}, Options())
    assert seen == {"drawing jets of a": (900, 900), "checking a": (900, 900)}


def test_weights_in_comparisons(clean, checked, of):
    first, second = clean(4000, seed=1), clean(4000, seed=2)
    for arrays in (first, second):
        arrays["jets"]["weight"] = 1
    second["jets"]["weight"][second["jets"]["eta"] > 0] = 0.01
    assert of(checked(first, second), "ks")[0].where == "jets.weight"
    found = {one.where for one in of(checked(first, second, weight="weight"), "ks")}
    assert "jets.eta" in found
