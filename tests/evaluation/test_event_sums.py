from __future__ import annotations

import numpy as np
import pytest

from salt_like.evaluation.event_sums import Quantiles, add_by_event
from salt_like.evaluation.resampling import Draws, EventResamples
from salt_like.evaluation.statistics import quantiles

LEVELS = (0.001, 0.1587, 0.5, 0.8413, 0.999)


@pytest.mark.parametrize("kind", ["ones", "weights", "zeros", "negative"])
@pytest.mark.parametrize("number", [1, 2, 7, 400])
def test_quantiles_are_those_of_the_resampled_rows(kind: str, number: int) -> None:
    random = np.random.default_rng(number)
    values = np.round(random.normal(size=number), 1)  # with equal ones
    own = None if kind == "ones" else random.uniform(0.1, 2, number)
    if kind == "zeros":
        own = own * (random.random(number) < 0.5)
    if kind == "negative":
        own = own * np.where(random.random(number) < 0.2, -1, 1)
    event = np.arange(number) // 3
    drawn = EventResamples(event, None, 60, 1)
    measure = Quantiles(values, LEVELS, drawn.event, own)
    for draws in drawn:
        found = measure(draws)
        for row, copies in zip(found, draws.copies, strict=True):
            weights = copies[event] * (1 if own is None else own)
            if weights.sum() > 0:
                np.testing.assert_allclose(row, quantiles(values, np.array(LEVELS), weights), rtol=1e-10, atol=1e-10)
            else:
                assert np.isnan(row).all()


def test_sums_of_events_in_pieces() -> None:
    event, values = np.array([2, 0, 2, 5]), np.array([1.0, 2.0, 4.0, 8.0])
    sums = np.zeros((6, 2))
    for piece in (slice(0, 3), slice(3, 4), slice(4, 4)):
        add_by_event(sums, event[piece], [values[piece], np.ones(len(values[piece]))])
    assert sums.tolist() == [[2, 1], [0, 0], [5, 2], [0, 0], [0, 0], [8, 1]]


def test_one_event_drawn_twice() -> None:
    found = Quantiles(np.array([3.0, 1.0]), (0.5,), np.array([0, 1]))(
        Draws(np.array([[2.0, 0.0], [0, 1], [1, 1]]), None)
    )
    assert found[:, 0].tolist() == [3, 1, 2]
