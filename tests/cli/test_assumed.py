from __future__ import annotations

from salt_like.cli import assumed
from salt_like.spec import Request


def test_what_the_configuration_says_is_kept_and_the_rest_assumed():
    data = {
        "inputs": {"jets": ["pt"], "tracks": {"d0": None, "pt": "log", "z0": {"flag_default": True, "default": -1.0}}},
        "max_constituents": {"tracks": 12},
        "labels": {"kind": {"classes": ["a", "b"]}},
    }
    requests = [
        Request("jets", "flavour_label", "class"),
        Request("jets", "kind", "class"),
        Request("tracks", "ftagTruthOriginLabel", "class", where="d0 > 0"),
        Request("hits", "x", "real"),
    ]
    spec, notes = assumed.spec(data, requests)
    assert notes == ["4 classes of jets.flavour_label"]
    assert spec.global_stream.name == "jets"
    assert [(stream.name, stream.length, stream.width) for stream in spec.streams[1:]] == [
        ("tracks", 12, 4),
        ("hits", 1, 0),
    ]
    assert spec.stream("tracks").variables[1].transform == "log"
    assert spec.label("jets", "kind").classes == ("a", "b")
    assert spec.label("jets", "flavour_label").prior == (0.25,) * 4
    assert len(spec.label("tracks", requests[2].key).classes) == 8
    assert spec.label("hits", "x").std == 0.5
