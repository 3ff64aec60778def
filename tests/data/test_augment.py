from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from packed_jets import SPEC, assert_same, make_columns

from salt_like.data.augment import ConstituentDropout, Smearing
from salt_like.data.columns import Columns
from salt_like.errors import UserError
from salt_like.spec import Variable

JETS = 400


def random() -> np.random.Generator:
    return np.random.default_rng(5)


def with_variable(variable: Variable, values: np.ndarray) -> tuple[Columns, object]:
    """Jets whose only variable is this one."""
    jets = replace(SPEC.global_stream, variables=(variable,))
    columns = make_columns(len(values))
    spec = replace(SPEC, streams=(jets, *SPEC.streams[1:]))
    return replace(columns, inputs={**columns.inputs, "jets": values[:, None].astype(np.float32)}), spec


def test_dropout_leaves_out_the_asked_share_with_all_that_belongs_to_it():
    columns = make_columns(JETS)
    before = make_columns(JETS)
    dropped = ConstituentDropout("tracks", 0.3)(columns, random(), SPEC)
    assert_same(columns, before)  # what is given stays as it is
    total, kept = columns.counts["tracks"].sum(), dropped.counts["tracks"].sum()
    assert abs(kept / total - 0.7) < 5 * np.sqrt(0.21 / total)
    assert dropped.inputs["tracks"].shape == (kept, 3)
    owner = np.repeat(dropped.rows, dropped.counts["tracks"])
    assert np.array_equal(dropped.inputs["tracks"][:, 0], owner)
    assert np.array_equal(dropped.labels["tracks"]["vertex"], owner * 3 - 2)
    assert np.array_equal(dropped.positions["tracks"], dropped.inputs["tracks"][:, 1])
    assert dropped.counts["tracks"].dtype == columns.counts["tracks"].dtype
    assert dropped.inputs["flows"] is columns.inputs["flows"]
    assert dropped.labels["jets"] is columns.labels["jets"]


def test_no_dropout_changes_nothing():
    columns = make_columns(50)
    assert_same(ConstituentDropout("tracks", 0.0)(columns, random(), SPEC), columns)
    bare = make_columns(50).select(columns.counts["flows"] == 0)
    assert_same(ConstituentDropout("flows", 0.5)(bare, random(), SPEC), bare)


def test_dropout_refuses():
    with pytest.raises(ValueError, match=r"probability must be in \[0, 1\), not 1"):
        ConstituentDropout("tracks", 1)
    with pytest.raises(UserError, match=r"no constituents 'track' to leave out \(did you mean 'tracks'\?\)"):
        ConstituentDropout("track")(make_columns(5), random(), SPEC)
    with pytest.raises(UserError, match=r"no constituents 'jets'"):
        ConstituentDropout("jets")(make_columns(5), random(), SPEC)


def test_smearing_adds_noise_in_units_of_the_spread():
    # d0 has mean 1 and width 2 on the training file: a relative width of 0.1 is 0.2, whatever the value
    columns, spec = with_variable(Variable("pt", mean=1.0, std=2.0), np.full(4000, 50.0))
    smeared = Smearing("jets", {"pt": 0.1})(columns, random(), spec)
    noise = smeared.inputs["jets"][:, 0] - 50.0
    assert abs(noise.mean()) < 5 * 0.2 / np.sqrt(4000)
    assert noise.std() == pytest.approx(0.2, rel=0.06)
    assert (columns.inputs["jets"] == 50.0).all()


def test_only_the_named_variables_change():
    columns = make_columns(JETS)
    smeared = Smearing("tracks", {"dr": 0.5})(columns, random(), SPEC)
    assert np.array_equal(smeared.inputs["tracks"][:, :2], columns.inputs["tracks"][:, :2])
    assert not np.array_equal(smeared.inputs["tracks"][:, 2], columns.inputs["tracks"][:, 2])
    unchanged = replace(smeared, inputs={**smeared.inputs, "tracks": columns.inputs["tracks"]})
    assert_same(unchanged, columns)


@pytest.mark.parametrize(("transform", "forward"), [("log", np.log), ("log1p", np.log1p), ("asinh", np.arcsinh)])
def test_a_transformed_variable_is_smeared_where_its_spread_is_known(transform, forward):
    columns, spec = with_variable(Variable("pt", transform=transform, std=0.5), np.full(4000, 3e4))
    smeared = Smearing("jets", {"pt": 0.2})(columns, random(), spec)
    assert (smeared.inputs["jets"] > 0).all()
    noise = forward(smeared.inputs["jets"].astype(np.float64)) - forward(3e4)
    assert noise.std() == pytest.approx(0.1, rel=0.06)


def test_default_and_infinite_values_stay():
    values = np.array([-999.0, np.nan, np.inf, 1.0])
    columns, spec = with_variable(Variable("pt", default=-999.0), values)
    smeared = Smearing("jets", {"pt": 1.0})(columns, random(), spec).inputs["jets"][:, 0]
    assert np.array_equal(smeared[:3], values[:3].astype(np.float32), equal_nan=True)
    assert smeared[3] != 1.0
    # no logarithm of a negative value, and none asked for
    columns, spec = with_variable(Variable("pt", transform="log"), np.array([-5.0, 5.0]))
    assert Smearing("jets", {"pt": 1.0})(columns, random(), spec).inputs["jets"][0, 0] == -5.0


def test_smearing_refuses():
    with pytest.raises(ValueError, match=r"noise of 'd0' must not be negative, not -1"):
        Smearing("tracks", {"d0": -1.0})
    with pytest.raises(UserError, match=r"no inputs of a stream 'trcks' to smear \(did you mean 'tracks'\?\)"):
        Smearing("trcks", {"d0": 1.0}).check(SPEC)
    with pytest.raises(UserError, match=r"no input 'dd0' of stream 'tracks' to smear \(did you mean 'd0'\?\)"):
        Smearing("tracks", {"dd0": 1.0})(make_columns(5), random(), SPEC)
