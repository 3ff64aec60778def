from __future__ import annotations

import json
import math

import pytest

from salt_like.spec import DataSpec, Discriminant, Label, Output, Request, SpecError, Stream, Variable

SPEC = DataSpec(
    streams=(
        Stream("jets", (Variable("pt", "log", (1.0, None), mean=2.0, std=0.5, unit="MeV"),), is_global=True),
        Stream(
            "tracks",
            (Variable("d0", default=-999.0, flag_default=True), Variable("z0")),
            capacity=40,
            max_constituents=30,
            order_by="-pt",
            selection="pt > 500",
        ),
        Stream("truth", capacity=5),
    ),
    labels=(
        Label("jets", "flavour", "flavour", "class", ("b", "c"), (30.0, 10.0), (0.75, 0.25), ((5, 0), (4, 1)), (-1,)),
        Label("tracks", "origin", "origin", "index"),
    ),
    discriminants=(Discriminant("Db", "b", {"c": 1.0}),),
    event=("eventNumber",),
    units="MeV",
)


def test_there_and_back():
    plain = SPEC.to_dict()
    assert DataSpec.from_dict(plain) == SPEC
    assert DataSpec.from_dict(json.loads(json.dumps(plain))) == SPEC  # tuples became lists


def test_a_newer_schema_is_refused():
    with pytest.raises(SpecError, match="schema version 99, this release reads 1"):
        DataSpec.from_dict({**SPEC.to_dict(), "version": 99})


def test_streams():
    assert SPEC.global_stream.name == "jets"
    assert [stream.name for stream in SPEC.set_streams] == ["tracks"]
    assert SPEC.stream("truth").capacity == 5
    with pytest.raises(SpecError, match=r"no stream 'flows' \(there are: jets, tracks, truth\)"):
        SPEC.stream("flows")


def test_labels():
    assert SPEC.label("jets", "flavour").classes == ("b", "c")
    with pytest.raises(SpecError, match=r"no label 'flavour' of stream 'tracks' .* jets.flavour, tracks.origin"):
        SPEC.label("tracks", "flavour")
    with pytest.raises(SpecError, match=r"there are: none"):
        DataSpec(SPEC.streams).label("jets", "flavour")


def test_width_and_length():
    assert SPEC.stream("tracks").width == 3
    assert SPEC.stream("tracks").length == 30
    assert SPEC.stream("truth").length == 5
    assert Stream("tracks", capacity=10, max_constituents=30).length == 10
    assert math.isinf(Variable("x").high)


def test_class_weights_are_one_on_average_and_absent_classes_have_none():
    label = Label("jets", "f", "f", "class", ("a", "b", "c"), (30.0, 0.0, 10.0))
    weights = label.class_weights
    assert weights == (pytest.approx(40 / 60), 0.0, 2.0)
    assert sum(w * n for w, n in zip(weights, label.counts, strict=True)) / 40 == pytest.approx(1.0)
    assert Label("jets", "f", "f", "real").class_weights == ()


def test_keys_of_different_readings_of_a_field_differ():
    requests = [
        Request("jets", "f", "class"),
        Request("jets", "f", "class", label_map={5: "b", 4: "c"}),
        Request("jets", "f", "class", label_map={5: "b"}),
        Request("jets", "f", "class", where="pt > 1"),
    ]
    assert requests[0].key == "f"
    assert len({request.key for request in requests}) == 4


def test_columns():
    assert Output("jets", "pb", "probability", of_class="b").column("GN2") == "GN2_pb"
    assert Output("tracks", "VertexIndex", "index").column("GN2") == "VertexIndex"
