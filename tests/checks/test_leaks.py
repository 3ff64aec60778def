from __future__ import annotations

import numpy as np
import pytest

from salt_like.checks import leaks
from salt_like.checks.finding import Options
from salt_like.checks.run import check
from salt_like.data.files import Files


def test_shared_events_are_counted(clean, checked, of):
    first, second = clean(seed=1), clean(seed=2)
    assert checked(first, second).findings == []
    second["jets"]["eventNumber"][[10, 50, 51, 52]] = first["jets"]["eventNumber"][
        [300, 400, 401, 0]
    ]  # 400 and 401: one
    (found,) = of(checked(first, second), "shared-events")
    assert (found.sample, found.number, found.total, found.row) == ("sample0, sample1", 3, 302, 10)
    assert found.detail == "also row 300 of part0.h5; 6 and 4 jets"
    assert of(checked(first, second), "shared-jets") == []


def test_event_numbers_of_different_generations_are_different_events(clean, source, of):
    arrays = [clean(seed=1), clean(seed=2)]
    arrays[1]["jets"]["eventNumber"] = arrays[0]["jets"]["eventNumber"]

    def shared(*seeds: int) -> int:
        pair = {
            str(i): source(one, file={"seed": seed}) for i, (one, seed) in enumerate(zip(arrays, seeds, strict=True))
        }
        return len(of(check(pair, Options()), "shared-events"))

    assert shared(5, 5) == 1
    assert shared(5, 6) == 0


def test_events_by_several_fields(clean, checked, of):
    first, second = clean(seed=1), clean(seed=2)
    second["jets"]["eventNumber"] = first["jets"]["eventNumber"]
    second["jets"]["process"] = first["jets"]["process"] + 3
    assert len(of(checked(first, second), "shared-events")) == 1
    assert of(checked(first, second, event=("process", "eventNumber")), "shared-events") == []


def with_more(arrays, seed):
    """Tracks with enough real numbers to be recognised."""
    random, tracks = np.random.default_rng(seed), arrays["tracks"]
    wide = np.zeros(tracks.shape, [*tracks.dtype.descr, ("dphi", "f4"), ("deta", "f4")])
    for name in tracks.dtype.names:
        wide[name] = tracks[name]
    for name in ("dphi", "deta"):
        wide[name] = random.normal(size=tracks.shape)
    return {**arrays, "tracks": wide}


def test_the_same_jets_under_other_event_numbers(clean, checked, of):
    first, second = with_more(clean(seed=1), 1), with_more(clean(seed=2), 2)
    for name in first:
        second[name][200:230] = first[name][500:530]
    jets, tracks = second["jets"], second["tracks"]
    jets["eventNumber"][200:230] = np.arange(30) + 10**9
    counts = tracks["valid"].sum(1)
    tracks["d0"][200:230][~tracks["valid"][200:230]] = 5  # padding does not count
    row = 200 + int((counts[200:210] > 1).argmax())
    tracks[row, :2] = tracks[row, 1::-1]  # nor does the order of constituents
    jets["mass"][200:210] *= 1.01  # jets of another calibration
    tracks["d0"][210:220, 0] += 1e-3  # tracks of another calibration
    jets["mass"][220] *= 1.01
    tracks["d0"][220, 0] += 1e-3  # both: another jet
    report = checked(first, second)
    (found,) = of(report, "shared-jets")
    by_tracks = np.r_[200:210, 221:230][counts[np.r_[200:210, 221:230]] > 1]
    both = len({*by_tracks.tolist(), *range(210, 220), *range(221, 230)})
    assert len(by_tracks) > 10
    assert (found.number, found.total, found.row) == (both, 600, by_tracks[0])
    assert found.detail == f"also row {by_tracks[0] + 300} of part0.h5; same jets 19, tracks {len(by_tracks)}"
    assert of(report, "shared-events") == []
    assert report.failed


def test_only_common_fields_of_one_type_count(clean, checked, of):
    first, second = clean(seed=1), clean(seed=2)
    for name in first:
        second[name][:5] = first[name][:5]
    second["jets"]["eventNumber"] += 10**9
    kinds = [(name, kind) for name, kind in second["jets"].dtype.descr if name != "mass"]
    kinds = [(name, "f8" if name == "pt" else kind) for name, kind in kinds] + [("more", "f4")]
    changed = np.zeros(600, kinds)
    for name in changed.dtype.names:
        if name != "more":
            changed[name] = second["jets"][name]
    assert of(checked(first, {**second, "jets": changed}), "shared-jets")[0].number == 5


def test_repeated_jets(clean, source, of):
    first, second = clean(seed=1), clean(seed=2)
    for name in first:
        second[name][[7, 9]] = first[name][[7, 9]]
    second["tracks"]["d0"][9, 0] += 1e-3
    report = check({"both": source(first, second)}, Options())
    (found,) = of(report, "repeated-jets")
    assert (found.number, found.total, found.row, found.detail) == (2, 1200, 7, "same jets 2")
    assert found.file.endswith("part1.h5")
    assert not report.failed
    assert of(check({"one": source(first)}, Options()), "repeated-jets") == []


def test_too_few_numbers_tell_no_jets_apart(tmp_path, source, clean):
    few = {"jets": clean()["jets"][["pt", "eta", "eventNumber"]]}
    report = check({"a": source(few), "b": source(few)}, Options())
    assert [one.check.name for one in report.findings] == ["shared-events"]
    assert report.samples[0].identities.content == {}


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_hash_does_not_depend_on_the_pieces(clean, source, monkeypatch, step):
    from salt_like.checks import reading

    files: Files = source(clean(50), clean(30, seed=3))
    fields = leaks.common_fields([files])

    def hashes() -> np.ndarray:
        found = leaks.Identities(files, ("eventNumber",), fields)
        for piece in reading.pieces(files, ""):
            found.update(piece)
        return np.stack([found.events, found.jets])

    whole = hashes()
    monkeypatch.setattr(reading, "MOST_ROWS", step)
    np.testing.assert_array_equal(hashes(), whole)
    assert len(np.unique(whole[1])) == 80
    assert len(np.unique(whole[0])) == 40
