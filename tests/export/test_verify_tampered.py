"""What is wrong with a bundle is found, and the output or file is named."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
import tampered
from bundles import copied

from salt_like.export import verify
from salt_like.export.bundle import write_sums


@pytest.fixture
def copy(bundle, tmp_path) -> Path:
    return copied(bundle, tmp_path / "bundle")


def failures(folder: Path, capsys) -> dict[str, set[str]]:
    """What `verify.py` finds: check → what it is about."""
    assert verify.main([str(folder), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert not result["passed"]
    found: dict[str, set[str]] = {}
    for one in result["failures"]:
        found.setdefault(one["check"], set()).add(one["about"])
    return found


@pytest.mark.parametrize("kind", ["bundle", "single", "athena"])
def test_a_bundle_as_it_was_made_passes(kind, request, capsys):
    folder = request.getfixturevalue(kind)
    assert verify.main([str(folder)]) == 0
    said = capsys.readouterr().out
    assert "passed" in said
    assert "FAILED" not in said
    result = verify.verify(folder)
    assert result["warnings"] == []
    assert result["jets"] >= 100
    names = [one["name"] for one in json.loads((folder / "manifest.json").read_text())["outputs"]]
    assert list(result["outputs"]) == names
    for name in names:
        assert name in said
        assert 0 <= result["outputs"][name]["worst"]["used"] < 1


@pytest.mark.parametrize(("first", "second"), [("GN2_pu", "GN2_pb"), ("tracks_GN2_ppileup", "tracks_GN2_pfake")])
def test_swapped_outputs(copy, capsys, first, second):
    tampered.change_graph(copy, lambda model: tampered.swap_outputs(model, first, second))
    assert failures(copy, capsys) == {"replay": {first, second}}


@pytest.mark.parametrize("kind", ["single", "athena"])
def test_swapped_outputs_of_single_jets(kind, request, tmp_path, capsys):
    folder = copied(request.getfixturevalue(kind), tmp_path / "bundle")
    model = json.loads((folder / "manifest.json").read_text())["model"]
    names = {f"{model}_pc", f"{model}_pb"}
    tampered.change_graph(folder, lambda graph: tampered.swap_outputs(graph, *names))
    assert failures(folder, capsys) == {"replay": names}


@pytest.mark.parametrize(("name", "order"), [("jets", [1, 0]), ("tracks", [1, 0, 2])])
def test_permuted_inputs(copy, capsys, name, order):
    tampered.change_graph(copy, lambda model: tampered.permute_inputs(model, name, order))
    found = failures(copy, capsys)
    assert list(found) == ["replay"]
    assert {"GN2_pu", "GN2_pb", "tracks_GN2_ppileup"} <= found["replay"]


def test_no_normalisation(copy, capsys):
    def drop(name: str, values: np.ndarray) -> np.ndarray:
        if ".norms." not in name:
            return values
        return np.full_like(values, 0 if name.endswith("mean") else 1)

    changed: list[int] = []
    tampered.change_graph(copy, lambda model: changed.append(tampered.change_weights(model, drop)))
    assert changed[0] >= 5
    found = failures(copy, capsys)
    assert list(found) == ["replay"]
    assert {"GN2_pu", "tracks_GN2_ppileup"} <= found["replay"]


@pytest.mark.parametrize(
    ("part", "outputs"),
    [
        ("tasks.flavour.head", {"GN2_pu", "GN2_Db"}),
        ("tasks.origin.head", {"tracks_GN2_ppileup"}),
        ("encoder.layers.0.feedforward", {"GN2_embedding"}),
    ],
)
def test_one_weight_by_a_hundredth(copy, capsys, part, outputs):
    def perturb(name: str, values: np.ndarray) -> np.ndarray:
        if part in name and name.endswith("bias") and not done:
            done.append(name)
            place = np.abs(values).argmax()
            values.flat[place] *= 1.01
        return values

    done: list[str] = []
    changed: list[int] = []
    tampered.change_graph(copy, lambda model: changed.append(tampered.change_weights(model, perturb)))
    assert changed == [1]
    found = failures(copy, capsys)
    assert list(found) == ["replay"]
    assert outputs & found["replay"]
    untouched = "tracks_GN2_ppileup" if part == "tasks.flavour.head" else "GN2_pu"
    assert part.startswith("encoder") or untouched not in found["replay"]


@pytest.mark.parametrize(("alone", "route"), [(False, "batched"), (True, "one by one")])
def test_what_depends_on_the_other_jets(copy, alone, route):
    """Right for jets that are alone, or only for those that are not."""
    make = onnx.helper.make_node

    def change(model) -> None:
        tampered.rename(model.graph, {"GN2_pb": "b"})
        for name, value in (("zero", 0), ("one", 1)):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value], np.int64), name))
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1e-3], np.float32), "factor"))
        model.graph.node.extend(
            [
                make("Shape", ["jets"], ["sizes"]),
                make("Gather", ["sizes", "zero"], ["number"]),
                make("Greater", ["number", "one"], ["together"]),
                make("Not", ["together"], ["alone"]),
                make("Cast", ["alone" if alone else "together"], ["yes"], to=onnx.TensorProto.FLOAT),
                make("Mul", ["yes", "factor"], ["shift"]),
                make("Add", ["b", "shift"], ["GN2_pb"]),
            ]
        )

    tampered.change_graph(copy, change)
    found = verify.verify(copy)["failures"]
    assert {(one["check"], one["about"]) for one in found} == {("replay", "GN2_pb")}
    assert f"({route}, " in found[0]["message"]
    assert "one by one against batched" in found[-1]["message"]


def test_nan_from_the_graph(copy, capsys):
    def change(model) -> None:
        tampered.rename(model.graph, {"GN2_pb": "b"})
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([np.nan], np.float32), "nothing"))
        model.graph.node.append(onnx.helper.make_node("Add", ["b", "nothing"], ["GN2_pb"]))

    tampered.change_graph(copy, change)
    assert failures(copy, capsys) == {"replay": {"GN2_pb"}}
    assert "has NaN (indices: -2) where something is expected" in verify.verify(copy)["failures"][0]["message"]


def test_weights_in_half_precision(copy, capsys):
    def rounded(name: str, values: np.ndarray) -> np.ndarray:
        return values if ".norms." in name or not values.ndim else values.astype(np.float16)  # momenta are too large

    changed: list[int] = []
    tampered.change_graph(copy, lambda model: changed.append(tampered.change_weights(model, rounded)))
    assert changed[0] > 100
    found = failures(copy, capsys)
    assert list(found) == ["replay"]
    assert {"GN2_pu", "tracks_GN2_ppileup"} <= found["replay"]


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "golden.h5", "README.md", "weights.safetensors"])
def test_one_byte(copy, capsys, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    assert failures(copy, capsys) == {"files": {name}}


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "golden.h5", "README.md", "SHA256SUMS", "verify.py"])
def test_one_file_less(copy, capsys, name):
    (copy / name).unlink()
    assert failures(copy, capsys) == {"files": {name}}


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "golden.h5"])
def test_a_file_whose_hash_is_not_listed_is_not_trusted(copy, capsys, name):
    lines = (copy / "SHA256SUMS").read_text().splitlines(keepends=True)
    (copy / "SHA256SUMS").write_text("".join(line for line in lines if name not in line))
    assert failures(copy, capsys) == {"files": {name}}


def test_changed_files_are_not_opened(copy, capsys, monkeypatch):
    (copy / "model.onnx").write_bytes(b"something else")
    monkeypatch.setattr(verify, "check_graph", lambda *_: pytest.fail("opened"))
    monkeypatch.setattr(verify.onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("loaded"))
    assert failures(copy, capsys) == {"files": {"model.onnx"}}


def test_hashes_of_files_elsewhere(copy, capsys):
    with open(copy / "SHA256SUMS", "a") as file:
        file.write(f"{'0' * 64}  ../outside\n")
    assert failures(copy, capsys) == {"files": {"SHA256SUMS"}}


def test_one_file_more_is_a_warning(copy, capsys):
    (copy / "notes.txt").write_text("mine")
    assert verify.main([str(copy), "--json"]) == 0
    assert [one["about"] for one in json.loads(capsys.readouterr().out)["warnings"]] == ["notes.txt"]
    assert verify.main([str(copy)]) == 0
    assert "warning: notes.txt is no part of the bundle" in capsys.readouterr().out


def test_metadata_of_another_graph(copy, capsys):
    def change(model) -> None:
        entry = next(one for one in model.metadata_props if one.key == "salt_like")
        content = json.loads(entry.value)
        content["outputs"][0]["name"] = "other"
        entry.value = json.dumps(content)

    tampered.change_graph(copy, change)
    assert failures(copy, capsys) == {"metadata": {"model.onnx"}}


def test_no_metadata(copy, capsys):
    tampered.change_graph(copy, lambda model: model.ClearField("metadata_props"))
    assert failures(copy, capsys) == {"metadata": {"model.onnx"}}


def test_metadata_for_the_software_of_atlas(athena, tmp_path, capsys):
    folder = copied(athena, tmp_path / "bundle")

    def change(model) -> None:
        entry = next(one for one in model.metadata_props if one.key == "gnn_config")
        content = json.loads(entry.value)
        content["output_names"].reverse()
        entry.value = json.dumps(content)

    tampered.change_graph(folder, change)
    assert failures(folder, capsys) == {"metadata": {"model.onnx"}}


def test_operators_are_counted(copy, capsys):
    tampered.change_manifest(copy, lambda content: content["graph"]["operators"].update(Softmax=77, If=1))
    assert failures(copy, capsys) == {"graph": {"model.onnx"}}
    messages = [one["message"] for one in verify.verify(copy)["failures"]]
    assert [message.split(" stands")[0] for message in messages] == ["operator If", "operator Softmax"]


@pytest.mark.parametrize(("key", "value"), [("opset", 17), ("ir_version", 9)])
def test_versions_of_the_graph(copy, capsys, key, value):
    tampered.change_manifest(copy, lambda content: content["graph"].update({key: value}))
    assert failures(copy, capsys) == {"graph": {"model.onnx"}}


def foreign(model) -> None:
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))


def external(model) -> None:
    tensor = next(one for one in model.graph.initializer if one.HasField("raw_data"))
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")


@pytest.mark.parametrize(("change", "words"), [(foreign, "com.microsoft"), (external, "weights in other files")])
def test_graphs_that_need_more_than_themselves_are_not_loaded(copy, capsys, monkeypatch, change, words):
    tampered.change_graph(copy, change)
    monkeypatch.setattr(verify.onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("loaded"))
    assert failures(copy, capsys) == {"graph": {"model.onnx"}}
    assert words in verify.verify(copy)["failures"][0]["message"]


def test_something_that_is_no_graph(copy, capsys):
    (copy / "model.onnx").write_bytes((copy / "model.onnx").read_bytes()[:1000])
    write_sums(copy)
    assert failures(copy, capsys) == {"graph": {"model.onnx"}}


def test_a_runtime_that_is_too_old_is_said_before_anything_is_loaded(copy, capsys, monkeypatch):
    monkeypatch.setattr(verify.onnxruntime, "__version__", "1.9.0")
    monkeypatch.setattr(verify.onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("loaded"))
    assert failures(copy, capsys) == {"runtime": {"onnxruntime"}}
    message = verify.verify(copy)["failures"][0]["message"]
    oldest = json.loads((copy / "manifest.json").read_text())["graph"]["oldest_runtime"]
    assert message.startswith(f"1.9.0 is too old, needed is {oldest}")


def test_a_schema_of_the_future(copy, capsys):
    tampered.change_manifest(copy, lambda content: content.update(schema_version=2))
    assert failures(copy, capsys) == {"manifest": {"manifest.json"}}
    assert "use the verify.py in the bundle" in verify.verify(copy)["failures"][0]["message"]


@pytest.mark.parametrize("key", ["outputs", "profile"])
def test_a_manifest_with_gaps(copy, capsys, key):
    tampered.change_manifest(copy, lambda content: content.pop(key))
    assert failures(copy, capsys) == {"manifest": {"manifest.json"}}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", ["GN2_pb", "tracks_GN2_ppileup"])
def test_nan_in_golden_outputs(copy, capsys, precision, name):
    def spoil(file) -> None:
        data = file[precision][name]
        data[3 if data.ndim == 1 else (3, 0)] = np.nan

    tampered.change_golden(copy, spoil)
    found = failures(copy, capsys)
    assert found["golden"] == {name}
    assert set(found) <= {"golden", "replay"}


def test_golden_vertices_where_there_is_nothing(copy, capsys):
    def spoil(file) -> None:
        row = int(np.flatnonzero(~file["valid/tracks"][:].any(1))[0])
        for precision in ("float32", "float64"):
            file[precision]["tracks_VertexIndex"][row, 0] = 0

    tampered.change_golden(copy, spoil)
    assert failures(copy, capsys) == {"golden": {"tracks_VertexIndex"}, "replay": {"tracks_VertexIndex"}}


def test_another_vertex(copy, capsys):
    def spoil(file) -> None:
        row = int(file["valid/tracks"][:].sum(1).argmax())
        for precision in ("float32", "float64"):
            file[precision]["tracks_VertexIndex"][row, 0] += 1

    tampered.change_golden(copy, spoil)
    assert failures(copy, capsys) == {"replay": {"tracks_VertexIndex"}}


def test_a_golden_output_that_is_missing(copy, capsys):
    tampered.change_golden(copy, lambda file: file["float32"].pop("GN2_pb"))
    assert failures(copy, capsys) == {"golden": {"GN2_pb"}}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float32/GN2_pb", "int64"),
        ("float32/GN2_pb", "float16"),
        ("float32/GN2_pb", "float64"),
        ("float64/tracks_GN2_pfake", "float32"),
        ("float32/tracks_VertexIndex", "float32"),
        ("inputs/tracks", "float64"),
        ("valid/tracks", "int8"),
    ],
)
def test_golden_jets_of_another_type(copy, capsys, name, dtype):
    """Numbers that are compared are rounded to the type of the golden ones: all probabilities are 0 as integers."""

    def spoil(file):
        values = np.nan_to_num(file[name][()]).astype(dtype)
        del file[name]
        file[name] = values

    tampered.change_golden(copy, spoil)
    about = "golden.h5" if name.startswith(("inputs", "valid")) else name.split("/")[1]
    assert failures(copy, capsys) == {"golden": {about}}
    message = verify.verify(copy)["failures"][0]["message"]
    assert f" is {dtype} in golden.h5, not " in message


@pytest.mark.parametrize(
    "name", ["inputs/jets", "inputs/tracks", "valid/tracks", "float32/GN2_pb", "float64/GN2_embedding"]
)
@pytest.mark.parametrize("what", ["scalar", "fewer", "axis", "nothing", "text", "group"])
def test_golden_jets_of_another_shape(copy, capsys, name, what):
    def spoil(file):
        values = file[name][()]
        del file[name]
        if what == "group":
            file.create_group(name)
        else:
            made = {"scalar": values.flat[0], "fewer": values[1:], "axis": values[..., None], "text": "hello"}
            file[name] = h5py.Empty("f4") if what == "nothing" else made[what]

    tampered.change_golden(copy, spoil)
    found = failures(copy, capsys)
    assert set(found) == {"golden"}
    assert "cannot be checked" not in verify.text(verify.verify(copy))


def test_golden_jets_of_another_number(copy, capsys):
    tampered.change_manifest(copy, lambda content: content["golden"].update(jets=3))
    assert failures(copy, capsys) == {"golden": {"golden.h5"}}


def test_an_output_with_another_name(copy, capsys):
    def change(model) -> None:
        tampered.rename(model.graph, {"GN2_pb": "b"})
        next(one for one in model.graph.output if one.name == "GN2_pb").name = "b"

    tampered.change_graph(copy, change)
    assert failures(copy, capsys) == {"interface": {"GN2_pb", "b"}}


def test_an_input_with_another_name(copy, capsys):
    def change(model) -> None:
        tampered.rename(model.graph, {"tracks": "charged"})
        next(one for one in model.graph.input if one.name == "tracks").name = "charged"

    tampered.change_graph(copy, change)
    assert failures(copy, capsys) == {"interface": {"tracks", "charged"}}


def test_an_output_of_another_type(copy, capsys):
    def change(model) -> None:
        tampered.rename(model.graph, {"GN2_pb": "b"})
        model.graph.node.append(onnx.helper.make_node("Cast", ["b"], ["GN2_pb"], to=onnx.TensorProto.DOUBLE))
        output = next(one for one in model.graph.output if one.name == "GN2_pb")
        output.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE

    tampered.change_graph(copy, change)
    assert failures(copy, capsys) == {"interface": {"GN2_pb"}}


OTHER_GRAPH = {"metadata": {"model.onnx"}, "interface": {"GN2_embedding"}}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (["jets", 9], {**OTHER_GRAPH, "golden": {"GN2_embedding"}}),
        (["jets"], {"manifest": {"manifest.json"}}),
        (["jets", "tracks", 8], OTHER_GRAPH),
    ],
)
def test_an_output_of_another_shape(copy, capsys, shape, expected):
    def change(content) -> None:
        next(one for one in content["outputs"] if one["name"] == "GN2_embedding")["shape"] = shape

    tampered.change_manifest(copy, change)
    assert failures(copy, capsys) == expected


def with_cut(copy: Path, cut: float) -> None:
    points = {"fixed": [{"efficiency": 0.77, "cuts": [cut]}], "flat": []}
    stored = [{"sample": "ttbar", "discriminants": {"Db": points, "Dx": points}}]
    tampered.change_manifest(copy, lambda content: content.update(working_points=stored))


def test_a_jet_on_another_side_of_a_cut(copy, capsys):
    def nudge(file) -> None:
        values = file["float32/GN2_Db"]
        before.append(float(values[7]))
        values[7] = before[0] + 5e-4

    before: list[float] = []
    tampered.change_golden(copy, nudge)
    with_cut(copy, before[0] + 2.5e-4)
    assert failures(copy, capsys) == {"working points": {"GN2_Db"}}
    point = verify.verify(copy)["working_points"]
    assert [(one["discriminant"], one["other_side"], one["on_the_cut"]) for one in point] == [("GN2_Db", 1, 0)]


@pytest.mark.parametrize("shift", [-5e-6, 5e-6])
def test_a_jet_on_the_cut_itself_is_not_judged(copy, capsys, shift):
    """Cuts are values of jets, which the next program computes a little otherwise."""

    def nudge(file) -> None:
        values = file["float32/GN2_Db"]
        before.append(float(values[7]))
        values[7] = before[0] + shift

    before: list[float] = []
    tampered.change_golden(copy, nudge)
    with_cut(copy, before[0] + shift / 2)
    assert verify.main([str(copy)]) == 0
    assert "1 cuts, crossed 0 times; 1 jets are exactly on one" in capsys.readouterr().out
