from __future__ import annotations

import math

import pytest

from salt_like.training.schedules import Constant, OneCycle, WarmupCosine


def test_warmup_cosine_has_its_three_fixed_points():
    schedule = WarmupCosine(warmup=0.1, initial=0.01, final=0.001)
    assert schedule.factor(0.0) == pytest.approx(0.01)
    assert schedule.factor(0.05) == pytest.approx((0.01 + 1) / 2)
    assert schedule.factor(0.1) == pytest.approx(1.0)
    assert schedule.factor(0.55) == pytest.approx((1 + 0.001) / 2)
    assert schedule.factor(1.0) == pytest.approx(0.001)
    assert schedule.factor(1.2) == pytest.approx(0.001)


def test_warmup_cosine_without_warmup_starts_at_the_top():
    assert WarmupCosine(warmup=0.0).factor(0.0) == pytest.approx(1.0)


def test_one_cycle_rises_and_falls_as_half_cosines():
    schedule = OneCycle(warmup=0.3, initial=0.04, final=0.0001)
    assert schedule.factor(0.0) == pytest.approx(0.04)
    assert schedule.factor(0.15) == pytest.approx((0.04 + 1) / 2)
    assert schedule.factor(0.3) == pytest.approx(1.0)
    assert schedule.factor(0.1) == pytest.approx(0.04 + 0.96 * (1 - math.cos(math.pi / 3)) / 2)
    assert schedule.factor(1.0) == pytest.approx(0.0001)
    values = [schedule.factor(step / 100) for step in range(101)]
    assert values[:31] == sorted(values[:31])
    assert values[30:] == sorted(values[30:], reverse=True)


def test_constant_never_moves():
    assert {Constant().factor(step / 7) for step in range(8)} == {1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"warmup": 1.0}, "warmup must be a share of the steps in .* not 1.0"),
        ({"warmup": -0.1}, "warmup .* not -0.1"),
        ({"initial": 0.0}, "initial must be a factor .* not 0.0"),
        ({"final": 2.0}, "final must be a factor .* not 2.0"),
    ],
)
def test_refuses_impossible_shapes(arguments, message):
    with pytest.raises(ValueError, match=message):
        WarmupCosine(**arguments)
