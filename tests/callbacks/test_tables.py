from __future__ import annotations

import numpy as np

from salt_like.callbacks.tables import Table
from salt_like.spec import Output

CLASSES = (Output("tracks", "pb", "probability", of_class="b"), Output("tracks", "pu", "probability", of_class="u"))
VERTEX = Output("tracks", "VertexIndex", "index")


def source() -> tuple[np.ndarray, np.ndarray]:
    tracks = np.zeros((3, 4), [("d0", "f4"), ("origin", "i1"), ("hits", "u1"), ("good", "?")])
    tracks["d0"] = np.arange(12).reshape(3, 4)
    tracks["origin"] = 5
    tracks["hits"] = 9
    tracks["good"] = True
    real = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 0, 1, 1]], bool)
    return tracks, real


def table(**arguments: object) -> Table:
    tracks, _ = source()
    copied = {name: tracks.dtype[name] for name in tracks.dtype.names}
    return Table("GN2", (*CLASSES, VERTEX), copied, slots=4, **arguments)  # type: ignore[arg-type]


def test_constituents_go_to_the_slots_of_the_file() -> None:
    tracks, real = source()
    # the first jet is reordered and truncated to two: slots 2 and 0; the last one keeps slots 3 and 2
    values = {
        "GN2_pb": np.array([0.1, 0.2, 0.3, 0.4]),
        "GN2_pu": np.array([0.9, 0.8, 0.7, 0.6]),
        "VertexIndex": np.array([0, -1, 1, 1]),
    }
    result = table().constituents(real, tracks, values, np.array([2, 0, 2]), np.array([2, 0, 3, 2]))
    nan = np.nan
    np.testing.assert_array_equal(result["valid"], [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 1]])
    expected = np.array([[0.2, nan, 0.1, nan], [nan] * 4, [nan, nan, 0.4, 0.3]], np.float32)
    np.testing.assert_array_equal(result["GN2_pb"], expected)
    np.testing.assert_array_equal(result["VertexIndex"], [[-1, -2, 0, -2], [-2] * 4, [-2, -2, 1, 1]])
    assert result["VertexIndex"].dtype == np.int32


def test_copied_fields_keep_value_and_type_where_the_file_has_a_constituent_and_are_defined_elsewhere() -> None:
    tracks, real = source()
    values = {"GN2_pb": np.zeros(0), "GN2_pu": np.zeros(0), "VertexIndex": np.zeros(0, int)}
    result = table().constituents(real, tracks, values, np.zeros(3, int), np.zeros(0, int))
    assert not result["valid"].any()
    for name, padding in (("d0", np.nan), ("origin", -1), ("hits", 0), ("good", False)):
        assert result[name].dtype == tracks[name].dtype
        np.testing.assert_array_equal(result[name], np.where(real, tracks[name], padding).astype(tracks[name].dtype))


def test_half_precision_is_for_probabilities_only() -> None:
    outputs = (*CLASSES, Output("tracks", "pt", "value"), Output("tracks", "pt_stddev", "sigma"), VERTEX)
    kinds = Table("m", outputs, {}, slots=4, precision="float16").dtype
    assert [kinds[name].str for name in ("m_pb", "m_pt", "m_pt_stddev", "VertexIndex")] == ["<f2", "<f4", "<f4", "<i4"]
    assert Table("m", outputs, {}, slots=4).dtype["m_pb"] == np.float32


def test_salts_mask_is_true_at_padding_and_only_on_request() -> None:
    tracks, real = source()
    values = {"GN2_pb": np.ones(1), "GN2_pu": np.ones(1), "VertexIndex": np.ones(1, int)}
    arguments = (real, tracks, values, np.array([1, 0, 0]), np.array([1]))
    result = table(salt_mask=True).constituents(*arguments)
    np.testing.assert_array_equal(result["mask"], ~result["valid"])
    assert "mask" not in table().constituents(*arguments).dtype.names


def test_jets_have_row_copied_fields_labels_and_columns() -> None:
    jets = np.array([(1e6, 7), (2e6, 8)], [("pt", "f4"), ("row", "i2")])
    one = Table(
        "m", (Output("jets", "pb", "probability"),), {"pt": np.dtype("f4")}, resolved={"key[a > 1]": np.dtype("i8")}
    )
    result = one.jets(np.array([10, 12]), jets, {"m_pb": np.array([0.25, 0.5]), "key[a > 1]": np.array([-1, 2])})
    assert result.dtype.names == ("row", "pt", "key[a > 1]", "m_pb")
    assert result.tolist() == [(10, 1e6, -1, 0.25), (12, 2e6, 2, 0.5)]


def test_own_columns_win_over_copied_ones_of_the_same_name() -> None:
    jets = np.array([(3.0, 7)], [("m_pb", "f8"), ("row", "i2")])
    copied = {name: jets.dtype[name] for name in jets.dtype.names}
    result = Table("m", (Output("jets", "pb", "probability"),), copied).jets(np.array([5]), jets, {"m_pb": np.ones(1)})
    assert result.tolist() == [(5, 1.0)]
