from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from salt_like.evaluation.paired_values import ValueSums
from salt_like.evaluation.regression import regress
from salt_like.evaluation.resampling import EventResamples, interval, resampled

EVENTS, JETS = 200, 3
NAMES = [
    "bias",
    "RMS",
    "half central 68 %",
    "median of value/target",
    "half central 68 % of value/target",
    "pull mean",
    "pull width (half central 68 %)",
    "negative log-likelihood",
]


def toy(seed: int) -> tuple[np.ndarray, ...]:
    """Targets and the values of two taggers, N(2, 5) and N(-1, 4) about them, with half of the variance shared."""
    random = np.random.default_rng(seed)
    event = np.repeat(np.arange(EVENTS), JETS)
    targets = random.uniform(90, 110, len(event))
    common = np.sqrt(0.5) * random.normal(size=EVENTS)[event]
    found = [common + np.sqrt(0.5) * random.normal(size=len(event)) for _ in range(2)]
    return targets, targets + 2 + 5 * found[0], targets - 1 + 4 * found[1], event


@pytest.mark.parametrize("kind", ["plain", "weighted", "negative", "with sigma", "not positive"])
def test_against_the_metrics_of_the_resampled_rows(kind: str) -> None:
    targets, values, _, event = toy(1)
    random = np.random.default_rng(7)
    own = random.uniform(0.2, 2, len(event)) if kind in ("weighted", "negative") else None
    if kind == "negative":
        own = np.where(random.random(len(event)) < 0.1, -own, own)
    sigmas = random.uniform(3, 6, len(event)) if kind == "with sigma" else None
    if kind == "not positive":
        targets, values = targets - 100, values - 100
    measure = ValueSums(values, targets, sigmas, event, EVENTS, own)
    wanted = [name for name in NAMES if sigmas is not None or not name.startswith(("pull", "neg"))]
    if kind == "not positive":
        wanted = [name for name in wanted if "/" not in name]
    rows = measure.rows("mass", "GeV", EVENTS)
    assert [row.name for row in rows] == [f"mass: {name}" for name in wanted]
    assert [row.unit for row in rows][:3] == ["GeV"] * 3
    drawn = EventResamples(np.arange(EVENTS), None, 25, 3)
    for row, copies in zip(resampled(measure, drawn), np.concatenate([one.copies for one in drawn]), strict=True):
        weights = copies[event] * (1 if own is None else own)
        metrics = regress(values, targets, sigmas, None, "GeV", weights)
        np.testing.assert_allclose(row, [metric.value for metric in metrics], rtol=1e-10)
        assert [metric.name for metric in metrics] == wanted
    if own is None:  # copies in place of weights: the same but for quantiles, which lie between other entries
        again = np.repeat(np.arange(len(event)), copies[event].astype(int))
        metrics = regress(values[again], targets[again], None if sigmas is None else sigmas[again])
        np.testing.assert_allclose(row, [metric.value for metric in metrics], atol=0.1)


def test_intervals_of_toys_cover_the_truth() -> None:
    sigma = 4.5
    likelihood = [(spread**2 + mean**2) / (2 * sigma**2) for mean, spread in ((2, 5), (-1, 4))]
    central = [stats.norm.interval(0.6826894921370859, 0, spread)[1] for spread in (5, 4)]
    truth = {
        "bias": -3.0,
        "RMS": np.sqrt(17 / 29),
        "half central 68 %": 4 / 5,
        "pull width (half central 68 %)": (central[1] - central[0]) / sigma,
        "negative log-likelihood": likelihood[1] - likelihood[0],
    }
    inside, tries = dict.fromkeys(truth, 0), 100
    for seed in range(tries):
        targets, first, second, event = toy(seed)
        widths = np.full(len(event), sigma)
        one, other = (ValueSums(values, targets, widths, event, EVENTS) for values in (first, second))
        drawn = EventResamples(np.arange(EVENTS), None, 250, 11)
        values = [resampled(side, drawn) for side in (one, other)]
        for place, row in enumerate(one.rows("m", "", EVENTS)):
            name = row.name.removeprefix("m: ")
            if name in truth:
                found = interval(0.0, row.changes(values[0][:, place], values[1][:, place]))
                inside[name] += found.low95 <= truth[name] <= found.high95
    for name, number in inside.items():
        assert 0.90 <= number / tries <= 0.99, (name, number)


def test_no_target_in_a_resample() -> None:
    measure = ValueSums(np.ones(1), np.ones(1), None, np.zeros(1, int), 1)
    values = resampled(measure, EventResamples(np.arange(1), None, 20, 0))
    drawn = np.concatenate([one.copies[:, 0] for one in EventResamples(np.arange(1), None, 20, 0)])
    assert (np.isnan(values).all(1) == (drawn == 0)).all()
    assert (drawn == 0).any()
