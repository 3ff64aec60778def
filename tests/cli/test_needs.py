from __future__ import annotations

import numpy as np

from salt_like.cli import needs
from salt_like.data.files import Arrays
from salt_like.spec import Request

DATA = {
    "inputs": {"jets": {"pt": "log"}, "tracks": ["d0"]},
    "select": {"tracks": "pt > 1 and d0 < 2", "jets": None} | {"jets": "abs(eta) < 2.5"},
    "order": {"tracks": "-pt"},
    "weight": "mcEventWeight",
    "split": {"by": ["process", "eventNumber"], "fractions": [0.8, 0.1, 0.1]},
    "event": "eventNumber",
}
REQUESTS = [
    Request("jets", "flavour_label", "class", where="truth > 0"),
    Request("tracks", "ftagTruthOriginLabel", "class"),
]


def test_every_field_that_is_read():
    assert [(need.stream, need.field, need.purpose) for need in needs.of(DATA, REQUESTS)] == [
        ("jets", "pt", "input"),
        ("tracks", "d0", "input"),
        ("jets", "flavour_label", "label"),
        ("jets", "truth", "condition of a label"),
        ("tracks", "ftagTruthOriginLabel", "label"),
        ("tracks", "pt", "selection"),
        ("tracks", "d0", "selection"),
        ("jets", "eta", "selection"),
        ("tracks", "pt", "order"),
        ("jets", "mcEventWeight", "weight"),
        ("jets", "process", "split"),
        ("jets", "eventNumber", "split"),
        ("jets", "eventNumber", "event"),
    ]


def test_aliases_and_missing_fields():
    source = Arrays(
        {
            "jets": np.zeros(1, [("pt", "f4"), ("flavour_labl", "i4")]),
            "trcks": np.zeros((1, 2), [("d0", "f4")]),
        }
    )
    wanted = needs.of({"inputs": {"jets": ["pt"], "tracks": ["d0"]}}, [Request("jets", "flavour_label", "class")])
    assert [row[3] for row in needs.table(wanted, {"train": source}).rows] == [
        "yes",
        "no such stream (did you mean 'trcks'?)",
        "MISSING (did you mean 'flavour_labl'?)",
    ]
    assert [need.field for need in needs.missing(wanted, source)] == ["d0", "flavour_label"]
    other = Arrays({"tracks": np.zeros((1, 2), [("truthOriginLabel", "i4")])})
    origin = needs.of({}, [Request("tracks", "ftagTruthOriginLabel", "class")])
    assert needs.table(origin, {"x": other}).rows[0][3] == "yes, as truthOriginLabel"
    assert needs.missing(origin, other) == []
    assert needs.table(origin, {}).rows[0][3] == "not checked"
