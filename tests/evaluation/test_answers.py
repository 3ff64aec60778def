from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import prediction_files
import pytest
from prediction_files import L, N, arrays, file

from salt_like.errors import UserError
from salt_like.evaluation.answers import match, side_of
from salt_like.evaluation.differences import differences
from salt_like.evaluation.reader import PredictionFile
from salt_like.export.tolerances import TOLERANCES
from salt_like.spec import Output


def with_rows(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with the rows of the source."""
    old = given["jets"]
    jets = np.zeros(N, [("row", "i8"), *old.dtype.descr])
    for name in old.dtype.names or ():
        jets[name] = old[name]
    jets["row"] = np.arange(N)
    return {**given, "jets": jets}


def opened(path: Path, given: dict[str, np.ndarray], **changes: object) -> PredictionFile:
    return PredictionFile(file(path, given, **changes))


@pytest.fixture
def ours(tmp_path: Path) -> PredictionFile:
    return opened(tmp_path / "ours.h5", with_rows(arrays()))


def taken(given: dict[str, np.ndarray], index: np.ndarray) -> dict[str, np.ndarray]:
    return {name: one[index] for name, one in given.items()}


def test_everything_that_a_file_says(ours: PredictionFile) -> None:
    found = side_of(ours)
    assert list(found.names) == ["row", "eventNumber"]
    assert list(found.rows["jets"].answers) == ["pujets", "pcjets", "pbjets", "mass", "mass_stddev"]
    assert list(found.rows["tracks"].answers) == ["ppileup", "pprimary", "pfromB", "pfromC", "VertexIndex"]
    given = arrays()
    np.testing.assert_array_equal(found.rows["jets"].answers["mass"].values, given["jets"]["m_mass"])
    tracks = found.rows["tracks"]
    jet, slot = np.nonzero(given["tracks"]["valid"])
    np.testing.assert_array_equal(tracks.jet, jet)
    np.testing.assert_array_equal(tracks.place, slot)
    np.testing.assert_array_equal(tracks.answers["pfromB"].values, given["tracks"]["m_pfromB"][jet, slot])
    assert tracks.answers["VertexIndex"].kind == "index"
    assert found.rows["jets"].answers["mass"].unit == "GeV"


@pytest.mark.parametrize("key", [(), ("eventNumber", "pt")])
def test_jets_are_matched_by_what_they_are_and_not_by_where_they_are(ours, tmp_path, key) -> None:
    order = np.random.default_rng(1).permutation(N)[: N - 50]
    given = taken(with_rows(arrays()), order)
    changed = int(np.flatnonzero(order == 7)[0])
    given["jets"]["m_mass"][changed] += 0.5
    other = opened(tmp_path / "other.h5", given)
    matched = match(ours, other, key)
    assert matched.only == (50, 0)
    np.testing.assert_array_equal(order[matched.second], matched.first)
    assert (np.diff(matched.first) > 0).all()
    found = differences(side_of(ours), side_of(other), matched, TOLERANCES)
    assert found.jets == N - 50
    (mass,) = (one for one in found.outputs if one.name == "mass")
    assert (mass.jets_beyond, mass.worst[0]["row"], mass.worst[0]["eventNumber"]) == (1, 7, 3)
    assert all(not one.jets_beyond for one in found.outputs if one is not mass)
    assert not found.notes


def test_columns_of_models_with_other_names(ours, tmp_path) -> None:
    given = with_rows(arrays())
    for stream, rows in given.items():
        names = tuple(f"other_{n[2:]}" if n.startswith("m_") else n for n in rows.dtype.names or ())
        given[stream] = rows.astype([(new, rows.dtype[old]) for new, old in zip(names, rows.dtype.names, strict=True)])
    other = opened(tmp_path / "other.h5", given, model="other")
    found = differences(side_of(ours), side_of(other), match(ours, other), TOLERANCES)
    assert found.models == ("m", "other")
    assert (len(found.outputs), found.passed) == (10, True)


def test_vectors_of_jets(tmp_path) -> None:
    given = with_rows(arrays())
    old = given["jets"]
    vectors = np.random.default_rng(2).normal(size=(N, 3)).astype(np.float32)
    jets = np.zeros(N, [*old.dtype.descr, ("m_embedding", "f4", (3,))])
    for name in old.dtype.names or ():
        jets[name] = old[name]
    jets["m_embedding"] = vectors
    tasks = prediction_files.contents().tasks
    task = replace(tasks[0], outputs=(*tasks[0].outputs, Output("jets", "embedding", "embedding")))
    rows = side_of(opened(tmp_path / "a.h5", {**given, "jets": jets}, tasks=(task,))).rows["jets, embedding"]
    np.testing.assert_array_equal(rows.answers["embedding"].values.reshape(N, 3), vectors)
    assert (rows.jet[:4].tolist(), rows.place[:4].tolist()) == ([0, 0, 0, 1], [0, 1, 2, 0])


def test_a_file_without_valid_constituents(tmp_path) -> None:
    given = with_rows(arrays())
    given["tracks"]["valid"] = False
    empty = opened(tmp_path / "a.h5", given)
    found = differences(side_of(empty), side_of(empty), match(empty, empty), TOLERANCES)
    assert {one.compared for one in found.outputs if one.stream == "tracks"} == {0}
    assert found.passed
    assert given["tracks"].shape == (N, L)


def test_rows_mean_the_same_jets_only_in_the_same_files(ours, tmp_path) -> None:
    given = with_rows(arrays())
    with pytest.raises(UserError, match=r"A: a.h5, b.h5\nB: c.h5, b.h5\nif they hold .*--key eventNumber"):
        match(ours, opened(tmp_path / "c.h5", given, sources=("c.h5", "b.h5")))
    assert match(ours, opened(tmp_path / "d.h5", given, sources=("a.h5",))).notes == ()  # the first of them
    moved = match(ours, opened(tmp_path / "e.h5", given, sources=("/x/a.h5", "/x/b.h5")))
    assert "lie in other folders" in moved.notes[0]
    assert match(ours, opened(tmp_path / "f.h5", given, sources=("c.h5",)), ["pt"]).only == (0, 0)


def test_rows_that_are_other_jets_are_noticed(ours, tmp_path) -> None:
    given = with_rows(arrays())
    given["jets"]["pt"][5] += 1
    with pytest.raises(UserError, match=r"other jets under the same row: pt is .* for row 5 \(1 of 400 jets\)"):
        match(ours, opened(tmp_path / "a.h5", given))
    given = with_rows(arrays())
    given["jets"]["pt"][5] = np.nan
    same = opened(tmp_path / "b.h5", given)
    assert len(match(same, same).first) == N


def test_fields_that_do_not_tell_jets_apart(ours, tmp_path) -> None:
    with pytest.raises(UserError) as said:
        match(ours, ours, ["eventNumber"])
    assert "eventNumber does not tell jets apart: 200 of the 400 jets in A" in str(said.value)
    hint = str(said.value).splitlines()[1].removeprefix("these do: --key ")
    assert len(match(ours, ours, hint.split(",")).first) == N
    with pytest.raises(UserError, match=r"no field 'eventNumbr' of the jets in A \(did you mean 'eventNumber'\?\)"):
        match(ours, ours, ["eventNumbr"])
    given = with_rows(arrays())
    given["jets"]["row"] += N
    with pytest.raises(UserError, match="no jet in both, by row"):
        match(ours, opened(tmp_path / "a.h5", given))
