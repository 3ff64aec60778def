from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from field_files import CAPACITY, make_arrays, write

from salt_like.data.sample import Sample
from salt_like.data.statistics import Moments, Statistics, measure, statistics_key
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Label, Stream, Variable

JETS = Stream(
    "jets",
    (
        Variable("pt", "log"),
        Variable("eta", clip=(-1.0, None)),
        Variable("softMuon_pt", "log1p", default=-999.0),
        Variable("mass", "asinh", clip=(2e3, 8e3)),
    ),
    is_global=True,
)
TRACKS = Stream("tracks", (Variable("d0", default=float("nan")), Variable("hits")), capacity=CAPACITY)
LABELS = (
    Label("jets", "flavour_label", "flavour_label", "class", ("u", "c", "b", "t"), ignore=(3,)),
    Label("jets", "HadronPt", "HadronPt", "real"),
    Label("tracks", "ftagTruthOriginLabel", "ftagTruthOriginLabel", "class", tuple("abcdefgh")),
)
SPEC = DataSpec((JETS, TRACKS), LABELS)


@pytest.fixture
def arrays():
    arrays = make_arrays(200, seed=5)
    arrays["tracks"]["d0"][::3, 0] = np.nan
    return arrays


def close(seen, raw, values, missing):
    assert (seen.number, seen.missing) == (len(values), missing)
    np.testing.assert_allclose([seen.mean, seen.std], [values.mean(), values.std()], rtol=1e-12)
    assert (seen.low, seen.high) == (raw.min(), raw.max())


def test_inputs_agree_with_the_formula_on_the_whole_arrays(arrays):
    seen = measure([Sample("train", arrays, SPEC)], rows_per_chunk=7).variables
    jets = {name: arrays["jets"][name].astype("f4").astype("f8") for name in arrays["jets"].dtype.names}
    close(seen["jets"]["pt"], jets["pt"], np.log(jets["pt"]), 0)
    close(seen["jets"]["eta"], jets["eta"], jets["eta"].clip(-1), 0)
    measured = jets["softMuon_pt"][jets["softMuon_pt"] != -999]
    assert 50 < len(measured) < 150
    close(seen["jets"]["softMuon_pt"], measured, np.log1p(measured), 200 - len(measured))
    close(seen["jets"]["mass"], jets["mass"], np.arcsinh(jets["mass"].clip(2e3, 8e3)), 0)
    valid = arrays["tracks"]["valid"]
    d0 = arrays["tracks"]["d0"][valid].astype("f8")
    close(seen["tracks"]["d0"], d0[~np.isnan(d0)], d0[~np.isnan(d0)], int(np.isnan(d0).sum()))
    hits = arrays["tracks"]["hits"][valid].astype("f8")
    close(seen["tracks"]["hits"], hits, hits, 0)


def test_labels_agree_with_the_whole_arrays(arrays):
    found = measure([Sample("train", arrays, SPEC)], rows_per_chunk=11)
    assert found.jets == 200
    assert found.entries["jets"]["flavour_label"] == [50, 50, 50, 0]
    origin = arrays["tracks"]["ftagTruthOriginLabel"][arrays["tracks"]["valid"]]
    assert found.entries["tracks"]["ftagTruthOriginLabel"] == np.bincount(origin, minlength=8).tolist()
    assert found.counts["tracks"]["ftagTruthOriginLabel"] == np.bincount(origin, minlength=8).tolist()
    assert found.constituents == {"tracks": len(origin)}
    target = arrays["jets"]["HadronPt"].astype("f8")
    close(found.targets["jets"]["HadronPt"], *[target[~np.isnan(target)]] * 2, 100)
    assert found.weight_scale == 1


def test_weights_enter_the_class_counts(arrays):
    arrays["jets"]["weight"][5] = -3
    found = measure([Sample("train", arrays, SPEC, weight="weight")], rows_per_chunk=9)
    weight = arrays["jets"]["weight"].astype("f8")
    scale = np.abs(weight).mean()
    assert found.weight_scale == pytest.approx(scale, rel=1e-6)
    flavour = arrays["jets"]["flavour_label"]
    wanted = [weight[flavour == index].sum() / scale for index in range(3)]
    np.testing.assert_allclose(found.counts["jets"]["flavour_label"], [*wanted, 0], rtol=1e-6)
    valid = arrays["tracks"]["valid"]
    each = np.repeat(weight, valid.sum(1)) / scale
    counts = np.bincount(arrays["tracks"]["ftagTruthOriginLabel"][valid], each, 8)
    np.testing.assert_allclose(found.counts["tracks"]["ftagTruthOriginLabel"], counts, rtol=1e-6)
    assert found.entries["jets"]["flavour_label"] == [50, 50, 50, 0]
    scaled = read_weights(Sample("train", arrays, SPEC, weight="weight", weight_scale=found.weight_scale))
    assert np.abs(scaled).mean() == pytest.approx(1, rel=1e-6)


def read_weights(sample):
    return np.concatenate([columns.weights for columns in sample.chunks()])


def test_chunks_and_files_make_no_difference(tmp_path, arrays):
    whole = measure([Sample("a", arrays, SPEC)])
    parts = [{name: one[a:b] for name, one in arrays.items()} for a, b in ((0, 70), (70, 71), (71, 200))]
    paths = [write(tmp_path / f"{number}.h5", part) for number, part in enumerate(parts)]
    for other in (
        measure([Sample("a", arrays, SPEC)], rows_per_chunk=1),
        measure([Sample("a", paths, SPEC)], rows_per_chunk=13),
        measure([Sample("a", paths[:1], SPEC), Sample("b", paths[1:], SPEC)]),
    ):
        assert (other.entries, other.constituents, other.jets) == (whole.entries, whole.constituents, 200)
        for stream, variables in whole.variables.items():
            for name, seen in variables.items():
                one = other.variables[stream][name]
                assert (one.number, one.missing, one.low, one.high) == (seen.number, seen.missing, seen.low, seen.high)
                assert (one.mean, one.std) == pytest.approx((seen.mean, seen.std), rel=1e-12)


def test_moments_survive_a_large_offset():
    values = np.random.default_rng(0).normal(1e9, 1e-2, (1000, 1))
    moments = Moments(1)
    for piece in np.array_split(values, 37):
        moments.add(piece, piece, np.ones(piece.shape, bool))
    moments.add(values[:0], values[:0], np.ones((0, 1), bool))
    assert moments.ranges()[0].std == pytest.approx(values.std(), rel=1e-6)


def test_order_truncation_and_selection_come_first(arrays):
    tracks = replace(TRACKS, order_by="-hits", max_constituents=1, selection="hits > 3")
    found = measure([Sample("a", arrays, replace(SPEC, streams=(JETS, tracks)))])
    hits = np.where(arrays["tracks"]["valid"], arrays["tracks"]["hits"], 0).max(1)
    assert found.variables["tracks"]["hits"].mean == pytest.approx(hits[hits > 3].mean())
    passing = (arrays["tracks"]["valid"] & (arrays["tracks"]["hits"] > 3)).sum()
    assert found.truncated == {"tracks": passing - (hits > 3).sum()}


@pytest.mark.parametrize(("transform", "value"), [("log", 0.0), ("log", -1.0), ("log1p", -1.0)])
def test_logarithm_of_what_has_none(tmp_path, arrays, transform, value):
    # the first constituent of a jet that follows a jet with constituents
    row = next(row for row in range(100, 200) if arrays["tracks"]["valid"][[row - 1, row], 0].all())
    arrays["tracks"]["d0"][row, 0] = value
    tracks = replace(TRACKS, variables=(Variable("d0", transform, default=float("nan")),))
    path = write(tmp_path / "a.h5", arrays)
    match = rf"'d0' is {value:g}, of which there is no {transform} [^\n]*\nin row {row} of dataset 'tracks' in .*a\.h5"
    with pytest.raises(UserError, match=match):
        measure([Sample("a", [path], replace(SPEC, streams=(JETS, tracks)))], rows_per_chunk=50)
    clipped = replace(TRACKS, variables=(Variable("d0", transform, (1e-3, None), default=float("nan")),))
    assert measure([Sample("a", [path], replace(SPEC, streams=(JETS, clipped)))]).jets == 200


def test_default_may_be_outside_the_domain(arrays):
    # -999 has no log1p: it is left out, not refused
    assert measure([Sample("a", arrays, SPEC)]).variables["jets"]["softMuon_pt"].missing > 0
    arrays["jets"]["pt"][17] = 0
    with pytest.raises(UserError, match=r"'pt' is 0, of which there is no log[^\n]*\nin row 17 of dataset 'jets'"):
        measure([Sample("a", arrays, SPEC)], rows_per_chunk=10)


def test_no_jets_and_no_weight(arrays):
    with pytest.raises(UserError, match="no jets in the given arrays"):
        measure([Sample("a", make_arrays(0), SPEC)])
    arrays["jets"]["weight"] = 0
    with pytest.raises(UserError, match="all 200 jets have weight 0"):
        measure([Sample("a", arrays, SPEC, weight="weight")])


def test_statistics_survive_json(arrays):
    found = measure([Sample("a", arrays, SPEC)])
    assert Statistics.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_key_follows_what_decides_the_statistics(arrays):
    key = statistics_key([Sample("a", arrays, SPEC)])
    assert statistics_key([Sample("b", arrays, SPEC)]) == key
    changed = replace(TRACKS, variables=(replace(TRACKS.variables[0], transform="asinh"), TRACKS.variables[1]))
    assert statistics_key([Sample("a", arrays, replace(SPEC, streams=(JETS, changed)))]) != key
    assert statistics_key([Sample("a", arrays, SPEC), Sample("a", arrays, SPEC)]) != key


def test_progress_counts_all_samples(arrays):
    calls = []
    samples = [Sample("a", arrays, SPEC), Sample("b", arrays, SPEC)]
    measure(samples, lambda done, total: calls.append((done, total)), rows_per_chunk=100)
    assert calls == [(100, 400), (200, 400), (300, 400), (400, 400)]
