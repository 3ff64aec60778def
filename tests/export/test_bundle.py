"""What a bundle holds, and that it is written completely or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import bundles
import h5py
import numpy as np
import onnx
import pytest
import torch
import yaml
from bundles import make_bundle
from safetensors.torch import load_file

from salt_like import load
from salt_like.cli import main as dispatcher
from salt_like.export.golden import DRAWN
from salt_like.spec import DataSpec
from salt_like.training import checkpoint

FILES = {
    *("model.onnx", "manifest.json", "golden.h5", "parity.json", "verify.py", "README.md", "SHA256SUMS"),
    *("weights.safetensors", "config.yaml", "spec.json"),
}


def manifest(bundle):
    return json.loads((bundle / "manifest.json").read_text())


def test_files_and_their_hashes(bundle):
    assert {path.name for path in bundle.iterdir()} >= FILES
    listed = dict(reversed(line.split("  ")) for line in (bundle / "SHA256SUMS").read_text().splitlines())
    present = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert listed.keys() == present - {"SHA256SUMS"}
    for name, expected in listed.items():
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == expected
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in bundle.iterdir())


def test_the_graph_says_what_it_is_and_not_where_it_was_made(bundle):
    model = onnx.load(bundle / "model.onnx")
    described = manifest(bundle)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, [(one.domain, one.version) for one in model.opset_import]) == (8, [("", 18)])
    own = json.loads({one.key: one.value for one in model.metadata_props}["salt_like"])
    assert own["inputs"] == described["inputs"]
    assert own["outputs"] == described["outputs"]
    assert [one.name for one in model.graph.output] == [one["name"] for one in described["outputs"]]
    content = (bundle / "model.onnx").read_bytes()
    for trace in (b".py", b"stack_trace", b"site-packages", str(bundle.parent).encode()):
        assert trace not in content
    assert not any(one.external_data for one in model.graph.initializer)


def test_axes_say_what_they_count(bundle):
    model = onnx.load(bundle / "model.onnx")
    axes = {
        one.name: [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim]
        for one in (*model.graph.input, *model.graph.output)
    }
    described = manifest(bundle)
    assert axes == {one["name"]: one["shape"] for one in (*described["inputs"], *described["outputs"])}


def test_nothing_tells_of_this_machine(bundle):
    for name in ("manifest.json", "README.md", "parity.json", "config.yaml", "spec.json"):
        text = (bundle / name).read_text()
        assert str(bundle.parent) not in text, name


def test_the_manifest_describes_variables(bundle):
    run = load(bundle.parent / "run", device="cpu")
    (tracks,) = (one for one in manifest(bundle)["inputs"] if one["name"] == "tracks")
    stream = run.spec.stream("tracks")
    assert [one["name"] for one in tracks["variables"]] == [one.name for one in stream.variables]
    assert [one["largest"] for one in tracks["variables"]] == [one.high for one in stream.variables]
    assert tracks["mask"] == "tracks_valid"
    assert manifest(bundle)["tasks"]["flavour"]["class_fractions"].keys() == set(
        run.spec.label("jets", "flavour_label").classes
    )


def test_golden_jets_hold_the_edge_cases(bundle):
    with h5py.File(bundle / "golden.h5") as file:
        cases = [one.decode() for one in file["case"]]
        valid, jets = file["valid/tracks"][:], file["inputs/jets"][:]
        single, double = ({name: file[group][name][:] for name in file[group]} for group in ("float32", "float64"))
    assert cases.count("data") <= DRAWN
    counts = dict(zip(cases, valid.sum(1), strict=True))
    most = manifest(bundle)["inputs"][1]["most_in_training"]
    assert [counts[name] for name in ("no constituents", "one constituent", "as many as in training")] == [0, 1, most]
    assert counts["more than in training"] >= 100
    assert np.isnan(jets[cases.index("all NaN")]).all()
    gaps = valid[cases.index("empty slots between constituents")]
    assert (np.diff(gaps.astype(int)) > 0).any()
    assert single.keys() == double.keys() == {one["name"] for one in manifest(bundle)["outputs"]}
    for one in manifest(bundle)["outputs"]:
        ours, exact = single[one["name"]], double[one["name"]]
        if one["kind"] == "index":
            np.testing.assert_array_equal(ours, exact)
            continue
        assert exact.dtype == np.float64
        np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-4, equal_nan=True)
        assert (ours != exact).any(), "float64 was not computed in float64"


def test_golden_outputs_are_those_of_the_notebook(bundle):
    run = load(bundle.parent / "run", device="cpu")
    with h5py.File(bundle / "golden.h5") as file:
        drawn = np.array([one == b"data" for one in file["case"]])
        arrays = {
            name: {
                variable.name: file[f"inputs/{name}"][drawn][..., index]
                for index, variable in enumerate(run.spec.stream(name).variables)
            }
            for name in ("jets", "tracks")
        }
        arrays["tracks"]["valid"] = file["valid/tracks"][drawn]
        said = run.predict(arrays)
        np.testing.assert_allclose(said["jets"]["GN2_pb"], file["float32/GN2_pb"][drawn], atol=2e-6)
        np.testing.assert_array_equal(said["tracks"]["VertexIndex"], file["float32/tracks_VertexIndex"][drawn])
        light = said["jets"]["GN2_pu"] + 0.5 * said["jets"]["GN2_pc"]
        np.testing.assert_allclose(light, file["float32/GN2_plight"][drawn], atol=2e-6)


def test_weights_configuration_and_description_are_enough_to_build_the_tagger_again(bundle):
    config = yaml.safe_load((bundle / "config.yaml").read_text())
    spec = DataSpec.from_dict(json.loads((bundle / "spec.json").read_text()))
    rebuilt = checkpoint.build(config["name"], spec, config["model"]).tagger
    rebuilt.load_state_dict(load_file(bundle / "weights.safetensors"))
    original = load(bundle.parent / "run", device="cpu").tagger
    for name, value in original.state_dict().items():
        torch.testing.assert_close(rebuilt.state_dict()[name], value, rtol=0, atol=0, equal_nan=True)


def test_parity_is_kept(bundle):
    parity = json.loads((bundle / "parity.json").read_text())
    assert parity["passed"]
    assert parity["jets"] == 120
    assert parity["outputs"].keys() == {one["name"] for one in manifest(bundle)["outputs"]}
    assert parity["outputs"]["GN2_pb"]["largest"] < 1e-5


def test_model_card(bundle):
    card = (bundle / "README.md").read_text()
    for one in manifest(bundle)["outputs"]:
        assert f"`{one['name']}`" in card
    assert "python verify.py" in card
    assert "Not tested" in card


def test_athena_metadata(athena):
    model = onnx.load(athena / "model.onnx")
    config = json.loads({one.key: one.value for one in model.metadata_props}["gnn_config"])
    assert config["model_name"] == "GN2v1"
    assert config["onnx_model_version"] == "v1"
    assert config["output_names"] == [one.name for one in model.graph.output]
    assert [one["name"] for one in config["inputs"]] == ["jet_var"]
    assert [one["name"] for one in config["input_sequences"]] == ["tracks_r22loose_sd0sort"]
    assert config["inputs"][0]["variables"][0] == {"name": "pt", "offset": 0.0, "scale": 1.0}
    types = {one.name: one.type.tensor_type.elem_type for one in model.graph.output}
    assert types["GN2v1_VertexIndex"] == types["GN2v1_Origin"] == onnx.TensorProto.INT8
    shapes = {one.name: len(one.type.tensor_type.shape.dim) for one in model.graph.output}
    assert (shapes["GN2v1_pb"], shapes["GN2v1_Origin"]) == (0, 1)


def test_an_existing_folder_is_left_alone(bundle, capsys):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    assert dispatcher.main(["export", str(bundle.parent / "run"), "--out", str(bundle)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


@pytest.mark.parametrize("place", ["inside", "in/a/folder", "linked"])
def test_nothing_is_written_into_a_bundle(bundle, tmp_path, place, capsys):
    folder = bundles.copied(bundle, tmp_path / "bundle")
    (tmp_path / "link").symlink_to(folder)
    out = tmp_path / "link" / "new" if place == "linked" else folder / place
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert dispatcher.main(["export", str(bundle.parent / "run"), f"--out={out}"]) == 2
    message = capsys.readouterr().err
    assert f"nothing is written into a bundle: {out}\nthe bundle is {folder}" in message
    assert dispatcher.main(["deploy", str(bundle), str(out)]) == 2
    assert "nothing is written into a bundle" in capsys.readouterr().err
    assert dispatcher.main(["deploy", str(folder), str(folder)]) == 2
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert dispatcher.main(["export", str(bundle.parent / "run"), "--out="]) == 2
    assert "--out is empty" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_said_before_all_work(bundle, tmp_path, monkeypatch, capsys):
    def work(*_: object) -> None:
        raise AssertionError("the golden jets were made")

    monkeypatch.setattr("salt_like.export.bundle.make_golden", work)
    (tmp_path / "file").write_text("")
    data = f"--data={bundle.parent / 'jets.h5'}"
    for out in (tmp_path / "file" / "bundle", Path("/proc/nowhere/bundle")):
        assert dispatcher.main(["export", str(bundle.parent / "run"), data, f"--out={out}"]) == 2
        message = capsys.readouterr().err
        assert f"{out} cannot be written: " in message
        assert len(message.splitlines()) <= 5
    assert dispatcher.main(["export", str(bundle.parent / "run"), data, f"--out={tmp_path / 'a' / 'b' / 'c'}"]) == 1
    assert "the golden jets were made" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # no folder that was made for nothing


def test_latency_measured_with_the_export_is_part_of_the_bundle(tmp_path, single, capsys):
    given = ["export", str(single.parent / "run"), "--profile=single", f"--data={single.parent / 'jets.h5'}"]
    assert dispatcher.main([*given, f"--out={tmp_path / 'out'}", "--bench=0.3"]) == 0
    found = json.loads((tmp_path / "out/latency.json").read_text())
    assert {one["threads"] for one in found["points"]} >= {1}
    assert "| constituents | 1 jet at a time |" in (tmp_path / "out/README.md").read_text()
    assert dispatcher.main(["verify", str(tmp_path / "out")]) == 0
    assert "warning" not in capsys.readouterr().out
    assert dispatcher.main([*given, f"--out={tmp_path / 'other'}", "--bench=0"]) == 2
    assert "a positive number of seconds" in capsys.readouterr().err


def test_a_graph_that_disagrees_is_not_written(bundle, tmp_path, monkeypatch, capsys):
    from salt_like.export import bundle as written

    shutil.copytree(bundle.parent / "run", tmp_path / "run")
    shutil.copy(bundle.parent / "jets.h5", tmp_path / "jets.h5")
    original = written.to_onnx

    def swapped(graph, metadata):
        model = onnx.load_from_string(original(graph, metadata))
        names = {"GN2_pu": "GN2_pb", "GN2_pb": "GN2_pu"}
        for node in model.graph.node:
            node.output[:] = [names.get(one, one) for one in node.output]
            node.input[:] = [names.get(one, one) for one in node.input]
        return model.SerializeToString()

    monkeypatch.setattr(written, "to_onnx", swapped)
    with pytest.raises(Exception, match="does not agree.*\n.*GN2_pu, GN2_pb"):
        make_bundle(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "jets.h5"}


def test_a_bundle_that_does_not_pass_its_own_verification_is_not_written(bundle, tmp_path, monkeypatch):
    from salt_like.export import bundle as written

    shutil.copytree(bundle.parent / "run", tmp_path / "run")
    shutil.copy(bundle.parent / "jets.h5", tmp_path / "jets.h5")

    def shifted(tagger, interface, jets):
        golden = make_golden(tagger, interface, jets)
        return replace(golden, single={**golden.single, "GN2_pb": golden.single["GN2_pb"] + 0.1})

    make_golden = written.make_golden
    monkeypatch.setattr(written, "make_golden", shifted)
    with pytest.raises(Exception, match="does not pass its own verification, nothing is written\nGN2_pb: differs by 0"):
        make_bundle(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "jets.h5"}
