"""Summary features against plain loops, in both layouts."""

from __future__ import annotations

import math
from dataclasses import replace

import jets
import numpy as np
import pytest
import torch

from salt_like.sets import layout_of
from salt_like.trees.summary import MOMENTS, Summary

LEADING = 3


def features(summary: Summary, batch) -> np.ndarray:
    layouts = {name: layout_of(batch, name) for name in ("tracks", "flows")}
    return summary(batch.inputs, layouts).numpy()


def moment(name: str, values: list[float]) -> float:
    if not values:
        return math.nan
    mean = math.fsum(values) / len(values)
    return {
        "sum": math.fsum(values),
        "mean": mean,
        "std": math.sqrt(math.fsum((one - mean) ** 2 for one in values) / len(values)),
        "min": min(values),
        "max": max(values),
    }[name]


def by_loop(spec, content: jets.Jets, leading: int = LEADING) -> list[dict[str, float]]:
    """Name of a feature → value, for each jet."""
    found = []
    for row in range(len(content.jets)):
        one = {
            f"jets.{v.name}": float(x) for v, x in zip(spec.stream("jets").variables, content.jets[row], strict=True)
        }
        for stream in ("tracks", "flows"):
            values = getattr(content, stream)[row]
            one[f"{stream}.number"] = float(len(values))
            for index, variable in enumerate(spec.stream(stream).variables):
                column = [float(x) for x in values[:, index]]
                real = [x for x in column if math.isfinite(x) and x != variable.default]
                for name in MOMENTS:
                    one[f"{stream}.{variable.name}.{name}"] = moment(name, real)
                for rank in range(leading):
                    x = column[rank] if rank < len(column) else math.nan
                    one[f"{stream}.{variable.name}[{rank}]"] = x if x in real else math.nan
        found.append(one)
    return found


@pytest.fixture(scope="module")
def content():
    made = jets.make(14, seed=4)
    made.jets[3, 0] = np.nan
    made.tracks[1][0, 1] = np.nan
    made.tracks[4][:, 2] = np.inf  # nothing measured though there are tracks
    return made


@pytest.mark.parametrize("layout", ["packed", "padded", "garbage"])
def test_features_are_those_of_a_loop(content, layout):
    spec = jets.spec()
    summary = Summary(spec, LEADING)
    batch = jets.packed(content) if layout == "packed" else jets.padded(content, 9, math.nan * (layout == "garbage"))
    found = features(summary, batch)
    expected = by_loop(spec, content)
    assert set(summary.names) == set(expected[0])
    assert len(set(summary.names)) == found.shape[1] == 2 + 2 + (4 + 2) * (5 + LEADING)
    for row, one in enumerate(expected):
        for index, name in enumerate(summary.names):
            assert found[row, index] == pytest.approx(np.float32(one[name]), rel=1e-7, abs=0, nan_ok=True), name


def test_both_layouts_give_the_same_bits(content):
    summary = Summary(jets.spec(), LEADING)
    first, second = features(summary, jets.packed(content)), features(summary, jets.padded(content, 11))
    assert first.tobytes() == second.tobytes()


def test_moments_do_not_depend_on_the_order_and_leading_ones_do(content):
    random = np.random.default_rng(0)
    mixed = replace(content, tracks=[random.permutation(one) for one in content.tracks])
    without = Summary(jets.spec(), 0)
    first, second = (features(without, jets.packed(one)) for one in (content, mixed))
    np.testing.assert_array_equal(first, second)
    summary = Summary(jets.spec(), 1)
    first, second = (features(summary, jets.packed(one)) for one in (content, mixed))
    leading = np.array([name.startswith("tracks") and name.endswith("[0]") for name in summary.names])
    np.testing.assert_array_equal(first[:, ~leading], second[:, ~leading])
    assert (first[:, leading] != second[:, leading]).any()


def test_padding_may_stand_between_constituents(content):
    summary = Summary(jets.spec(), LEADING)
    batch = jets.padded(content, 8)
    order = torch.tensor([7, 0, 6, 1, 5, 2, 3, 4])
    spread = replace(
        batch,
        inputs={name: one if name == "jets" else one[:, order] for name, one in batch.inputs.items()},
        valid={name: one[:, order] for name, one in batch.valid.items()},
    )
    # constituents keep their order: the slots 0 to 4 become 1, 3, 5, 6, 7, and slots 5 to 7 come before
    kept = [row for row, one in enumerate(content.tracks) if len(one) <= 5 and len(content.flows[row]) <= 5]
    assert len(kept) > 5
    np.testing.assert_array_equal(features(summary, spread)[kept], features(summary, batch)[kept])


def test_jets_without_constituents_have_no_moments(content):
    summary = Summary(jets.spec(), LEADING)
    found = features(summary, jets.packed(content))[2]  # an empty one
    for name, value in zip(summary.names, found, strict=True):
        assert (value == 0) if name.endswith(".number") else (math.isnan(value) != name.startswith("jets.")), name


def test_a_number_of_constituents_is_not_negative():
    with pytest.raises(ValueError, match="leading must be a number of constituents, got -1"):
        Summary(jets.spec(), -1)
