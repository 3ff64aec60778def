from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from field_files import CAPACITY, make_arrays, write

from salt_like.data.config import DataConfig, LabelConfig, VariableConfig
from salt_like.data.files import Files
from salt_like.data.resolve import draft_spec
from salt_like.data.source import Arrays
from salt_like.errors import UserError
from salt_like.spec import DataSpec, Request

REQUESTS = (
    Request("jets", "flavour_label", "class"),
    Request("tracks", "ftagTruthOriginLabel", "class"),
    Request("tracks", "ftagTruthVertexIndex", "index", pairs=True),
    Request("jets", "HadronPt", "real", where="flavour_label in [1, 2]"),
)
CONFIG = DataConfig(inputs={"jets": ["pt", "eta"], "tracks": {"pt": "log", "d0": None}}, requests=REQUESTS)


@pytest.fixture
def source(tmp_path):
    return Files([write(tmp_path / "a.h5", make_arrays(8))])


def draft(source, **kwargs) -> DataSpec:
    return draft_spec(replace(CONFIG, **kwargs), source)


def test_everything_that_can_be_inferred(source):
    spec = draft(source)
    assert [stream.name for stream in spec.streams] == ["jets", "tracks"]
    assert spec.global_stream.name == "jets"
    tracks = spec.stream("tracks")
    assert (tracks.capacity, tracks.width, tracks.is_global) == (CAPACITY, 2, False)
    assert [(one.name, one.transform, one.unit) for one in tracks.variables] == [
        ("pt", "log", "MeV"),
        ("d0", None, "mm"),
    ]
    assert [(one.stream, one.key, one.kind) for one in spec.labels] == [(r.stream, r.key, r.kind) for r in REQUESTS]
    assert spec.label("jets", "flavour_label").classes == ("ujets", "cjets", "bjets", "taujets")
    assert spec.labels[3].unit == "MeV"
    assert [one.name for one in spec.discriminants] == ["Db", "Dc"]
    assert spec.event == ("eventNumber",)
    assert spec.units == "MeV, mm, rad"


def test_selection_order_and_truncation(source):
    spec = draft(source, select={"jets": "mass > 2e3"}, order={"tracks": "-pt"}, max_constituents={"tracks": 3})
    assert spec.stream("jets").selection == "mass > 2e3"
    assert (spec.stream("tracks").order_by, spec.stream("tracks").length) == ("-pt", 3)


def test_variables_with_their_preparation(source):
    config = VariableConfig(transform="asinh", clip=[None, 5], default=-1, flag_default=True)
    spec = draft(source, inputs={"jets": {"pt": config, "eta": "log1p"}})
    pt, eta = spec.stream("jets").variables
    assert (pt.transform, pt.clip, pt.default, pt.flag_default) == ("asinh", (None, 5), -1.0, True)
    assert eta.transform == "log1p"


def test_defaults_by_name_and_wildcard(source):
    inputs = {"jets": {"pt": VariableConfig(default=3), "mass": None, "eta": None, "softMuon_pt": None}}
    defaults = {"*_pt": 1.0, "soft*": 2.0, "mass": -999.0, "pt": 5.0}
    values = {one.name: one.default for one in draft(source, inputs=inputs, defaults=defaults).streams[0].variables}
    assert values == {"pt": 3.0, "mass": -999.0, "eta": None, "softMuon_pt": 1.0}
    assert np.isnan(draft(source, defaults={"*": float("nan")}).streams[0].variables[0].default)


def test_default_is_rounded_as_the_file_rounds_it(source):
    # eta is a half: the file holds -99.875 where -99.9 was written
    spec = draft(source, defaults={"eta": -99.9})
    assert spec.stream("jets").variables[1].default == float(np.float16(-99.9)) != -99.9


def test_streams_that_only_carry_labels_or_nothing(source):
    spec = draft(source, inputs={"tracks": ["d0"]})
    assert [(one.name, one.width, one.is_global) for one in spec.streams] == [("tracks", 1, False), ("jets", 0, True)]
    spec = draft(source, inputs={"jets": ["pt"]})
    assert [one.name for one in spec.streams] == ["jets", "tracks"]
    assert spec.set_streams == ()
    spec = draft(source, inputs={"tracks": ["d0"]}, requests=[])
    assert [one.name for one in spec.streams] == ["jets", "tracks"]
    assert spec.labels == spec.discriminants == ()


def test_event_fields(source):
    assert draft(source, event=["process", "eventNumber"]).event == ("process", "eventNumber")
    assert draft(source, event="process").event == ("process",)
    arrays = make_arrays(4)
    arrays["jets"] = arrays["jets"][[name for name in arrays["jets"].dtype.names if name != "eventNumber"]]
    arrays["jets"]["HadronPt"] = 1
    config = replace(CONFIG, requests=REQUESTS[3:])
    assert draft_spec(config, Arrays(arrays)).event == ()
    assert draft_spec(config, Arrays(arrays)).units == ""


def test_two_tasks_share_a_label(source):
    assert len(draft(source, requests=[*REQUESTS, REQUESTS[0]]).labels) == 4
    other = replace(REQUESTS[0], classes=("a", "b", "c", "d"))
    with pytest.raises(UserError, match=r"two tasks read 'flavour_label' of 'jets' differently: as class \('ujets'"):
        draft(source, requests=[*REQUESTS, other])
    with pytest.raises(UserError, match="differently: as class .*\nand as real"):
        draft(source, requests=[*REQUESTS, replace(REQUESTS[0], kind="real")])


def test_spec_survives_a_round_trip(source):
    spec = draft(source, order={"tracks": "-pt"}, inputs={"jets": {"pt": VariableConfig(clip=[0, 1])}})
    assert DataSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"inputs": {"jetz": ["pt"]}}, r"no dataset 'jetz' \(did you mean 'jets'\?\)"),
        ({"inputs": {"jets": ["ptt"]}}, r"no field 'ptt' \(did you mean 'pt'\?\) \(asked for in data\.inputs\.jets\)"),
        ({"inputs": {"jets": ["pt", "pt"]}}, r"data\.inputs\.jets lists pt more than once"),
        (
            {"inputs": {"jets": "pt"}},
            r"data\.inputs\.jets must be a list of variables or \{variable: transform\}, not 'pt'",
        ),
        ({"inputs": {"jets": None}}, r"data\.inputs\.jets must be a list"),
        ({"inputs": {"jets": []}}, r"data\.inputs names no variable"),
        ({"inputs": {}}, r"data\.inputs names no variable"),
        ({"inputs": {"jets": {"pt": "lg"}}}, r"data\.inputs\.jets\.pt: no transform 'lg' \(did you mean 'log'\?\)"),
        ({"inputs": {"jets": {"pt": VariableConfig(clip=[1])}}}, r"clip needs a lower and a higher bound .* not \[1\]"),
        ({"inputs": {"jets": {"pt": VariableConfig(clip=[2, 1])}}}, r"clip needs a lower and a higher bound"),
        ({"inputs": {"jets": {"pt": VariableConfig(flag_default=True)}}}, "'pt' has flag_default, but no default"),
        ({"inputs": {"jets": ["flavour_label"]}}, "'flavour_label' of 'jets' is truth: a task learns it"),
        ({"weight": "weight", "inputs": {"jets": ["weight"]}}, "it is the weight of the jets"),
        ({"inputs": {"tracks": ["valid"]}, "global_stream": "tracks"}, "'tracks', which has many rows per jet"),
        ({"global_stream": "jet"}, r"no dataset 'jet' \(did you mean 'jets'\?\)"),
        ({"select": {"track": "pt > 0"}}, r"data\.select names the stream 'track' \(did you mean 'tracks'\?\)"),
        (
            {"select": {"tracks": "ptt > 0"}},
            r"no field 'ptt' .* in dataset 'tracks' of .*a\.h5\nused in 'ptt > 0' \(data\.se",
        ),
        ({"select": {"tracks": "pt >"}}, r"selection \(data\.select\.tracks\): invalid syntax\n  pt >\n      \^"),
        ({"order": {"tracks": "-ptt"}}, r"no field 'ptt' .*data\.order\.tracks"),
        ({"order": {"jets": "-pt"}}, "are for sets of constituents, not for 'jets'"),
        ({"max_constituents": {"tracks": 0}}, r"data\.max_constituents\.tracks must be at least 1, not 0"),
        ({"max_constituents": {"jets": 3}}, "are for sets of constituents"),
        ({"defaults": {"ptt": -1}}, r"data\.defaults names 'ptt' \(did you mean 'pt'\?\), which no input stream has"),
        (
            {"labels": {"flavor_label": LabelConfig()}},
            r"data\.labels names 'flavor_label' \(did you mean 'flavour_label'",
        ),
        (
            {"event": "evntNumber"},
            r"no field 'evntNumber' \(did you mean 'eventNumber'\?\) \(asked for in data\.event\)",
        ),
        ({"discriminants": {"Db": {"signal": "b", "background": {"ujets": 1}}}}, "needs the class 'b'"),
    ],
)
def test_mistakes(source, changes, match):
    with pytest.raises(UserError, match=match) as caught:
        draft(source, **changes)
    assert len(str(caught.value).splitlines()) <= 5


def test_input_that_is_no_number_and_second_global_stream():
    arrays = make_arrays(4)
    arrays["other"] = np.zeros(4, [("text", "S3"), ("x", "f4")])
    with pytest.raises(UserError, match=r"the input 'text' of 'other' is no number but \|S3"):
        draft_spec(replace(CONFIG, inputs={"other": ["text"]}, requests=()), Arrays(arrays))
    with pytest.raises(UserError, match="'other' has one row per jet, as the global stream 'jets' has"):
        draft_spec(replace(CONFIG, inputs={"other": ["x"]}, requests=()), Arrays(arrays))
