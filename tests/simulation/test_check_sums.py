from __future__ import annotations

import numpy as np
import pytest

from salt_like.simulation.check.sums import ALL, GROUPS, At, Counts, Distribution, auc, quantile
from salt_like.simulation.check.verdict import FEW, NONE, OK, OUTSIDE, Band, Row, exact, judged, verdict


def at(number, random, weight=None):
    return At(random.integers(0, GROUPS, number), np.ones(number) if weight is None else weight)


def test_errors_cover_the_truth_with_weights_and_correlated_tracks():
    """Forty samples of events whose entries share a shift: the pulls of every estimate are about 1 wide."""
    random = np.random.default_rng(0)
    edges = np.linspace(-8, 8, 801)
    pulls: dict[str, list[float]] = {name: [] for name in ("mean", "median", "width", "share", "auc")}
    for _ in range(40):
        events = 1500
        size = random.integers(1, 6, events)
        event = np.repeat(np.arange(events), size)
        number = len(event)
        values = (0.6 * random.normal(size=events)[event] + 0.8 * random.normal(size=number)).astype(np.float64)
        place = At(event % GROUPS, random.choice([0.5, 2.0], events)[event])
        made = Distribution(edges, 2)
        made.fill(place, values, random.integers(0, 2, number))
        view = made.of(ALL)
        for name, found, truth in (
            ("mean", view.mean(), 0.0),
            ("median", view.median(), 0.0),
            ("width", view.width(), 1.0),
            ("share", view.share(1.0), 0.15865525),
            ("auc", auc(made.of(0), made.of(1)), 0.5),
        ):
            pulls[name].append((found.value - truth) / found.error)
    for name, found in pulls.items():
        assert 0.7 < np.sqrt(np.mean(np.square(found))) < 1.4, name
        assert abs(np.mean(found)) < 0.6, name


def test_statistics_are_those_of_numpy():
    random = np.random.default_rng(1)
    values, weights = random.exponential(2.0, 20000), random.uniform(0.5, 1.5, 20000)
    made = Distribution(np.linspace(0, 40, 4001))
    made.fill(at(20000, random, weights), values)
    view = made.of()
    mean = np.average(values, weights=weights)
    assert view.mean().value == pytest.approx(mean)
    assert view.spread().value == pytest.approx(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    assert view.exponential().value == pytest.approx(np.average(values**2, weights=weights) / (2 * mean**2))
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    for probability in (0.1, 0.5, 0.9):
        expected = values[order][np.searchsorted(below, probability)]
        assert view.quantile(probability).value == pytest.approx(expected, abs=0.01)
    assert view.share(3.0).value == pytest.approx(weights[values >= 3].sum() / weights.sum())
    assert view.share(1.0, 3.0).value == pytest.approx(weights[(values >= 1) & (values < 3)].sum() / weights.sum())
    assert view.entries == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    heights, errors = view.density()
    assert (heights * np.diff(view.edges)).sum() == pytest.approx(1)
    assert errors[0] > 0


def test_area_counts_pairs():
    random = np.random.default_rng(2)
    values, kind = random.integers(0, 20, 400).astype(float), random.integers(0, 2, 400)
    made = Distribution(np.arange(21) - 0.5, 2)
    made.fill(at(400, random), values, kind)
    first, second = values[kind == 0][:, None], values[kind == 1][None]
    assert auc(made.of(0), made.of(1)).value == pytest.approx(((first > second) + 0.5 * (first == second)).mean())


def test_outside_the_bins_and_not_finite():
    made = Distribution(np.linspace(-1, 1, 21))
    values = np.array([-5.0, -2.0, 0.05, 7.0, np.nan, np.inf])
    made.fill(At(np.arange(6), np.ones(6)), values)
    view = made.of()
    assert view.bins.sum() == 4
    assert view.share_beyond(1.0).value == pytest.approx(0.75)
    assert view.mean().value == pytest.approx(0.0125)  # of all, not only of those within the bins


def test_shares_have_at_least_their_binomial_error():
    counts = Counts(2)
    counts.fill(At(np.arange(1000) % GROUPS, np.ones(1000)), np.zeros(1000, np.int64))
    none = counts.share((1,), (ALL,))
    assert none.value == 0
    assert none.error == pytest.approx(np.sqrt(0.5 / 1001 / 1000), rel=0.01)
    counts.fill(At(np.zeros(2, np.int64), np.ones(2)), np.array([-1, 2]))  # no such categories
    assert counts.total(ALL) == 1000


def test_quantile_with_negative_weights_and_of_nothing():
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    assert quantile(np.array([0.0, 1, 1, 2, 0]), edges, 0.25) == pytest.approx(1.0)
    assert 0 < quantile(np.array([0.0, 2, -1, 2, 0]), edges, 0.5) < 3
    assert np.isnan(quantile(np.zeros(5), edges, 0.5))


def test_too_few_groups_have_no_error():
    made = Distribution(np.linspace(0, 1, 11))
    made.fill(At(np.zeros(100, np.int64), np.ones(100)), np.linspace(0, 1, 100))
    assert np.isnan(made.of().mean().error)
    assert judged("mean", made.of().mean(), Band(0, 1)).verdict == FEW


@pytest.mark.parametrize(
    ("value", "error", "entries", "expected"),
    [
        (0.5, 0.1, 100, OK),
        (1.2, 0.1, 100, FEW),  # two standard errors beyond
        (1.31, 0.1, 100, OUTSIDE),
        (-0.31, 0.1, 100, OUTSIDE),
        (0.5, 1.1, 100, FEW),  # the error is wider than the band
        (5.0, 0.1, 19, FEW),
        (float("nan"), 0.1, 100, FEW),
        (5.0, float("nan"), 100, FEW),
    ],
)
def test_verdicts(value, error, entries, expected):
    assert verdict(value, error, entries, Band(0, 1)) == expected


def test_lines():
    assert exact("number", 3, Band(0, 0)).verdict == OUTSIDE
    assert exact("number", 0, Band(0, 0)).verdict == OK
    assert exact("number", 3).verdict == NONE
    assert exact("number", 11618).shown == "11,618"
    assert [str(band) for band in (Band(0, 0), Band(1, 2.5), Band(-np.inf, 2), Band(2, np.inf))] == [
        "0",
        "1 to 2.5",
        "at most 2",
        "at least 2",
    ]
    row = Row("a", 0.12345, 0.01, "GeV", Band(0, np.inf), OK, 50.0)
    assert row.shown == "0.123 ± 0.010"
    assert row.plain()["high"] is None
    assert Row("a").plain()["value"] is None
    assert Row("a").shown == ""
