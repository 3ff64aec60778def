from __future__ import annotations

import json

import numpy as np
import pytest

from salt_like.reweighting import ClassWeights, Reweighting
from salt_like.spec import DataSpec, Stream

FOUND = Reweighting(
    label="flavour_label",
    classes=("u", "b"),
    variables=("pt", "abs(eta)"),
    edges=((20e3, 50e3, 90e3, 1e6), (0.0, 1.0, 2.5)),
    target="b",
    mode="sampling",
    max_weight=7.0,
    weights=tuple(float(number) for number in range(12)),
    summary=(ClassWeights("u", 9, 8.0, 7.0, 0.1, 0.0, 3.0), ClassWeights("b", 5, 5.0, 5.0, 0.0, 0.0, 1.0)),
    unplaced=3,
    undivided=("pt",),
)


def test_sizes():
    assert FOUND.bins == (3, 2)
    assert FOUND.cells == 12


def test_the_cell_of_no_jet_has_weight_1():
    factors = FOUND.factors()
    assert factors.shape == (13,)
    assert factors[np.array([-1, 0, 11])].tolist() == [1.0, 0.0, 11.0]


def test_is_part_of_the_description_of_data():
    spec = DataSpec((Stream("jets", is_global=True),), reweighting=FOUND)
    plain = json.loads(json.dumps(spec.to_dict()))
    assert DataSpec.from_dict(plain) == spec


def test_descriptions_of_older_releases_have_none():
    plain = DataSpec((Stream("jets", is_global=True),)).to_dict()
    assert plain.pop("reweighting") is None
    assert DataSpec.from_dict(plain).reweighting is None


@pytest.mark.parametrize("missing", ["weights", "edges"])
def test_a_damaged_table_is_no_table(missing):
    plain = DataSpec((Stream("jets", is_global=True),), reweighting=FOUND).to_dict()
    del plain["reweighting"][missing]
    with pytest.raises(KeyError, match=missing):
        DataSpec.from_dict(plain)
