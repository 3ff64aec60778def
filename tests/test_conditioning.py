"""What is drawn for the parameter of a parameterised network."""

from __future__ import annotations

import json
from dataclasses import replace

import jets
import numpy as np
import pytest

from salt_like.conditioning import ALWAYS, Conditioning, quantiles, uniform
from salt_like.spec import DataSpec

ROWS = np.arange(20_000)


def test_numbers_are_uniform_and_independent():
    found = uniform(3, 5, ROWS)
    assert found.min() >= 0
    assert found.max() < 1
    np.testing.assert_allclose(np.sort(found), (ROWS + 0.5) / len(ROWS), atol=0.015)
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 0.03
    for other in (uniform(4, 5, ROWS), uniform(3, 6, ROWS), uniform(3, ALWAYS, ROWS), uniform(3, 5, ROWS + 1)):
        assert abs(np.corrcoef(found, other)[0, 1]) < 0.03


def test_numbers_depend_on_seed_epoch_and_row_alone():
    found = uniform(3, 5, ROWS)
    picked = np.array([700, 3, 3, 19_999])
    np.testing.assert_array_equal(uniform(3, 5, picked), found[picked])
    # golden values: a run is resumed, and a bundle compared, by other versions of this code
    assert uniform(0, 0, np.array([0, 1])).tolist() == pytest.approx([0.6561149711801131, 0.91970127789074], abs=0)


def test_quantiles_are_those_of_numpy_and_weights_count_as_copies():
    random = np.random.default_rng(0)
    values = random.exponential(size=4001)
    found = quantiles(values, np.ones(4001), 20)
    np.testing.assert_allclose(found, np.quantile(values, np.linspace(0, 1, 21)), rtol=5e-3)
    assert (found[0], found[-1]) == (values.min(), values.max())
    copies = random.integers(1, 5, 4001)
    expected = np.quantile(np.repeat(values, copies), np.linspace(0, 1, 21))
    np.testing.assert_allclose(quantiles(values, copies.astype(float), 20), expected, rtol=5e-3, atol=1e-3)


def two_bins() -> Conditioning:
    """Between 0 and 1 in the lower bin of pt, between 10 and 20 with more at the low end in the upper."""
    tables = (tuple(np.linspace(0, 1, 11)), tuple(10 + 10 * np.linspace(0, 1, 11) ** 2))
    return Conditioning("theta", "flavour_label", (2,), ("pt",), ((0.0, 5.0, 9.0),), tables, seed=1)


def test_each_bin_has_its_own_distribution_and_the_outer_ones_are_open():
    pt = np.where(ROWS % 2, 7.0, 2.0)
    pt[:4] = [-3, 4.999, 5.0, 100]
    found = two_bins().drawn({"pt": pt}, ROWS)
    assert (found[[0, 1]] <= 1).all()
    assert (found[[2, 3]] >= 10).all()
    low, high = found[pt < 5], found[pt >= 5]
    np.testing.assert_allclose(np.quantile(low, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.02)
    np.testing.assert_allclose(np.quantile(high, [0.1, 0.5, 0.9]), [10.1, 12.5, 18.1], atol=0.2)


def test_bins_of_two_variables_are_numbered_with_the_last_running_fastest():
    found = replace(two_bins(), variables=("pt", "eta"), edges=((0.0, 5.0, 9.0), (0.0, 1.0, 2.0, 3.0)))
    assert found.bins == 6
    columns = {"pt": np.array([1, 1, 1, 7, 7.0]), "eta": np.array([0.5, 1.5, 99, -1, 2.5])}
    assert found.bin(columns, 5).tolist() == [0, 1, 2, 3, 5]
    assert replace(found, variables=(), edges=()).bin({}, 3).tolist() == [0, 0, 0]


def test_it_is_kept_with_the_description_of_the_data():
    spec = replace(jets.spec(), parameter=two_bins())
    assert DataSpec.from_dict(json.loads(json.dumps(spec.to_dict()))).parameter == two_bins()
    without = jets.spec().to_dict()
    del without["parameter"]  # of an older release
    assert DataSpec.from_dict(without) == jets.spec()
