from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from field_files import make_arrays

from salt_like.data.complete import complete
from salt_like.data.config import DataConfig, LabelConfig, VariableConfig
from salt_like.data.resolve import draft_spec
from salt_like.data.sample import Sample
from salt_like.data.source import Arrays
from salt_like.data.statistics import measure
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Request

FLAVOUR = Request("jets", "flavour_label", "class", classes=("ujets", "cjets", "bjets", "taujets"))
ORIGIN = Request("tracks", "ftagTruthOriginLabel", "class")
TARGET = Request("jets", "HadronPt", "real")
CONFIG = DataConfig(
    inputs={"jets": {"pt": "log", "softMuon_pt": None}, "tracks": ["d0", "hits"]},
    defaults={"softMuon_pt": -999},
    requests=[FLAVOUR, ORIGIN, TARGET],
)


@pytest.fixture
def arrays():
    return make_arrays(80)


def resolve(arrays, norm_dict=None, class_dict=None, weight=None, **changes) -> DataSpec:
    config = replace(CONFIG, **changes)
    source = Arrays(arrays, "a.h5")
    draft = draft_spec(config, source)
    found = measure([Sample("train", source, draft, weight=weight)])
    return complete(draft, found, config, norm_dict, class_dict, "a.h5")


def test_statistics_are_filled_in(arrays):
    spec = resolve(arrays)
    pt = spec.stream("jets").variables[0]
    logs = np.log(arrays["jets"]["pt"].astype("f8"))
    assert (pt.mean, pt.std) == pytest.approx((logs.mean(), logs.std()))
    assert (pt.low, pt.high) == (arrays["jets"]["pt"].min(), arrays["jets"]["pt"].max())
    flavour = spec.label("jets", "flavour_label")
    assert flavour.counts == (20, 20, 20, 20)
    assert flavour.prior == (0.25,) * 4
    target = spec.label("jets", "HadronPt")
    values = arrays["jets"]["HadronPt"].astype("f8")
    assert (target.mean, target.std) == pytest.approx((np.nanmean(values), np.nanstd(values)))
    assert (target.low, target.high) == (np.nanmin(values), np.nanmax(values))
    assert sum(spec.label("tracks", "ftagTruthOriginLabel").prior) == pytest.approx(1)


def test_class_weights_are_one_on_average(arrays):
    arrays["jets"]["flavour_label"][:10] = 0
    flavour = resolve(arrays).label("jets", "flavour_label")
    counts = np.bincount(arrays["jets"]["flavour_label"])
    np.testing.assert_allclose(flavour.class_weights, 80 / (4 * counts))
    assert np.dot(flavour.class_weights, flavour.prior) == pytest.approx(1)


@pytest.mark.parametrize("stream", ["jets", "tracks"])
def test_constant_variable(arrays, stream):
    name = {"jets": "pt", "tracks": "d0"}[stream]
    arrays[stream][name] = 2.5
    match = (
        rf"'{name}' is constant: 2\.5 in all \d+ values\nin dataset '{stream}' of a\.h5\n[^\n]*data\.inputs\.{stream}"
    )
    with pytest.raises(UserError, match=match):
        resolve(arrays)


def test_variable_that_its_clip_makes_constant(arrays):
    inputs = {"jets": {"pt": VariableConfig(clip=[1e6, 2e6])}}
    with pytest.raises(UserError, match="'pt' is constant after its clip and transform"):
        resolve(arrays, inputs=inputs, defaults={})


def test_variable_that_is_never_measured(arrays):
    arrays["jets"]["softMuon_pt"] = -999
    with pytest.raises(UserError, match="'softMuon_pt' is never measured: all 80 values are the default"):
        resolve(arrays)


def test_all_jets_without_tracks(arrays):
    arrays["tracks"]["valid"] = False
    with pytest.raises(UserError, match=r"none of the 80 jets has a constituent in 'tracks'\nin a\.h5"):
        resolve(arrays)


def test_no_constituent_passes_the_selection(arrays):
    with pytest.raises(UserError, match=r"has a constituent in 'tracks' that fulfils 'hits > 99'"):
        resolve(arrays, select={"tracks": "hits > 99"})


def test_absent_class_is_named_with_the_counts(arrays):
    arrays["jets"]["flavour_label"][arrays["jets"]["flavour_label"] == 1] = 0
    match = r"no entry of class cjets of the label 'flavour_label' \(ujets 40, cjets 0, bjets 20, taujets 20\)\nin "
    with pytest.raises(UserError, match=match) as caught:
        resolve(arrays)
    assert "data.labels.flavour_label.allow_absent: true" in str(caught.value)
    spec = resolve(arrays, labels={"flavour_label": LabelConfig(allow_absent=True)})
    flavour = spec.label("jets", "flavour_label")
    # the others keep their places
    assert flavour.counts == (40, 0, 20, 20)
    np.testing.assert_allclose(flavour.class_weights, (80 / 120, 0, 80 / 60, 80 / 60))


def test_kinds_of_constituents_that_a_sample_does_not_have(arrays):
    arrays["tracks"]["ftagTruthOriginLabel"][arrays["tracks"]["ftagTruthOriginLabel"] == 6] = 2
    origin = resolve(arrays).label("tracks", "ftagTruthOriginLabel")
    assert origin.counts[6] == origin.class_weights[6] == 0
    assert len(origin.classes) == 8
    named = replace(ORIGIN, classes=tuple("abcdefgh"))
    with pytest.raises(UserError, match="no entry of class g of the label 'ftagTruthOriginLabel'"):
        resolve(arrays, requests=[named])
    arrays["tracks"]["ftagTruthOriginLabel"] = -1
    with pytest.raises(UserError, match="no entry of class pileup, fake"):
        resolve(arrays)


def test_weights_enter_counts_and_prior(arrays):
    arrays["jets"]["weight"] = np.array([1, 2, 3, 4])[arrays["jets"]["flavour_label"]]
    flavour = resolve(arrays, weight="weight").label("jets", "flavour_label")
    np.testing.assert_allclose(flavour.prior, (0.1, 0.2, 0.3, 0.4), rtol=1e-6)
    np.testing.assert_allclose(flavour.counts, (8, 16, 24, 32), rtol=1e-6)
    arrays["jets"]["weight"] *= np.where(arrays["jets"]["flavour_label"] == 2, -1, 1)
    with pytest.raises(UserError, match="the weights of the 20 entries of class bjets of 'flavour_label' sum to -24"):
        resolve(arrays, weight="weight")


def test_target_without_a_value_or_a_spread(arrays):
    arrays["jets"]["HadronPt"] = 5
    with pytest.raises(UserError, match=r"the target 'HadronPt' is constant: 5 in all 80 values"):
        resolve(arrays)
    arrays["jets"]["HadronPt"] = np.nan
    with pytest.raises(UserError, match="the target 'HadronPt' has no value: 80 times NaN or left out"):
        resolve(arrays)


NORM = """
jets: {pt: {mean: 1, std: 2}, softMuon_pt: {mean: 3, std: 4.5}}
tracks: {d0: {mean: 5, std: 6}, hits: {mean: 7, std: 8}}
"""


def test_norm_dict_replaces_what_was_measured(tmp_path, arrays):
    path = tmp_path / "norm_dict.yaml"
    path.write_text(NORM)
    arrays["tracks"]["hits"] = 4  # the given width stands, constant or not
    spec = resolve(arrays, norm_dict=path)
    assert [(one.mean, one.std) for one in spec.stream("jets").variables] == [(1, 2), (3, 4.5)]
    assert [(one.mean, one.std) for one in spec.stream("tracks").variables] == [(5, 6), (7, 8)]
    assert spec.stream("tracks").variables[1].low == 4


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("jets:", "jet:", r"no dataset 'jets' \(did you mean 'jet'\?\)\nin .*norm_dict\.yaml \(data\.norm_dict\)"),
        ("hits", "hit", r"no entry of 'tracks' 'hits' \(did you mean 'hit'\?\)"),
        ("std: 8", "sigma: 8", r"tracks\.hits must be \{mean, std\}, not \{'mean': 7, 'sigma': 8\}"),
        ("std: 8", "std: 0", r"tracks\.hits has std 0: it must be positive"),
        ("std: 8", "std: wide", r"tracks\.hits holds 'wide', which is no number"),
        ("std: 8", "std: .nan", r"tracks\.hits holds nan, which is no number"),
        (NORM, "3", r"must be \{dataset: \{field: \.\.\.\}\}"),
        (NORM, "a: [", "is no YAML"),
    ],
)
def test_mistakes_in_norm_dict(tmp_path, arrays, old, new, match):
    path = tmp_path / "norm_dict.yaml"
    path.write_text(NORM.replace(old, new))
    with pytest.raises(UserError, match=match):
        resolve(arrays, norm_dict=path)


def test_norm_dict_that_does_not_exist(tmp_path, arrays):
    with pytest.raises(UserError, match=r"cannot read .*norm_dict\.yaml \(data\.norm_dict\): No such file"):
        resolve(arrays, norm_dict=tmp_path / "norm_dict.yaml")


def test_class_dict_replaces_the_frequencies_but_not_the_prior(tmp_path, arrays):
    path = tmp_path / "class_dict.yaml"
    path.write_text("jets: {flavour_label: [1, 2, 4, 8]}\ntracks: {ftagTruthOriginLabel: [1, 1, 1, 1, 1, 1, 1, 0]}")
    spec = resolve(arrays, class_dict=path)
    flavour = spec.label("jets", "flavour_label")
    np.testing.assert_allclose(np.array(flavour.class_weights) / flavour.class_weights[0], [1, 2, 4, 8])
    assert flavour.prior == (0.25,) * 4
    assert spec.label("tracks", "ftagTruthOriginLabel").class_weights == pytest.approx((*[1] * 7, 0))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("jets: {flavour: [1, 2, 3, 4]}", r"no entry of 'jets' 'flavour_label' \(did you mean 'flavour'\?\)"),
        ("jets: {flavour_label: [1, 2]}", r"must be a list of 4 weights, not \[1, 2\]\nin .*classes: ujets, cjets"),
        ("jets: {flavour_label: 3}", "must be a list of 4 weights, not 3"),
        ("jets: {flavour_label: [1, 2, 3, -1]}", "none may be negative"),
        ("jets: 3", r"no entry of 'jets' 'flavour_label'"),
    ],
)
def test_mistakes_in_class_dict(tmp_path, arrays, content, match):
    path = tmp_path / "class_dict.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=match):
        resolve(arrays, class_dict=path)
