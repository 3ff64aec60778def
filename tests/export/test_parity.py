"""How graph and tagger are compared."""

from __future__ import annotations

import numpy as np
import pytest

from salt_like.export import parity
from salt_like.export.interface import GraphOutput, Interface
from salt_like.spec import Output

PROBABILITY = GraphOutput("GN2_pb", ((1.0, Output("jets", "pb", "probability")),))
DISCRIMINANT = GraphOutput("GN2_Db", ((1.0, Output("jets", "Db", "discriminant")),))
CUT = 2.5


def sides(found, expected, cut=CUT):
    interface = Interface("batched", "GN2", (), (DISCRIMINANT,), ("flavour",))
    fixed = [{"efficiency": 0.77, "cuts": [cut]}]
    stored = [{"sample": "ttbar", "discriminants": {"Db": {"fixed": fixed}, "Dx": {"fixed": fixed}}}]
    arrays = [{"GN2_Db": [np.array(one, np.float32)]} for one in (found, expected)]
    (one,) = parity._sides(interface, *arrays, stored)
    return one["other_side"], one["on_the_cut"]


def test_jets_on_another_side_of_a_cut():
    assert sides([1.0, 2.4, 2.6], [1.0, 2.4, 2.6]) == (0, 0)
    assert sides([1.0, 2.6, 2.6], [1.0, 2.4, 2.6]) == (1, 0)
    assert sides([1.0, 2.499, 2.4], [1.0, 2.501, 2.6]) == (2, 0)


@pytest.mark.parametrize("rounding", [-1e-6, 0.0, 1e-6])
def test_the_jet_whose_value_is_the_cut_is_not_judged(rounding):
    assert sides([1.0, CUT + rounding], [1.0, CUT]) == (0, 1)
    assert sides([1.0, CUT], [1.0, CUT + rounding]) == (0, 1)


def test_outputs_are_asked_for_by_name():
    class Session:
        """A graph with its outputs in another order."""

        def run(self, names, feeds):
            values = {"GN2_pb": feeds["jets"][:, 0], "GN2_Db": feeds["jets"][:, 1]}
            return [values[name] for name in names or ("GN2_Db", "GN2_pb")]

    from salt_like.data.columns import Columns
    from salt_like.export.interface import GraphInput

    inputs = (GraphInput("jets", "jets", ("pt", "eta"), is_global=True),)
    jets = Columns(np.arange(3), {"jets": np.arange(6, dtype=np.float32).reshape(3, 2)}, {})
    said = parity.run(Session(), Interface("batched", "GN2", inputs, (PROBABILITY, DISCRIMINANT), ()), jets)
    np.testing.assert_array_equal(said["GN2_pb"], [0, 2, 4])
    np.testing.assert_array_equal(said["GN2_Db"], [1, 3, 5])


@pytest.mark.parametrize(("found", "passed"), [(1e-7, True), (1.00005e-7, True), (1.002e-7, False), (0.0, False)])
def test_logarithms_of_probabilities(found, passed):
    values = np.array([0.5, found], np.float32)
    result = parity._compared(PROBABILITY, values, np.array([0.5, 1e-7], np.float32), np.ones(2, bool))
    assert result["largest"] < 1e-5
    assert result["passed"] == passed


def test_a_tagger_that_says_nothing_agrees_with_no_graph():
    nothing = np.array([0.5, np.nan], np.float32)
    assert not parity._compared(PROBABILITY, nothing, nothing, np.ones(2, bool))["passed"]
    assert not parity._compared(DISCRIMINANT, nothing, np.zeros(2, np.float32), np.ones(2, bool))["passed"]
