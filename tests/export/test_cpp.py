"""Bundles from C++: the check that lies in each of them, and the class that others copy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest
from bundles import copied
from onnx import TensorProto, helper

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror"]
LINE = re.compile(r"^(\S+) .* (ok|WRONG)$", re.MULTILINE)


class Tools:
    """Compiler, headers and library of onnxruntime.

    Args:
        folder: Where programs are put, and a link by whose name the loader finds the library.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))), None)
        places = [Path(sys.prefix, "include"), Path("/usr/include"), Path("/usr/local/include")]
        given = os.environ.get("ONNXRUNTIME_INCLUDE")
        headers = [Path(given)] if given else [place / "onnxruntime" for place in places]
        self.headers = next((one for one in headers if (one / "onnxruntime_c_api.h").exists()), None)
        given = os.environ.get("ONNXRUNTIME_LIBRARY")
        shipped = sorted(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
        self.library = Path(given) if given else next(iter(shipped), None)

    def missing(self) -> str | None:
        """Why nothing can be compiled, `None` if it can."""
        if sys.platform != "linux":
            return "the library of the Python package is found like this on Linux only"
        if self.compiler is None:
            return "no C++ compiler"
        if self.headers is None:
            return "no headers of onnxruntime: `make cpp-headers`, or set ONNXRUNTIME_INCLUDE"
        if self.library is None:
            return f"onnxruntime {onnxruntime.__version__} of Python ships no library: set ONNXRUNTIME_LIBRARY"
        return None

    def program(self, source: Path, bundle: Path, name: str) -> Path:
        """Compile a source, with the class of a bundle, as the documentation says."""
        link = self.folder / "libonnxruntime.so.1"
        if not link.exists():
            link.symlink_to(self.library)
        made = self.folder / name
        options = ["-std=c++17", "-O1", "-pthread", *WARNINGS, f"-I{self.headers}", f"-I{bundle}"]
        link_options = [str(self.library), f"-Wl,-rpath,{self.folder}"]
        subprocess.run([self.compiler, *options, str(source), *link_options, "-o", str(made)], check=True, timeout=300)
        return made


def said(program: Path, *arguments: object, code: int = 0, **environment: str) -> str:
    """What a program says, all of it."""
    done = subprocess.run(
        [program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def verdicts(text: str) -> dict[str, str]:
    return dict(LINE.findall(text))


@pytest.fixture(scope="session")
def tools(tmp_path_factory) -> Tools:
    found = Tools(tmp_path_factory.mktemp("cpp"))
    if reason := found.missing():
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def check(tools, bundle) -> Path:
    return tools.program(bundle / "check.cpp", bundle, "check")


@pytest.fixture(scope="session")
def driver(tools, bundle) -> Path:
    return tools.program(HERE / "cpp" / "driver.cpp", bundle, "driver")


@pytest.mark.parametrize("profile", ["bundle", "single", "athena"])
def test_the_golden_jets_are_replayed(check, profile, request):
    folder = request.getfixturevalue(profile)
    text = said(check, folder)
    names = [one.name for one in onnx.load(folder / "model.onnx").graph.output]
    assert verdicts(text) == dict.fromkeys(names, "ok")
    with h5py.File(folder / "golden.h5") as file:
        assert f"onnxruntime {onnxruntime.__version__}, {len(file['case'])} golden jets" in text
    assert ("together" in text) == (profile == "bundle")
    assert text.endswith("passed\n")
    assert max(float(share) for share in re.findall(r"(\S+) %", text)) < 50


def change_number(bundle: Path, output: str, case: str, change) -> None:
    """Change the first number of an output of the golden jet of a kind."""
    lines = (bundle / "golden.txt").read_text().splitlines()
    at = lines.index(next(line for line in lines if line.startswith("outputs ")))
    names = [line.split(maxsplit=6)[6] for line in lines[at + 1 : at + 1 + int(lines[at].split()[1])]]
    jet = lines.index(f"jet {case}")
    start = jet + 2 + sum(map(int, lines[jet + 1].split()))  # one line for each row of an input and for each output
    numbers = lines[start + names.index(output)].split()
    numbers[0] = change(numbers[0])
    lines[start + names.index(output)] = " ".join(numbers)
    (bundle / "golden.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("output", "change"),
    [
        ("GN2_pb", lambda value: str(float(value) + 5e-5)),
        ("GN2_pb", lambda _: "nan"),
        ("tracks_GN2_ppileup", lambda value: str(float(value) * 1.001)),
        ("tracks_VertexIndex", lambda value: str(int(value) + 1)),
        ("GN2_embedding", lambda value: str(float(value) + 1e-3)),
    ],
)
def test_one_wrong_number_fails_and_is_named(check, bundle, tmp_path, output, change):
    copy = copied(bundle, tmp_path / "copy")
    change_number(copy, output, "as many as in training", change)
    text = said(check, copy, code=1)
    found = verdicts(text)
    assert [name for name, verdict in found.items() if verdict == "WRONG"] == [output]
    assert len(found) == len(onnx.load(bundle / "model.onnx").graph.output)
    assert re.search(r"  2 numbers beyond the tolerance; jet \d+ \(as many as in training\): found \S+, expected", text)
    assert text.endswith("FAILED\n")


def test_a_small_change_of_a_small_probability_is_seen_in_its_logarithm(check, bundle, tmp_path):
    copy = copied(bundle, tmp_path / "copy")
    change_number(copy, "GN2_pb", "no constituents", lambda value: str(float(value) * (1 + 2e-4)))
    said(check, copy, code=1)
    copy = copied(bundle, tmp_path / "other")
    change_number(copy, "GN2_pb", "no constituents", lambda value: str(float(value) * (1 + 2e-6)))
    said(check, copy)


@pytest.mark.parametrize("profile", ["bundle", "single", "athena"])
def test_two_outputs_that_are_swapped_are_named(check, profile, tmp_path, request):
    copy = copied(request.getfixturevalue(profile), tmp_path / "copy")
    model = onnx.load(copy / "model.onnx")
    other = {"GN2_pb": "GN2_pc", "GN2_pc": "GN2_pb"}
    if profile == "athena":
        other = {"GN2v1_pb": "GN2v1_pc", "GN2v1_pc": "GN2v1_pb"}
    for node in model.graph.node:
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                values[place] = other.get(name, name)
    onnx.save(model, copy / "model.onnx")
    found = verdicts(said(check, copy, code=1))
    assert {name for name, verdict in found.items() if verdict == "WRONG"} == set(other)


def test_names_that_are_missing_or_unknown_are_said(check, bundle, tmp_path):
    copy = copied(bundle, tmp_path / "copy")
    model = onnx.load(copy / "model.onnx")
    old = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Identity", [old], ["other"]))
    model.graph.output[0].name = "other"
    onnx.save(model, copy / "model.onnx")
    text = said(check, copy, code=1)
    assert "the graph has output 'other' of numbers, the golden jets have not" in text
    assert f"the golden jets have output '{old}' of numbers, the graph has not" in text


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda bundle: (bundle / "golden.txt").unlink(), "cannot read .*golden.txt"),
        (lambda bundle: (bundle / "golden.txt").write_text("something\n"), "has unknown format: something"),
        (lambda bundle: os.truncate(bundle / "golden.txt", 5000), "golden.txt"),
        (lambda bundle: (bundle / "model.onnx").unlink(), "onnxruntime: .*model.onnx"),
        (lambda bundle: os.truncate(bundle / "model.onnx", 5000), "onnxruntime: "),
    ],
)
def test_damaged_files_are_said(check, bundle, tmp_path, damage, expected):
    copy = copied(bundle, tmp_path / "copy")
    damage(copy)
    text = said(check, copy, code=1)
    assert re.search(expected, text)
    assert text.endswith("FAILED\n")


def test_built_with_cmake_one_program_starts_with_any_library(tools, single, tmp_path):
    if not shutil.which("cmake") or not shutil.which("ctest"):
        pytest.skip("no cmake")
    copy, build = copied(single, tmp_path / "copy"), tmp_path / "build"
    where = [f"-DONNXRUNTIME_INCLUDE={tools.headers}", f"-DONNXRUNTIME_LIBRARY={tools.library}"]
    subprocess.run(["cmake", "-S", copy, "-B", build, *where], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", build], check=True, stdout=subprocess.DEVNULL)
    assert b"VERS_" not in (build / "check").read_bytes()  # the symbols of one version of onnxruntime
    said(Path(shutil.which("ctest")), "--test-dir", build)
    change_number(copy, "GN2_Db", "no constituents", lambda value: str(float(value) + 0.1))
    assert verdicts(said(build / "check", copy, code=1))["GN2_Db"] == "WRONG"
    done = subprocess.run(["cmake", "-S", copy, "-B", tmp_path / "none", "-DONNXRUNTIME_INCLUDE="], capture_output=True)
    assert done.returncode
    assert b"-DONNXRUNTIME_LIBRARY=FILE" in done.stderr.replace(b"\n  ", b" ")


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.20.1", "1.22.1"])
def test_the_same_program_on_an_older_library(tools, bundle, tmp_path, version):
    options = ["--no-deps", "--target", tmp_path / "old", f"onnxruntime=={version}"]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *options], check=True)
    source = tmp_path / "empty.cpp"
    source.write_text('extern "C" const void* OrtGetApiBase() { return nullptr; }\n')
    empty = tmp_path / "libonnxruntime.so"
    shared = ["-shared", "-fPIC", "-Wl,-soname,libonnxruntime.so.1", "-o", empty]
    subprocess.run([tools.compiler, source, *shared], check=True)
    tools.library, present = empty, tools.library
    try:
        program = tools.program(bundle / "check.cpp", bundle, "check_any")
    finally:
        tools.library = present
    (tmp_path / "libonnxruntime.so.1").symlink_to(next((tmp_path / "old").glob("onnxruntime/capi/libonnxruntime.so.*")))
    assert f"onnxruntime {version}," in said(program, bundle, LD_LIBRARY_PATH=str(tmp_path))


@pytest.fixture(scope="session")
def graph(tmp_path_factory) -> Path:
    """A graph for many jets with two streams of constituents, whose inputs are in an unusual order."""

    def value(name, kind, *axes):
        return helper.make_tensor_value_info(name, kind, axes)

    real = TensorProto.FLOAT
    nodes = [
        helper.make_node("Constant", [], ["zero"], value_int=0),
        helper.make_node("Constant", [], ["one"], value_ints=[1]),
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("Gather", ["tracks", "zero"], ["first"], axis=2),
        helper.make_node("Mul", ["first", "two"], ["tracks_twice"]),
        helper.make_node("Not", ["tracks_valid"], ["padding"]),
        helper.make_node("Cast", ["padding"], ["padding_number"], to=real),
        helper.make_node("ReduceSum", ["padding_number", "one"], ["padded"], keepdims=0),
        helper.make_node("Cast", ["flows_valid"], ["there"], to=real),
        helper.make_node("ReduceSum", ["there", "one"], ["flows_number"], keepdims=0),
        helper.make_node("Gather", ["flows", "zero"], ["flow"], axis=2),
        helper.make_node("Cast", ["flow"], ["flows_index"], to=TensorProto.INT8),
        helper.make_node("Identity", ["jets"], ["vector"]),
    ]
    made = helper.make_graph(
        nodes,
        "made",
        [
            value("flows_valid", TensorProto.BOOL, "jets", "flows"),
            value("tracks", real, "jets", "tracks", 3),
            value("jets", real, "jets", 2),
            value("flows", real, "jets", "flows", 1),
            value("tracks_valid", TensorProto.BOOL, "jets", "tracks"),
        ],
        [
            value("vector", real, "jets", 2),
            value("flows_index", TensorProto.INT8, "jets", "flows"),
            value("tracks_twice", real, "jets", "tracks"),
            value("padded", real, "jets"),
            value("flows_number", real, "jets"),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {"salt_like": '{"profile": "batched"}', "color": "red"})
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    onnx.save(model, path)
    return path


def test_padding_masks_and_several_streams(driver, graph):
    assert said(driver, "jets", graph).splitlines() == [
        "flows_index | | 7 | | 7 7",
        "flows_number | 0 | 1 | 0 | 2",
        "padded | 1 | 3 | 3 | 0",
        "tracks_twice | 2 4 | | | 2 4 6",
        "vector | 2 0.5 | 0 0.5 | 0 0.5 | 3 0.5",
        "alone",
        "flows_index |",
        "flows_number | 0",
        "padded | 0",
        "tracks_twice |",
        "vector | 0 0.5",
        "no jets",
        *("flows_index", "flows_number", "padded", "tracks_twice", "vector"),
        *("tracks 3 1", "jets 2 0", "flows 1 1"),
        *("vector 0 ''", "flows_index 1 'flows'", "tracks_twice 0 'tracks'", "padded 0 ''", "flows_number 0 ''"),
        "1 red",
    ]


def test_wrong_jets_are_refused_with_a_sentence(driver, graph):
    assert said(driver, "errors", graph).splitlines() == [
        "invalid_argument: input 'flows' is missing; a jet without any has an empty one",
        "invalid_argument: input 'jets' is missing",
        "invalid_argument: the graph has no input 'trakcs'; it has: tracks, jets, flows",
        "invalid_argument: input 'tracks' has 3 variables, given were 2",
        "invalid_argument: input 'tracks' takes rows of 3 numbers, given were 4 numbers",
        "invalid_argument: input 'jets' takes one row of 2 numbers, given were 4 numbers",
        "invalid_argument: input 'jets' has 2 variables, given were 0",
        "invalid_argument: input 'tracks' is missing; a jet without any has an empty one",
        "out_of_range: jet 0 has no number 2",
    ]


def test_four_threads_on_one_session(driver, graph):
    assert said(driver, "threads", graph) == "equal\n"


def test_graphs_and_libraries_that_do_not_fit(driver, graph, tmp_path):
    text = said(driver, "old", graph)
    assert text == "asked for 17\nruntime_error: onnxruntime 1.16.3 is too old, needed is 1.17 or newer\n"
    model = onnx.load(graph)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    text = said(driver, "open", tmp_path / "foreign.onnx")
    assert "foreign.onnx is not the graph of a bundle: no metadata" in text
    assert said(driver, "open", graph) == "no error\n"


def test_the_example_of_the_documentation(tools, bundle, tmp_path):
    page = (ROOT / "docs" / "cpp.md").read_text(encoding="utf-8")
    (tmp_path / "example.cpp").write_text(re.search(r"```cpp[^\n]*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1])
    text = said(tools.program(tmp_path / "example.cpp", bundle, "example"), bundle / "model.onnx")
    session = onnxruntime.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    tracks = np.array([[[0.1, 20000, 9], [0.2, 10000, 8]], [[0, 0, 0]] * 2], np.float32)
    valid = np.array([[True, True], [False, False]])
    feeds = {"jets": np.array([[45000, 0.3]] * 2, np.float32), "tracks": tracks, "tracks_valid": valid}
    pb, vertices = session.run(["GN2_pb", "tracks_VertexIndex"], feeds)
    assert text.splitlines() == [
        f"pb {pb[0]:.6g}",
        *(f"vertex {index}" for index in vertices[0]),
        f"pb {pb[1]:.6g}",
    ]
