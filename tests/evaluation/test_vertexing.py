from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from salt_like.evaluation.metric import Metric
from salt_like.evaluation.vertexing import COUNTS, Tracks, VertexSums, count


def brute(tracks: Tracks, found: np.ndarray) -> np.ndarray:
    """The definition, track by track."""
    result = np.zeros((tracks.jets, len(COUNTS)))
    for jet in range(tracks.jets):
        members = np.flatnonzero(tracks.jet == jet)
        for i, j in combinations(members, 2):
            true = tracks.truth[i] == tracks.truth[j] >= 0
            said = found[i] == found[j] >= 0
            heavy = tracks.heavy[i] or tracks.heavy[j]
            result[jet, :6] += [true, said, true and said, true and heavy, said and heavy, true and said and heavy]
        true_sets = [
            {t for t in members if tracks.truth[t] == index and tracks.heavy[t]}
            for index in sorted({tracks.truth[t] for t in members if tracks.truth[t] >= 0})
            if all(tracks.heavy[t] for t in members if tracks.truth[t] == index)
        ]
        true_sets = [one for one in true_sets if len(one) >= 2]
        candidates = [
            {t for t in members if found[t] == index} for index in sorted({found[t] for t in members if found[t] >= 0})
        ]
        if candidates:
            said = [len(one) if tracks.primary is None else sum(tracks.primary[t] for t in one) for one in candidates]
            if max(said) > 0:
                candidates.pop(said.index(max(said)))
        candidates = [one for one in candidates if len(one) >= 2]
        matched = 0
        for one in candidates:
            good = [
                true
                for true in true_sets
                if len(one & true) >= 0.65 * len(true) - 1e-9 and len(one & true) >= 0.5 * len(one) - 1e-9
            ]
            matched += bool(good)
        result[jet, 6:9] = [len(true_sets), len(candidates), matched]
        result[jet, 9] = not true_sets
        result[jet, 10] = not true_sets and len(candidates) > 0
    return result


def random_tracks(seed: int, jets: int = 300, with_primary: bool = True) -> tuple[Tracks, np.ndarray]:
    random = np.random.default_rng(seed)
    jet = np.repeat(np.arange(jets), random.integers(0, 13, jets))
    truth = random.integers(-2, 4, len(jet))
    found = np.where(random.random(len(jet)) < 0.7, truth, random.integers(-2, 5, len(jet)))
    heavy = (truth > 0) & (random.random(len(jet)) < 0.95)
    primary = (truth == 0) & (random.random(len(jet)) < 0.8) if with_primary else None
    return Tracks(jet, truth, heavy, primary, jets), found


@pytest.mark.parametrize("with_primary", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_counts_against_the_definition(seed: int, with_primary: bool) -> None:
    tracks, found = random_tracks(seed, with_primary=with_primary)
    expected, result = brute(tracks, found), count(tracks, found)
    for column, name in enumerate(COUNTS):
        np.testing.assert_array_equal(result[:, column], expected[:, column], err_msg=name)
    assert expected.sum(0).min() > 0  # every definition was put to the test


def test_no_tracks_at_all() -> None:
    empty = np.zeros(0, int)
    result = count(Tracks(empty, empty, empty.astype(bool), None, 3), empty)
    np.testing.assert_array_equal(result[:, 9], 1)
    assert result.sum() == 3


@pytest.mark.parametrize(
    ("found", "matched"),
    [
        ([1, 1, 1, 0, 0, 0, 0, 0], 1),  # all of it
        ([1, 1, 2, 0, 0, 0, 0, 0], 1),  # 2 of 3: 67 %
        ([1, 2, 3, 0, 0, 0, 0, 0], 0),  # nothing together
        ([1, 1, 0, 1, 1, 0, 0, 0], 1),  # exactly half of the found ones
        ([1, 1, 0, 1, 1, 1, 0, 0, 0, 0], 0),  # less than half of the found ones
        ([1, 1, 1, 1, 1, 1, 1, 1], 0),  # all in one: that is the primary vertex
    ],
)
def test_matching_by_hand(found: list[int], matched: int) -> None:
    truth = np.array([5, 5, 5, *[0] * (len(found) - 3)])
    tracks = Tracks(np.zeros(len(found), int), truth, truth == 5, truth == 0, 1)
    result = count(tracks, np.array(found))[0]
    assert result[COUNTS.index("true vertices")] == 1
    assert result[COUNTS.index("matched vertices")] == matched


def test_a_decay_at_the_primary_vertex_is_no_vertex_of_its_own() -> None:
    truth, heavy = np.array([0, 0, 0, 0, 5, 5, 5]), np.array([False, False, True, True, True, True, True])
    result = count(Tracks(np.zeros(7, int), truth, heavy, ~heavy, 1), truth)[0]
    assert (result[COUNTS.index("true vertices")], result[COUNTS.index("matched vertices")]) == (1, 1)
    result = count(Tracks(np.zeros(4, int), truth[:4], heavy[:4], ~heavy[:4], 1), truth[:4])[0]
    assert (result[COUNTS.index("true vertices")], result[COUNTS.index("jets without vertex")]) == (0, 1)


def named(metrics: list[Metric]) -> dict[tuple[str, str], Metric]:
    return {(metric.name, metric.baseline_name): metric for metric in metrics}


def test_a_perfect_finder_and_the_trivial_ones() -> None:
    tracks, _ = random_tracks(3)
    sums = VertexSums(groups=10)
    sums.add(tracks, tracks.truth, np.arange(tracks.jets) % 10)
    found = named(sums.metrics())
    for name in ("pair efficiency", "pair purity", "heavy-flavour pair efficiency", "heavy-flavour pair purity"):
        for baseline in ("all in one vertex", "no vertex"):
            assert found[name, baseline].value == 1, name
    assert found["pair efficiency", "all in one vertex"].baseline == 1
    assert 0 < found["pair purity", "all in one vertex"].baseline < 1
    assert found["pair efficiency", "no vertex"].baseline == 0
    assert np.isnan(found["pair purity", "no vertex"].baseline)
    assert found["vertex efficiency", "no vertex"].baseline == 0
    for name in ("vertex efficiency", "vertex purity"):
        assert found[name, "the truth"].baseline == found[name, "the truth"].value


def test_pieces_add_up() -> None:
    whole, parts = VertexSums(groups=4), VertexSums(groups=4)
    tracks, found = random_tracks(1)
    group = np.arange(tracks.jets) % 4
    whole.add(tracks, found, group)
    for start, stop in ((0, 25), (25, 300)):
        of = (tracks.jet >= start) & (tracks.jet < stop)
        piece = Tracks(tracks.jet[of] - start, tracks.truth[of], tracks.heavy[of], tracks.primary[of], stop - start)
        parts.add(piece, found[of], group[start:stop])
    for name, sums in whole.sums.items():
        np.testing.assert_array_equal(sums, parts.sums[name])


def test_weights_are_like_repetitions() -> None:
    tracks, found = random_tracks(2, jets=60)
    repeat = np.random.default_rng(8).integers(0, 4, tracks.jets)
    group = np.arange(tracks.jets) % 5
    weighted, repeated = VertexSums(groups=5), VertexSums(groups=5)
    weighted.add(tracks, found, group, repeat.astype(float))
    for copy in range(3):
        of = (repeat > copy)[tracks.jet]
        kept = Tracks(tracks.jet[of], tracks.truth[of], tracks.heavy[of], tracks.primary[of], tracks.jets)
        repeated.add(kept, found[of], group, (repeat > copy).astype(float))
    for name, sums in weighted.sums.items():
        np.testing.assert_allclose(sums, repeated.sums[name])
    assert weighted.sums["found"].sum(0).min() > 0
