"""The file that lies in every bundle: what it reads, how it compares, where it runs, what it says."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from bundles import copied
from old_runtimes import RUNTIMES, install, verified
from onnx import TensorProto, helper

from salt_like.export import verify

FILE = Path(verify.__file__)
BLOCKED = {"torch", "onnx", "onnxscript", "salt_like", "lightning", "scipy", "torch_geometric", "safetensors", "yaml"}
ALONE = f"""
import runpy, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"no module named {{name}}", name=name)
sys.meta_path.insert(0, Nothing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        cwd="/",
    )


def test_every_bundle_has_this_file(bundle, single, athena):
    for folder in (bundle, single, athena):
        assert (folder / "verify.py").read_bytes() == FILE.read_bytes()


def test_it_needs_three_packages_and_python_from_2019():
    tree = ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 8))
    names = {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    tops = {name.split(".")[0] for name in names}
    assert tops - sys.stdlib_module_names == {"numpy", "h5py", "onnxruntime"}
    called = {
        one.func.attr for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
    }
    assert not called & {"removeprefix", "removesuffix", "bit_count", "is_relative_to", "pairwise"}
    assert "strict" not in {one.arg for one in ast.walk(tree) if isinstance(one, ast.keyword)}  # of zip: Python 3.10


@pytest.mark.parametrize("kind", ["bundle", "athena"])
def test_it_runs_where_the_project_is_not(kind, request, tmp_path):
    folder = copied(request.getfixturevalue(kind), tmp_path / "bundle")
    done = run(sys.executable, "-I", "-c", ALONE, folder / "verify.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("passed")
    assert done.stderr == ""
    (folder / "README.md").write_text("changed")
    done = run(sys.executable, "-I", "-c", ALONE, folder / "verify.py")
    assert done.returncode == 1
    assert "FAILED (files): README.md: was changed" in done.stdout


def test_a_package_that_is_missing(bundle):
    done = run(sys.executable, "-I", "-c", ALONE.replace("'torch'", "'h5py'"), bundle / "verify.py")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no module named h5py\ninstall what is needed: ")


def test_folders_that_are_no_bundles(tmp_path, capsys):
    assert verify.main([str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert verify.main([str(tmp_path)]) == 2
    assert "not a bundle" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        verify.main(["--jsno"])
    assert stop.value.code == 2


def test_without_an_argument_it_is_the_folder_of_the_file(bundle, tmp_path):
    done = run(sys.executable, bundle / "verify.py", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["bundle"] == str(bundle.resolve())


def test_numbers_for_programs(bundle, capsys):
    assert verify.main([str(bundle), "--json"]) == 0

    def never(name: str) -> None:
        raise AssertionError(name)

    result = json.loads(capsys.readouterr().out, parse_constant=never)
    assert result["passed"]
    assert result["failures"] == []
    assert result["files"]["listed"] == result["files"]["unchanged"] == len(list(bundle.iterdir())) - 1
    one = result["outputs"]["GN2_pb"]
    assert set(one["routes"]) == {"one by one", "batched", "one by one against batched"}
    assert one["worst"]["allowed"] > 1e-5
    assert one["worst"]["logarithm"] <= 1e-4
    assert one["from_float64"] < 1e-5
    assert "logarithm" not in result["outputs"]["GN2_Db"]["worst"]
    assert verify.plain({"a": [float("inf"), 1.5, float("nan")]}) == {"a": ["inf", 1.5, "nan"]}


def test_the_worst_difference_is_that_of_an_independent_computation(single):
    """Fed by hand, in the simplest way."""
    session = verify.onnxruntime.InferenceSession(str(single / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    largest = 0.0
    with h5py.File(single / "golden.h5") as file:
        for row in range(len(file["case"])):
            valid = file["valid/tracks"][row]
            said = session.run(
                None, {"jets": file["inputs/jets"][row : row + 1], "tracks": file["inputs/tracks"][row][valid]}
            )
            found = dict(zip(names, said, strict=True))["GN2_Db"]
            largest = max(largest, abs(float(found) - float(file["float32/GN2_Db"][row])))
    worst = verify.verify(single)["outputs"]["GN2_Db"]["worst"]
    assert 0 < worst["difference"] <= largest * 1.0001
    assert largest < 1e-3


REAL = {"kind": "value", "tolerance": {"absolute": 1e-5, "relative": 1e-2}}
PROBABILITY = {"kind": "probability", "tolerance": {"absolute": 1e-5, "relative": 1e-5, "logarithm": 1e-4}}
INDEX = {"kind": "index", "tolerance": {"absolute": 0.0, "relative": 0.0}}
NAN, INF = float("nan"), float("inf")


def difference(one, expected, values, dtype=np.float32):
    return verify.difference(one, np.array(expected, dtype), np.array(values, dtype))


def test_differences_of_numbers():
    found = difference(REAL, [1.0, 100.0, 5.0], [1.0, 100.5, 5.04])
    assert found["jet"] == 2  # 0.04 of 0.05 allowed, against 0.5 of 1
    assert found["difference"] == pytest.approx(0.04, rel=1e-4)
    assert found["allowed"] == pytest.approx(0.05001)
    assert found["passed"]
    assert not difference(REAL, [100.0], [101.1])["passed"]
    assert difference(REAL, [-100.0], [-100.9])["passed"]
    assert difference(REAL, [0.0], [9e-6])["passed"]
    assert not difference(REAL, [0.0], [1.1e-5])["passed"]


def test_differences_of_constituents_and_vectors():
    found = difference(REAL, [[1.0, NAN], [2.0, 3.0]], [[1.0, NAN], [2.0, 9.0]])
    assert (found["jet"], found["difference"], found["passed"]) == (1, 6.0, False)
    assert difference(REAL, np.zeros((3, 0)), np.zeros((3, 0)))["passed"]


@pytest.mark.parametrize(
    ("expected", "values"),
    [([1.0, NAN], [1.0, 2.0]), ([1.0, 2.0], [1.0, NAN]), ([1.0, INF], [1.0, 3.0]), ([1.0, 3.0], [1.0, INF])],
)
def test_something_in_place_of_nothing(expected, values):
    found = difference(REAL, expected, values)
    assert not found["passed"]
    assert found["jet"] == 1
    assert found["places"] == int(np.isnan(expected).any() or np.isnan(values).any())


def test_equal_infinities_are_equal():
    assert difference(REAL, [INF, -INF, NAN], [INF, -INF, NAN])["passed"]
    assert not difference(REAL, [INF], [-INF])["passed"]


def test_logarithms_of_probabilities():
    found = difference(PROBABILITY, [1e-7, 0.5], [1.0002e-7, 0.5])
    assert found["difference"] < found["allowed"]
    assert found["logarithm"] == pytest.approx(2e-4, rel=0.01)
    assert not found["passed"]
    assert difference(PROBABILITY, [1e-7], [1.00005e-7])["passed"]
    assert difference(PROBABILITY, [1e-31], [3e-31])["passed"]  # too small for it to matter
    for nothing in (0.0, -1e-9):  # the logarithm of which is far from any
        assert not difference(PROBABILITY, [1e-7], [nothing])["passed"]


def test_indices_are_equal_or_not():
    found = difference(INDEX, [[0, 1, -2], [0, 0, 1]], [[0, 1, -2], [0, 1, 0]], np.int32)
    assert (found["difference"], found["jet"], found["places"], found["passed"]) == (2, 1, 0, False)
    assert verify.describe(found) == "2 indices differ"
    assert difference(INDEX, [[0, -2]], [[0, 0]], np.int8)["places"] == 1
    assert difference(INDEX, [[0, -2]], [[0, -2]], np.int8)["passed"]


@pytest.mark.parametrize("kind", ["bundle", "single", "athena"])
def test_graphs_are_read_as_the_package_for_them_reads_them(kind, request):
    path = request.getfixturevalue(kind) / "model.onnx"
    model, found = onnx.load(path), verify.read_model(path.read_bytes())
    assert found.operators == Counter(node.op_type for node in model.graph.node)
    assert found.opsets == {one.domain: one.version for one in model.opset_import}
    assert found.ir_version == model.ir_version
    assert found.metadata == {one.key: one.value for one in model.metadata_props}
    assert (found.external, found.functions, found.domains) == ([], 0, {""})


def nested() -> onnx.ModelProto:
    """A graph in a graph, with an operator of its own, a weight elsewhere and a constant."""
    tensor = helper.make_tensor("far", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "elsewhere.bin"
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    other = helper.make_node("Strange", ["y"], ["z"], domain="my.domain")
    inner = helper.make_graph([constant, other], "inner", [], [helper.make_value_info("z", onnx.TypeProto())])
    node = helper.make_node("If", ["c"], ["out"], then_branch=inner, else_branch=inner)
    graph = helper.make_graph([node], "outer", [], [])
    function = helper.make_function("my.domain", "Strange", ["a"], ["b"], [], [helper.make_opsetid("", 18)])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("my.domain", 3)]
    return helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=8)


def test_what_lies_deep_in_a_graph_is_seen():
    found = verify.read_model(nested().SerializeToString())
    assert found.operators == {"If": 1, "Constant": 2, "Strange": 2}
    assert found.domains == {"", "my.domain"}
    assert found.opsets == {"": 18, "my.domain": 3}
    assert found.external == ["far", "far"]
    assert found.functions == 1


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 40, b"PK\x03\x04something", b"\x3a\x7fcut off"])
def test_what_is_no_graph(data):
    with pytest.raises(ValueError, match=r"protocol buffer|cut off|no operators"):
        verify.read_model(data)


def test_versions():
    version = verify._version
    assert version("1.9.2") < version("1.17.3") < version("1.20.1") <= version("1.20.1") < version("2.0")
    assert version("1.23.0.dev20250501") == version("1.23.0")


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "numpy"), RUNTIMES)
def test_old_runtimes(runtime, numpy, bundle, single, athena, tmp_path):
    packages = install(tmp_path / "packages", runtime, numpy)
    for folder in (bundle, single, athena):
        result = verified(folder, packages)
        assert (result["runtime"], result["failures"]) == (runtime, [])
