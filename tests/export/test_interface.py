"""Names, order and shapes of what goes into an exported graph and comes out."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

import jets
import pytest
import torch

from salt_like.errors import UserError
from salt_like.export.interface import INT8_LIMIT, TRACK_SELECTIONS, Wishes, interface_of
from salt_like.spec import DataSpec, Discriminant
from salt_like.tagger import Tagger
from salt_like.tasks import Classification, GaussianRegression, Vertexing

FLAVOUR = partial(Classification, stream="jets", label="flavour_label")
TASKS = {
    "flavour": FLAVOUR,
    "track_origin": partial(Classification, stream="tracks", label="origin"),
    "vertices": partial(Vertexing, stream="tracks", label="vertex"),
    "energy": partial(GaussianRegression, stream="jets", label="truth_pt"),
}


def described(length: int = jets.LENGTH, most: int | None = None) -> DataSpec:
    spec = jets.spec()
    streams = tuple(
        replace(one, capacity=length, max_constituents=most) if one.name == "tracks" else one for one in spec.streams
    )
    db = Discriminant("Db", "bjets", {"cjets": 0.2, "ujets": 0.8})
    return replace(spec, streams=streams, discriminants=(db,))


def tagger(tasks=TASKS, **options) -> Tagger:
    torch.manual_seed(0)
    return Tagger(described(**options), 8, tasks).eval()


def names(found) -> list[str]:
    return [one.name for one in found.outputs]


def test_batched():
    found = interface_of(tagger(), "GN2", "batched")
    assert [one.name for one in found.inputs] == ["jets", "tracks", "tracks_valid", "flows", "flows_valid"]
    assert [one.mask for one in found.inputs] == [None, "tracks_valid", None, "flows_valid", None]
    assert found.inputs[1].variables == ("d0", "z0", "nHits", "lepton")
    assert names(found) == [
        *("GN2_pu", "GN2_pc", "GN2_pb", "GN2_ptau"),
        *("tracks_GN2_ppileup", "tracks_GN2_pfake", "tracks_GN2_pprimary", "tracks_GN2_pfromB"),
        *("tracks_VertexIndex", "GN2_truth_pt", "GN2_truth_pt_stddev", "GN2_Db"),
    ]
    assert {one.name: one.dtype for one in found.outputs}["tracks_VertexIndex"] == "int32"


def test_single_has_no_masks_and_the_same_outputs():
    found = interface_of(tagger(), "GN2", "single")
    assert [one.name for one in found.inputs] == ["jets", "tracks", "flows"]
    assert names(found) == names(interface_of(tagger(), "GN2", "batched"))


def test_athena():
    found = interface_of(tagger(), "GN2v1", "athena")
    assert [one.name for one in found.inputs] == ["jet_features", "track_features", "flow_features"]
    assert names(found) == [
        *("GN2v1_pu", "GN2v1_pc", "GN2v1_pb", "GN2v1_ptau", "GN2v1_truth_pt", "GN2v1_truth_pt_stddev", "GN2v1_Db"),
        *("GN2v1_TrackOrigin", "GN2v1_VertexIndex"),
    ]
    assert {one.name for one in found.outputs if one.dtype == "int8"} == {"GN2v1_TrackOrigin", "GN2v1_VertexIndex"}


@pytest.mark.parametrize("name", ["GN_2", "GN-2"])
def test_names_that_the_atlas_software_cannot_read(name):
    with pytest.raises(UserError, match="neither '_' nor '-'"):
        interface_of(tagger(), name, "athena")
    assert interface_of(tagger(), name, "athena", Wishes(name="GN2")).model == "GN2"


def test_int8_holds_vertices_up_to_its_end():
    vertices = {"vertices": TASKS["vertices"]}
    assert interface_of(tagger(vertices, length=INT8_LIMIT), "GN2", "athena")
    with pytest.raises(UserError, match="up to 128 constituents"):
        interface_of(tagger(vertices, length=INT8_LIMIT + 1), "GN2", "athena")
    assert interface_of(tagger(vertices, length=200, most=40), "GN2", "athena").inputs[1].truncated_to == 40


def test_some_tasks():
    found = interface_of(tagger(), "GN2", "batched", Wishes(tasks=["vertices"]))
    assert (names(found), found.tasks) == (["tracks_VertexIndex"], ("vertices",))
    found = interface_of(tagger(), "GN2", "batched", Wishes(tasks=["flavour"]))
    assert names(found)[-1] == "GN2_Db"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("pu", "plight", "GN2_plight"), ("GN2_pu", "light", "light"), ("tracks_VertexIndex", "vertex", "vertex")],
)
def test_renamed(old, new, expected):
    before, after = (interface_of(tagger(), "GN2", "batched", Wishes(rename=one)) for one in ({}, {old: new}))
    (place,) = (index for index, one in enumerate(after.outputs) if one.name == expected)
    assert after.outputs[place].terms == before.outputs[place].terms
    assert len(after.outputs) == len(before.outputs)


def test_combined():
    found = interface_of(tagger(), "GN2", "batched", Wishes(combine={"plight": {"pu": 1.0, "GN2_pc": 0.5}}))
    assert found.outputs[-1].name == "GN2_plight"
    assert [(factor, one.field) for factor, one in found.outputs[-1].terms] == [(1.0, "pu"), (0.5, "pc")]


def test_combined_may_be_built_on_combined_and_renamed():
    wishes = Wishes(combine={"a": {"pu": 2.0}, "b": {"a": 3.0, "pc": 1.0}}, rename={"b": "c"})
    found = interface_of(tagger(), "GN2", "batched", wishes)
    assert names(found)[-2:] == ["GN2_a", "GN2_c"]
    assert [(factor, one.field) for factor, one in found.outputs[-1].terms] == [(6.0, "pu"), (1.0, "pc")]


def test_a_difference_of_probabilities_is_no_probability():
    wishes = Wishes(combine={"d": {"pb": 1.0, "pc": -1.0}, "s": {"pb": 1.0, "pc": 1.0}})
    found = interface_of(tagger(), "GN2", "batched", wishes)
    assert [one.kind for one in found.outputs[-2:]] == ["value", "probability"]


def test_embedding():
    found = interface_of(tagger(), "GN2", "batched", Wishes(embedding=True))
    assert found.outputs[-1].name == "GN2_embedding"


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(tasks=["flavor"]), "no task 'flavor'.*did you mean 'flavour'"),
        (Wishes(rename={"px": "y"}), "no output 'px'"),
        (Wishes(rename={"pu": "pc"}), "two outputs would have the name 'GN2_pc'"),
        (Wishes(rename={"GN2_pu": "jets"}), "'jets' is the name of an input"),
        (Wishes(rename={"pu": "a b"}), "'GN2_a b' is no name"),
        (Wishes(combine={"pb": {"pu": 1.0}}), "an output 'GN2_pb' is there already"),
        (Wishes(combine={"x": {"pz": 1.0}}), "--combine x: no output 'pz'"),
        (Wishes(combine={"x": {"pu": 1.0, "GN2_pu": 1.0}}), "--combine x: the same output twice"),
        (Wishes(combine={"x": {"tracks_VertexIndex": 1.0}}), "no number that could be added up"),
        (Wishes(combine={"x": {"pu": 1.0, "tracks_GN2_pfake": 1.0}}), "different streams: jets, tracks"),
    ],
    ids=str,
)
def test_wishes_that_cannot_be(wishes, message):
    with pytest.raises(UserError) as error:
        interface_of(tagger(), "GN2", "batched", wishes)
    assert re.search(message, str(error.value), re.S)


def test_track_selections():
    with pytest.raises(UserError, match="did you mean 'r22default'"):
        interface_of(tagger(), "GN2", "athena", Wishes(track_selection="r22defualt"))
    assert interface_of(tagger(), "GN2", "athena", Wishes(track_selection=TRACK_SELECTIONS[0])).track_selection == "all"
