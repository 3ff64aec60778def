from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation.paired_vertices import VertexRatios
from salt_like.evaluation.resampling import EventResamples, interval, resampled
from salt_like.evaluation.vertexing import RATIOS, Tracks, VertexSums

EVENTS, JETS, TRACKS = 150, 3, 6  # jets of an event, tracks of a jet


def toy(seed: int, events: int = EVENTS) -> tuple[Tracks, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Jets whose tracks two taggers put into the right vertex or, more often in some events, into another."""
    random = np.random.default_rng(seed)
    jets = events * JETS
    jet = np.repeat(np.arange(jets), TRACKS)
    event = np.arange(jets) // JETS
    of_class = random.integers(-1, 2, jets)
    truth = random.choice([-1, 0, 1], len(jet), p=[0.1, 0.5, 0.4])
    truth = np.where((of_class[jet] == 1) | (truth < 1), truth, 0)  # only class 1 has secondary vertices
    hard = random.uniform(0.1, 0.4, events)[event[jet]]
    found = []
    for wrong in (hard, 0.8 * hard):
        said = np.where(random.random(len(jet)) < wrong, random.integers(0, 3, len(jet)), truth)
        found.append(np.where(said < 0, 7 + np.arange(len(jet)) % TRACKS, said))
    tracks = Tracks(jet, truth, truth == 1, random.random(len(jet)) < np.where(truth == 0, 0.8, 0.2), jets)
    return tracks, found[0], found[1], event, of_class


def ratios(tracks: Tracks, found: np.ndarray, event: np.ndarray, of_class: np.ndarray, weights=None) -> VertexRatios:
    sums = VertexRatios(int(event.max()) + 1, ("light", "heavy"))
    sums.add(tracks, found, event, weights, of_class)
    return sums


@pytest.mark.parametrize("weighted", [False, True])
def test_against_a_loop_over_the_copies_of_each_jet(weighted: bool) -> None:
    tracks, found, _, event, of_class = toy(1)
    own = np.random.default_rng(5).uniform(0.2, 2, len(event)) if weighted else None
    measure = ratios(tracks, found, event, of_class, own)
    assert measure.names == [
        *(name for name, _, _ in RATIOS),
        *(
            f"{name}, {kind}"
            for kind in ("light", "heavy")
            for name in ("vertex efficiency", "vertex purity", "fake rate")
        ),
    ]
    drawn = EventResamples(np.arange(EVENTS), None, 25, 3)
    values = resampled(measure, drawn)
    for row, copies in zip(values, np.concatenate([draws.copies for draws in drawn]), strict=True):
        jets = np.repeat(np.arange(len(event)), copies[event].astype(int))
        some = (np.arange(TRACKS) + TRACKS * jets[:, None]).reshape(-1)
        repeated = Tracks(
            np.repeat(np.arange(len(jets)), TRACKS),
            tracks.truth[some],
            tracks.heavy[some],
            tracks.primary[some],
            len(jets),
        )
        slow = VertexSums(2, ("light", "heavy"))
        slow.add(repeated, found[some], np.zeros(len(jets), int), None if own is None else own[jets], of_class[jets])
        known = {metric.name: metric.value for metric in slow.metrics()}
        for kind, metrics in slow.by_class().items():
            known |= {f"{metric.name.partition(' (')[0]}, {kind}": metric.value for metric in metrics}
        np.testing.assert_allclose(row, [known[name] for name in measure.names], rtol=1e-10)
    assert np.isnan(values[:, measure.names.index("vertex efficiency, light")]).all()


def test_events_with_something_to_count() -> None:
    tracks, found, _, event, of_class = toy(2)
    measure = ratios(tracks, found, event, of_class)
    numbers = dict(zip(measure.names, measure.events(), strict=True))
    secondary = np.bincount(tracks.jet, tracks.heavy, minlength=len(event)) >= 2
    assert numbers["vertex efficiency"] == len(set(event[secondary]))
    assert numbers["fake rate (jets without true vertex)"] == len(set(event[~secondary]))
    assert numbers["vertex efficiency, light"] == 0
    assert numbers["fake rate, light"] == len(set(event[of_class == 0]))


def test_intervals_of_toys_cover_the_truth() -> None:
    chosen = (0, 1, 4, 5, 6)  # with nothing missing by construction

    def difference(seed: int, events: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        tracks, first, second, event, of_class = toy(seed, events)
        one, other = (ratios(tracks, found, event, of_class) for found in (first, second))
        drawn = EventResamples(np.arange(events), None, number, 11)
        whole = drawn.whole()
        return (other(whole) - one(whole))[0], resampled(lambda draws: other(draws) - one(draws), drawn)

    truth = difference(10**6, 40_000, 1)[0]
    assert np.abs(truth[list(chosen)]).min() > 0.005
    inside, tries = np.zeros(len(truth)), 150
    for seed in range(tries):
        values = difference(seed, EVENTS, 300)[1]
        for place in chosen:
            found = interval(0.0, values[:, place])
            inside[place] += found.low95 <= truth[place] <= found.high95
    shares = inside[list(chosen)] / tries
    assert ((shares >= 0.90) & (shares <= 0.99)).all(), shares
