from __future__ import annotations

import numpy as np
import pytest
from field_files import make_arrays, write
from numpy.lib.recfunctions import rename_fields

from salt_like.data.config import LabelConfig
from salt_like.data.files import Files
from salt_like.data.labels import Decoder, Place, from_convention, resolve_label
from salt_like.data.source import Arrays
from salt_like.errors import UserError
from salt_like.spec import Label, Request


def rows(values, kind="i4"):
    result = np.zeros(len(values), [("label", kind), ("pt", "f4")])
    result["label"] = values
    result["pt"] = np.arange(len(values))
    return result


def place(number, slots=None):
    return Place("a.h5", "jets", np.arange(number) + 1000, slots)


def decode(label, values, of_set=False, kind="i4"):
    return Decoder(label, of_set)(rows(values, kind), place(len(values))).tolist()


def class_label(**kwargs):
    return Label("jets", "label", "label", "class", ("u", "c", "b"), **kwargs)


@pytest.mark.parametrize("kind", ["i1", "i8", "u2", "f2", "f4", "f8"])
def test_class_indices_of_any_type(kind):
    assert decode(class_label(), [2, 0, 1], kind=kind) == [2, 0, 1]


def test_label_map_shares_classes_and_does_not_depend_on_its_order():
    label = class_label(values=((15, 1), (0, 0), (5, 2), (4, 1)))
    assert decode(label, [0, 4, 5, 15]) == [0, 1, 2, 1]


def test_unmapped_value_is_refused_unless_ignored():
    values = ((0, 0), (4, 1), (5, 2))
    with pytest.raises(
        UserError, match=r"'label' has the value 15, which is not in the label map \(2 such rows"
    ) as caught:
        decode(class_label(values=values), [0, 15, 4, 15])
    message = str(caught.value)
    assert "first in row 1001 of dataset 'jets' in a.h5" in message
    assert "known are 0: u, 4: c, 5: b" in message
    assert "data.labels.label.ignore: [15]" in message
    assert len(message.splitlines()) <= 5
    assert decode(class_label(values=values, ignore=(15,)), [0, 15, 4, 15]) == [0, -1, 1, -1]


def test_value_outside_the_classes():
    with pytest.raises(
        UserError, match=r"the value 3, which is outside the classes \(1 such rows[^\n]*\nfirst in row 1002"
    ):
        decode(class_label(), [0, 1, 3])
    with pytest.raises(UserError, match=r"the value -1, which is outside"):
        decode(class_label(), [0, -1])
    assert decode(class_label(ignore=(3, 0)), [0, 1, 3]) == [-1, 1, -1]


def test_negative_classes_of_constituents_are_ignored():
    assert decode(class_label(), [0, -1, -2, 2], of_set=True) == [0, -1, -1, 2]
    assert decode(class_label(values=((7, 1),)), [7, -3], of_set=True) == [1, -1]
    with pytest.raises(UserError, match=r"row 1001, constituent 4 of dataset 'jets'"):
        Decoder(class_label(), True)(rows([0, 9]), place(2, np.array([3, 4])))


@pytest.mark.parametrize("value", [np.nan, 1.5, np.inf])
def test_class_that_is_no_whole_number(value):
    with pytest.raises(UserError, match=rf"'label' is {value} where a whole number is needed[^\n]*\nin row 1001"):
        decode(class_label(), [1, value], kind="f4")


def test_rows_that_fail_the_condition_are_not_looked_at():
    label = class_label(where="pt < 2")
    assert decode(label, [1, 2, 99, -5]) == [1, 2, -1, -1]
    assert decode(label, [1, 2, np.nan, 7], kind="f4") == [1, 2, -1, -1]
    with pytest.raises(UserError, match="the value 99"):
        decode(label, [1, 99, 0])
    with pytest.raises(UserError, match="is nan"):
        decode(label, [1, np.nan, 0], kind="f4")
    assert Decoder(label, False).fields == ("label", "pt")


def test_real_targets_keep_nan_and_refuse_infinity():
    label = Label("jets", "label", "label", "real", where="pt < 2")
    result = Decoder(label, False)(rows([1.5, np.nan, 3], "f8"), place(3))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [1.5, np.nan, np.nan])
    assert np.isnan(decode(label, [0, 0, np.inf], kind="f4")[2])
    with pytest.raises(UserError, match=r"the target 'label' is infinite \(1e\+60\)\nin row 1001"):
        decode(label, [1, 1e60], kind="f8")


def test_indices_are_kept_as_they_are():
    label = Label("jets", "label", "label", "index")
    assert decode(label, [-2, -1, 0, 300], kind="i2") == [-2, -1, 0, 300]


@pytest.fixture
def source(tmp_path):
    return Files([write(tmp_path / "a.h5", make_arrays(8))])


def request(name="flavour_label", stream="jets", kind="class", **kwargs):
    return Request(stream, name, kind, **kwargs)


def test_classes_from_the_attribute_then_the_table(source):
    label = resolve_label(request(), {}, source)
    assert label.classes == ("ujets", "cjets", "bjets", "taujets")
    assert label.values == ()
    origin = resolve_label(request("ftagTruthOriginLabel", "tracks"), {}, source)
    assert origin.classes[2:4] == ("primary", "fromB")
    assert len(origin.classes) == 8
    flavour = resolve_label(request("HadronConeExclTruthLabelID"), {}, source)
    assert flavour.classes == ("ujets", "cjets", "bjets", "taujets")
    assert flavour.values == ((0, 0), (4, 1), (5, 2), (15, 3))


def test_configuration_comes_before_the_file(source):
    own = {"flavour_label": LabelConfig(classes=["a", "b", "c", "d"], ignore=[7])}
    label = resolve_label(request(), own, source)
    assert (label.classes, label.ignore) == (("a", "b", "c", "d"), (7,))
    assert resolve_label(request(classes=("w", "x", "y", "z")), own, source).classes == ("w", "x", "y", "z")


def test_attribute_comes_before_the_table(tmp_path):
    path = write(tmp_path / "b.h5", make_arrays(8), tracks={"ftagTruthOriginLabel": list("abcdefgh")})
    assert resolve_label(request("ftagTruthOriginLabel", "tracks"), {}, Files([path])).classes == tuple("abcdefgh")


def test_label_map_gives_classes_in_its_order(source):
    mapped = request(label_map={5: "heavy", 4: "heavy", 0: "light", 15: "light"})
    label = resolve_label(mapped, {}, source)
    assert label.classes == ("heavy", "light")
    assert label.values == ((5, 0), (4, 0), (0, 1), (15, 1))
    assert label.key == mapped.key
    ordered = resolve_label(request(label_map={5: "heavy", 0: "light"}, classes=("light", "heavy")), {}, source)
    assert ordered.values == ((5, 1), (0, 0))
    with pytest.raises(UserError, match=r"maps 5 to 'heavi' \(did you mean 'heavy'\?\)"):
        resolve_label(request(label_map={5: "heavi"}, classes=("light", "heavy")), {}, source)


def test_nothing_says_the_classes(source):
    with pytest.raises(
        UserError, match=r"nothing says the classes of the label 'process' of dataset 'jets'\n.*\n.*data\.labe"
    ):
        resolve_label(request("process"), {}, source)


def test_two_classes_of_one_name(source):
    with pytest.raises(UserError, match="two classes of the label 'flavour_label' have the same name"):
        resolve_label(request(classes=("a", "a")), {}, source)


def test_unknown_label_and_condition_get_the_nearest(source):
    with pytest.raises(UserError, match=r"no field 'flavor_label' \(did you mean 'flavour_label'\?\)"):
        resolve_label(request("flavor_label"), {}, source)
    with pytest.raises(UserError, match=r"no field 'ptt' \(did you mean 'pt'\?\) in dataset 'jets'"):
        resolve_label(request("HadronPt", kind="real", where="ptt > 3"), {}, source)


def test_other_names_of_a_label():
    arrays = make_arrays(4)
    renamed = {"ftagTruthVertexIndex": "truth_vertex_idx", "ftagTruthOriginLabel": "truthOriginLabel"}
    arrays["tracks"] = rename_fields(arrays["tracks"], renamed)
    source = Arrays(arrays)
    vertex = resolve_label(request("ftagTruthVertexIndex", "tracks", "index"), {}, source)
    assert (vertex.key, vertex.name) == ("ftagTruthVertexIndex", "truth_vertex_idx")
    origin = resolve_label(request("truthOriginLabel", "tracks"), {}, source)
    assert origin.classes[2] == "primary"
    assert from_convention(origin)


def test_condition_is_part_of_the_label(source):
    wanted = request("HadronPt", kind="real", where="flavour_label in [1, 2]")
    label = resolve_label(wanted, {}, source)
    assert (label.name, label.where, label.key) == ("HadronPt", "flavour_label in [1, 2]", wanted.key)
    assert not from_convention(resolve_label(request(), {}, source))
