from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import salt_like
from salt_like.checks.finding import Options
from salt_like.checks.run import check
from salt_like.data.files import Files


def rates(report) -> dict[str, tuple[int, int, int | None]]:
    found = report.samples[0].rates
    return {f"{one.of} {one.what}": (one.tally.number, one.total, one.tally.row) for one in found}


def brute_force(arrays) -> dict[str, int]:
    """The same counts by loops over jets."""
    counts = dict.fromkeys(("b without", "c without", "light with", "vertices", "mixed", "unordered"), 0)
    for jet, tracks in zip(arrays["jets"], arrays["tracks"], strict=True):
        real = tracks[tracks["valid"]]
        origins = set(real["ftagTruthOriginLabel"].tolist())
        counts["b without"] += jet["flavour_label"] == 2 and not origins & {3, 4}
        counts["c without"] += jet["flavour_label"] == 1 and not origins & {4, 5}
        counts["light with"] += jet["flavour_label"] == 0 and bool(origins & {3, 4, 5})
        for vertex in set(real["ftagTruthVertexIndex"].tolist()):
            members = real["ftagTruthOriginLabel"][real["ftagTruthVertexIndex"] == vertex]
            if vertex >= 0 and len(members) > 1:
                counts["vertices"] += 1
                counts["mixed"] += len(set(members.tolist())) > 1
        counts["unordered"] += bool((np.diff(real["pt"]) > 0).any())
    return counts


def test_rates_are_those_of_loops(clean, checked):
    arrays = clean()
    random = np.random.default_rng(5)
    arrays["tracks"]["ftagTruthOriginLabel"] = random.integers(2, 8, (600, 6))
    arrays["tracks"]["ftagTruthVertexIndex"] = random.integers(-1, 3, (600, 6))
    arrays["tracks"]["pt"][::3, :2] = arrays["tracks"]["pt"][::3, 1::-1]
    report, wanted = checked(arrays), brute_force(arrays)
    found = rates(report)
    flavours = np.bincount(arrays["jets"]["flavour_label"])
    assert found["bjets without tracks fromB or fromBC"][:2] == (wanted["b without"], flavours[2])
    assert found["cjets without tracks fromBC or fromC"][:2] == (wanted["c without"], flavours[1])
    assert found["ujets with tracks fromB or fromBC or fromC"][:2] == (wanted["light with"], flavours[0])
    assert found["vertices of 2 or more tracks with more than one origin"][:2] == (wanted["mixed"], wanted["vertices"])
    assert found["jets with tracks not in falling pt"][0] == wanted["unordered"] > 0
    assert not report.failed  # odd, but possible


def test_tracks_that_stand_in_another_order_by_what_the_file_says_are_not_odd():
    """Simulated tracks are ordered by significance, flows by momentum; the attribute `order` says so."""
    samples = Path(salt_like.__file__).parent / "samples"
    found = rates(check({"val": Files([samples / "val.h5"])}, Options(jets=500)))
    assert "jets with tracks not in falling pt" not in found
    assert found["jets with flows not in falling pt"][:2] == (0, found["jets with flows not in falling pt"][1])


def test_clean_labels(clean, checked):
    assert {number for number, _, _ in rates(checked(clean())).values()} == {0}


def test_one_b_jet_without_its_track(clean, checked):
    arrays = clean()
    row = int(np.flatnonzero(arrays["jets"]["flavour_label"] == 2)[3])
    arrays["tracks"]["ftagTruthOriginLabel"][row, 0] = 2
    found = rates(checked(arrays))["bjets without tracks fromB or fromBC"]
    assert found == (1, (arrays["jets"]["flavour_label"] == 2).sum(), row)


def test_vertex_of_pile_up(clean, checked, of):
    arrays = clean()
    rows = np.flatnonzero(arrays["tracks"]["valid"][:, 1])[[4, 8]]
    arrays["tracks"]["ftagTruthVertexIndex"][rows, 1] = 0
    report = checked(arrays)
    (found,) = of(report, "vertex-of-nothing")
    assert (found.where, found.number, found.row) == ("tracks.ftagTruthVertexIndex", 2, rows[0])
    assert found.total == arrays["tracks"]["valid"][:, 1].sum()
    assert report.failed
    assert of(checked(arrays, ignore=("tracks.ftagTruthVertexIndex",)), "vertex-of-nothing") == []


def test_names_are_found_by_their_aliases(clean, checked, of):
    arrays = clean()
    arrays["tracks"]["ftagTruthVertexIndex"][5] = 3
    arrays["tracks"]["valid"][5] = True
    kinds = arrays["tracks"].dtype.descr
    other = {"ftagTruthVertexIndex": "truthVertexIndex", "ftagTruthOriginLabel": "truthOriginLabel"}
    arrays["tracks"] = arrays["tracks"].astype([(other.get(name, name), kind) for name, kind in kinds])
    (found,) = of(checked(arrays), "vertex-of-nothing")
    assert (found.where, found.number, found.row) == ("tracks.truthVertexIndex", 1, 5)


def test_labels_outside_their_classes(clean, checked, of):
    arrays = clean()
    arrays["jets"]["flavour_label"][[20, 30]] = [4, -1]
    arrays["tracks"]["valid"][50, :3] = True
    arrays["tracks"]["ftagTruthOriginLabel"][50, :3] = [9, -1, 2]  # a negative one is not to be learned
    arrays["jets"]["HadronConeExclTruthLabelID"][40] = 3
    found = {one.where: one for one in of(checked(arrays), "label-outside")}
    flavour, origin = found["jets.flavour_label"], found["tracks.ftagTruthOriginLabel"]
    assert (flavour.value, flavour.number, flavour.total, flavour.row) == ("4", 2, 600, 20)
    assert (origin.value, origin.number, origin.row) == ("9", 1, 50)
    assert found["jets.HadronConeExclTruthLabelID"].row == 40
    assert len(found) == 3


def with_count(arrays):
    jets = np.zeros(len(arrays["jets"]), [*arrays["jets"].dtype.descr, ("n_tracks", "i4")])
    for name in arrays["jets"].dtype.names:
        jets[name] = arrays["jets"][name]
    jets["n_tracks"] = arrays["tracks"]["valid"].sum(1)
    return {**arrays, "jets": jets}


def test_stated_number_of_tracks(clean, checked, of):
    arrays = with_count(clean())
    full = arrays["jets"]["n_tracks"] == 6
    arrays["jets"]["n_tracks"][full] = 9  # more than there is space for
    assert checked(arrays).findings == []
    row = int(np.flatnonzero(arrays["jets"]["n_tracks"] == 3)[2])
    arrays["jets"]["n_tracks"][row] = 2
    (found,) = of(checked(arrays), "count")
    assert (found.where, found.number, found.total, found.row) == ("jets.n_tracks", 1, 600, row)


def test_holes(clean, checked, of):
    arrays = clean()
    arrays["tracks"]["valid"][[60, 70]] = [True, False, True, False, False, False]
    report = checked(arrays)
    (found,) = of(report, "holes")
    assert (found.where, found.number, found.total, found.row) == ("tracks", 2, 600, 60)
    assert not report.failed


@pytest.mark.parametrize("rows_at_once", [7, 100])
def test_pieces_do_not_matter(clean, checked, monkeypatch, rows_at_once):
    from salt_like.checks import reading

    arrays = clean()
    arrays["tracks"]["ftagTruthOriginLabel"] = np.random.default_rng(0).integers(0, 9, (600, 6))
    whole = checked(arrays)
    monkeypatch.setattr(reading, "MOST_ROWS", rows_at_once)
    parts = checked(arrays)
    assert rates(parts) == rates(whole)
    plain = [[{**one.plain(), "file": None} for one in report.findings] for report in (parts, whole)]
    assert plain[0] == plain[1] != []
