"""Bundles served by a real Triton server and asked with its own client: `make test-serving`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from bundles import copied
from onnx import numpy_helper
from serving.server import Server, python, why_not

from salt_like.export.bundle import write_sums
from salt_like.export.copying import read_checked
from salt_like.export.store import make_store

REASON = why_not()
pytestmark = [pytest.mark.serving, pytest.mark.skipif(bool(REASON), reason=REASON)]
MODELS = {"batched": "many", "single": "one", "athena": "atlas"}


class Golden:
    """Golden jets of a bundle as requests, and as what must be answered.

    Args:
        bundle: The bundle.
    """

    def __init__(self, bundle: Path) -> None:
        self.manifest = json.loads((bundle / "manifest.json").read_text())
        self.outputs = {one["name"]: one for one in self.manifest["outputs"]}
        self.batched = self.manifest["profile"] == "batched"
        with h5py.File(bundle / "golden.h5") as file:
            self.inputs = {name: values[:] for name, values in file["inputs"].items()}
            self.valid = {name: values[:] for name, values in file["valid"].items()}
            self.expected = {name: values[:] for name, values in file["float32"].items()}
            self.cases = file["case"].asstr()[:]
        self.counts = {name: values.sum(1) for name, values in self.valid.items()}
        self.last = {name: np.where(v.any(1), v.shape[1] - v[:, ::-1].argmax(1), 0) for name, v in self.valid.items()}

    def __len__(self) -> int:
        return len(self.cases)

    def request(self, jets: np.ndarray | list[int]) -> dict[str, np.ndarray]:
        """Some jets, padded to the longest of them; of the profiles for one jet that one, without padding."""
        jets = np.asarray(jets)
        found = {}
        for one in self.manifest["inputs"]:
            stream = one["stream"]
            if stream not in self.valid:
                found[one["name"]] = self.inputs[stream][jets]
            elif not self.batched:
                found[one["name"]] = self.inputs[stream][jets[0]][self.valid[stream][jets[0]]]
            else:
                values = self.valid[stream] if one["dtype"] == "bool" else self.inputs[stream]
                found[one["name"]] = np.ascontiguousarray(values[jets, : self.last[stream][jets].max()])
        return found

    def check(self, answered: dict[str, np.ndarray], jets: np.ndarray | list[int]) -> None:
        """Compare what was answered with the golden outputs, within the manifest's tolerance."""
        jets = np.asarray(jets)
        assert set(answered) == set(self.outputs) | {"version"}
        for name, one in self.outputs.items():
            stream, expected = one["stream"], self.expected[name][jets]
            if stream in self.valid and self.batched:
                expected = expected[:, : self.last[stream][jets].max()]
            elif stream in self.valid:
                expected = expected[0][self.valid[stream][jets[0]]]
            elif self.batched and expected.ndim == 1:  # Triton has an axis for what has none
                expected = expected[:, None]
            found = answered[name]
            assert found.dtype == one["dtype"], name
            assert found.shape == expected.shape, name
            tolerance = one["tolerance"]["absolute"] + one["tolerance"]["relative"] * np.abs(expected)
            close = (np.abs(found - expected) <= tolerance) | (np.isnan(found) & np.isnan(expected))
            assert close.all(), f"{name}: {np.abs(found - expected).max()}"


@pytest.fixture(scope="module")
def golden(bundle, single, athena):
    return {profile: Golden(folder) for profile, folder in zip(MODELS, (bundle, single, athena), strict=True)}


@pytest.fixture(scope="module")
def store(bundle, single, athena, tmp_path_factory):
    """All profiles, and a second version of the first with slightly other weights."""
    folder = tmp_path_factory.mktemp("serving")
    store = make_store(folder / "models", "triton")
    for name, path in zip(MODELS.values(), (bundle, single, athena), strict=True):
        store.put(read_checked(path), name, aliases=["production"])
    other = copied(bundle, folder / "other")
    graph = onnx.load(other / "model.onnx")
    for tensor in graph.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
            tensor.CopyFrom(numpy_helper.from_array(1.01 * numpy_helper.to_array(tensor), tensor.name))
    onnx.save(graph, other / "model.onnx")
    write_sums(other)
    store.put(read_checked(other), "many")
    return store


@pytest.fixture(scope="module")
def server(store, tmp_path_factory):
    with Server(store.folder, tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


def ask(server, folder, model, requests, version=""):
    """Answers by protocol and case; both protocols must have answered alike, to the last bit."""
    arrays = {
        f"{case}|{model}|{version}|{name}": values
        for case, inputs in requests.items()
        for name, values in inputs.items()
    }
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for key, values in server.ask(arrays, folder).items():
        protocol, case, name = key.split("|")
        found.setdefault(protocol, {}).setdefault(case, {})[name] = values
    assert set(found["grpc"]) == set(requests)
    for case, answered in found.get("http", {}).items():
        for name, values in answered.items():
            np.testing.assert_array_equal(found["grpc"][case][name], values, strict=True)
    return found["grpc"]


def test_all_models_versions_and_aliases_are_ready(server):
    ready = {(one["name"], one["version"]) for one in server.get("repository/index", post=True)}
    aliases = {(f"{model}.{alias}", "1") for model in MODELS.values() for alias in ("latest", "production")}
    expected = aliases - {("many.latest", "1")} | {("many.latest", "2"), ("many", "2")}
    assert ready == expected | {(model, "1") for model in MODELS.values()}


@pytest.mark.parametrize("profile", MODELS)
def test_the_server_describes_what_the_manifest_describes(server, golden, profile):
    said = server.get(f"models/{MODELS[profile]}")
    manifest = golden[profile].manifest
    assert [one["name"] for one in said["inputs"]] == [one["name"] for one in manifest["inputs"]]
    assert [one["name"] for one in said["outputs"]] == [one["name"] for one in manifest["outputs"]]
    config = server.get(f"models/{MODELS[profile]}/config")
    assert config["max_batch_size"] == (256 if profile == "batched" else 0)
    assert ("dynamic_batching" in config) == (profile == "batched")


def test_golden_jets_in_batches(server, golden, tmp_path):
    one = golden["batched"]
    chunks = np.array_split(np.random.default_rng(1).permutation(len(one)), 5)
    requests = {f"chunk{number}": one.request(jets) for number, jets in enumerate(chunks)}
    answers = ask(server, tmp_path / "asked", "many.production", requests)
    for number, jets in enumerate(chunks):
        one.check(answers[f"chunk{number}"], jets)
        assert answers[f"chunk{number}"]["version"] == 1


def test_jets_without_constituents(server, golden, tmp_path):
    """No slots at all, for one jet and for several; and empty slots, beside other jets."""
    one = golden["batched"]
    empty = int(np.flatnonzero(one.cases == "no constituents")[0])
    cases = {"one": [empty], "several": [empty] * 3, "beside": [empty, 0, empty, 1]}
    requests = {case: one.request(jets) for case, jets in cases.items()}
    stream = next(iter(one.valid))
    assert requests["several"][stream].shape[:2] == (3, 0)
    answers = ask(server, tmp_path / "asked", "many.production", requests)
    for case, jets in cases.items():
        one.check(answers[case], jets)


@pytest.mark.parametrize("profile", ["single", "athena"])
def test_golden_jets_one_by_one(server, golden, tmp_path, profile):
    one = golden[profile]
    special = np.flatnonzero(one.cases != "data")
    assert min(count[special].min() for count in one.counts.values()) == 0
    jets = [*range(20), *special]
    requests = {f"jet{jet}": one.request([jet]) for jet in jets}
    answers = ask(server, tmp_path / "asked", f"{MODELS[profile]}.production", requests)
    for jet in jets:
        one.check(answers[f"jet{jet}"], [jet])


def test_requests_that_wait_are_put_together(server, golden, tmp_path):
    """Requests with equally many slots become one batch, and each gets its own answer."""
    one = golden["batched"]
    stream = next(iter(one.valid))
    length = int(np.median(one.last[stream]))
    jets = [jet for jet in range(len(one)) if one.last[stream][jet] <= length][:100]
    other = next(jet for jet in jets if one.last[stream][jet] == length)
    before = server.get("models/many.production/stats")["model_stats"][0]
    requests = {f"together{jet}": one.request([jet, other]) for jet in jets}
    answers = ask(server, tmp_path / "asked", "many.production", requests)
    for jet in jets:
        one.check(answers[f"together{jet}"], [jet, other])
    after = server.get("models/many.production/stats")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 2 * len(jets)
    assert after["execution_count"] - before["execution_count"] < len(jets)


def test_an_alias_moves_and_moves_back_under_a_running_server(server, store, golden, tmp_path):
    one = golden["batched"]
    jets = [0, 1, 2]

    def answered(case, model, version=""):
        return ask(server, tmp_path / case, model, {case: one.request(jets)}, version)[case]

    newest = answered("newest", "many")  # without a version: the largest number
    assert newest["version"] == 2
    with pytest.raises(AssertionError):
        one.check(newest, jets)
    one.check(answered("pinned", "many", "1"), jets)
    one.check(answered("before", "many.production"), jets)
    store.move("many", "production", "latest")
    server.get("repository/models/many.production/load", post=True)
    moved = answered("moved", "many.production")
    assert moved["version"] == 2
    for name, values in moved.items():
        np.testing.assert_array_equal(values, newest[name])
    store.move("many", "production", "1")
    server.get("repository/models/many.production/load", post=True)
    back = answered("back", "many.production")
    assert back["version"] == 1
    one.check(back, jets)


def test_the_client_of_the_documentation(server, golden, tmp_path):
    one = golden["batched"]
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    (code,) = re.findall(r'^```python title="ask_triton.py"\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    (tmp_path / "ask_triton.py").write_text(code)
    jets = [int(np.flatnonzero(one.cases == "no constituents")[0]), *range(10)]
    (stream,) = one.valid
    slots = int(one.last[stream][jets].max())
    tracks = [one.inputs[stream][jet][one.valid[stream][jet]] for jet in jets]
    np.savez(
        tmp_path / "jets.npz", jets=one.inputs["jets"][jets], **{f"t{n}": values for n, values in enumerate(tracks)}
    )
    (tmp_path / "call.py").write_text(
        f"import numpy as np, ask_triton\nfile = np.load({str(tmp_path / 'jets.npz')!r})\n"
        f"tracks = [file[f't{{number}}'] for number in range({len(jets)})]\n"
        f"said = ask_triton.ask('127.0.0.1:{server.grpc}', 'many.production', file['jets'], {slots}, {stream}=tracks)\n"
        f"np.savez({str(tmp_path / 'said.npz')!r}, version=1, **said)\n"
    )
    python(tmp_path / "call.py")
    with np.load(tmp_path / "said.npz") as said:
        one.check(dict(said), jets)


def test_the_stand_in_refuses_what_the_real_backend_refuses(store, tmp_path):
    """A shape, a type or a name that is not that of the graph: otherwise these tests would prove little."""
    models = tmp_path / "models"
    source = (store.folder / "many" / "config.pbtxt").read_text()
    first = next(line for line in source.splitlines() if line.startswith("output"))
    name = first.split('"')[1]
    changes = {
        "shape": (first, first.replace("reshape { shape: [ ] }", "")),
        "type": (first, first.replace("TYPE_FP32", "TYPE_INT32")),
        "name": (first, first.replace(name, f"{name}x")),
    }
    for kind, (old, new) in changes.items():
        folder = models / kind
        folder.mkdir(parents=True)
        (folder / "1").symlink_to(store.folder / "many" / "1")
        text = source.replace('name: "many"', f'name: "{kind}"').replace("versions: [ 1, 2 ]", "versions: [ 1 ]")
        (folder / "config.pbtxt").write_text(text.replace(old, new))
    with pytest.raises(RuntimeError) as caught, Server(models, tmp_path / "log.txt"):
        pass
    log = (tmp_path / "log.txt").read_text()
    assert f"output '{name}' has shape [-1] in the model, the configuration says [1]" in log
    assert f"output '{name}' is tensor(float), configuration says TYPE_INT32" in log
    assert f"unexpected output '{name}x'" in log
    assert "the server does not start" in str(caught.value)
