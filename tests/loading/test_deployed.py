"""Two routes to the same numbers: a run by torch, and the bundle that was made of it by onnxruntime."""

from __future__ import annotations

from pathlib import Path

import field_files
import h5py
import numpy as np
import pytest
import torch
from field_files import make_arrays, write

import salt_like
from salt_like.cli.main import main
from salt_like.data.collate import collate
from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.evaluation.evaluate import evaluate
from salt_like.loading import Options, SamplePredictor, load_run
from salt_like.loading.deployed import PAIRS, DeployedTagger, _sizes
from salt_like.spec import Output

EXTRAS = {"GN2_plight", "GN2_embedding"}
PRIOR = "{pileup: 0.1, fake: 0.1, primary: 0.2, fromB: 0.1, fromBC: 0.1, fromC: 0.1, fromTau: 0.1, otherSecondary: 0.2}"


@pytest.fixture
def cases(bundle: Path, single: Path, cut: Path) -> dict[str, Path]:
    return {"batched": bundle, "single": single, "cut batched": cut / "batched", "cut single": cut / "single"}


@pytest.fixture
def jets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with jets without tracks, with more of them than the training file can hold, and with default values."""
    monkeypatch.setattr(field_files, "CAPACITY", 15)
    arrays = make_arrays(400, seed=11)
    counts = arrays["tracks"]["valid"].sum(1)
    assert counts.min() == 0
    assert counts.max() == 15
    arrays["tracks"]["d0"][5:50, 0] = -99
    return write(tmp_path / "test.h5", arrays)


def equal(ours: np.ndarray, theirs: np.ndarray, but: set[str] = frozenset()) -> None:
    """The same fields in order, copied ones byte for byte, indices equal, real ones within 1e-5."""
    assert [name for name in ours.dtype.names if name not in but] == list(theirs.dtype.names)
    for name in theirs.dtype.names:
        assert ours.dtype[name] == theirs.dtype[name], name
        if name.startswith("GN2_"):
            np.testing.assert_allclose(ours[name], theirs[name], 1e-5, 1e-5, err_msg=name)
            assert theirs[name].dtype.kind == "f"
        else:
            assert ours[name].tobytes() == theirs[name].tobytes(), name


@pytest.mark.parametrize("case", ["batched", "single", "cut batched", "cut single"])
def test_the_prediction_file_is_that_of_the_run(case: str, cases: dict[str, Path], jets: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "a" / "out.h5", tmp_path / "b" / "out.h5"
    for path in (ours, theirs):
        path.parent.mkdir()
    given = ["--data", str(jets), "--extra", "jets=mass", "--extra", "tracks=hits,d0", "--salt_mask"]
    prior = ["--prior", f"origin={PRIOR}"] if "cut" in case else []
    bundle = cases[case]
    assert main(["predict", str(bundle), *given, "--out", str(ours)]) == 0
    assert main(["predict", str(bundle.parent / "run"), *given, *prior, "--out", str(theirs)]) == 0
    with h5py.File(ours) as one, h5py.File(theirs) as other:
        assert list(one) == list(other)
        equal(one["jets"][:], other["jets"][:], EXTRAS)
        equal(one["tracks"][:], other["tracks"][:])
        jets_seen, valid = len(one["jets"]), one["tracks"]["valid"]
        assert (one["tracks"]["VertexIndex"][~valid] == -2).all()
        assert (one["tracks"]["VertexIndex"][valid] >= 0).all()
        assert valid.sum(1).max() == (3 if "cut" in case else 15)
        assert jets_seen < 400 if "cut" in case else jets_seen == 400
        assert one.attrs["checkpoint"] == str(bundle)
        for name in set(other.attrs) - {"checkpoint"}:
            np.testing.assert_equal(one.attrs[name], other.attrs[name], err_msg=name)
        for stream in other:
            for name, value in other[stream].attrs.items():
                np.testing.assert_equal(one[stream].attrs[name], value, err_msg=name)


@pytest.mark.parametrize("case", ["batched", "single", "cut batched", "cut single"])
def test_notebooks_get_what_the_run_says(case: str, cases: dict[str, Path], jets: Path) -> None:
    with h5py.File(jets) as file:
        arrays = {"jets": file["jets"][:], "tracks": file["tracks"][:]}
    tagger = salt_like.load(str(cases[case]))
    run = load_run(cases[case].parent / "run", prior=_prior() if "cut" in case else None)
    same(tagger.predict(arrays), run.predict(arrays))
    order = np.random.default_rng(0).permutation(400)
    slots = np.random.default_rng(1).permutation(15)
    some = {"jets": arrays["jets"][order][:77], "tracks": arrays["tracks"][order][:77][:, slots]}
    bare = {name: {field: one[field] for field in one.dtype.names} for name, one in some.items()}
    same(tagger.predict(bare, batch_size=7), run.predict(some))
    none = {name: one[:0] for name, one in arrays.items()}
    same(tagger.predict(none), run.predict(none))
    arrays["tracks"]["valid"] = False
    empty = tagger.predict(arrays)
    same(empty, run.predict(arrays))
    assert np.isfinite(empty["jets"]["GN2_pb"]).all()
    assert empty["tracks"]["VertexIndex"].dtype == np.int32
    assert tagger.inputs == run.inputs == {"jets": ("pt", "eta"), "tracks": ("d0", "pt", "hits")}
    assert tagger.spec.labels == run.spec.labels
    assert tagger.tasks == run.tasks
    assert [one for one in tagger.outputs if one.column("GN2") not in EXTRAS] == list(run.outputs)


def same(ours: dict, theirs: dict) -> None:
    for stream, columns in theirs.items():
        assert [name for name in ours[stream] if name not in EXTRAS] == list(columns)
        for name, values in columns.items():
            assert ours[stream][name].dtype == values.dtype, name
            if values.dtype.kind == "f":
                np.testing.assert_allclose(ours[stream][name], values, 1e-5, 1e-5, err_msg=name)
            else:
                np.testing.assert_array_equal(ours[stream][name], values, err_msg=name)
    assert list(ours) == list(theirs)


def _prior() -> dict[str, dict[str, float]]:
    pairs = (one.split(": ") for one in PRIOR.strip("{}").split(", "))
    return {"origin": {name: float(value) for name, value in pairs}}


def test_what_only_the_export_knows_are_columns_too(bundle: Path) -> None:
    arrays = make_arrays(30)
    tagger, run = salt_like.load(bundle), load_run(bundle.parent / "run", device="cpu")
    found, said = tagger.predict(arrays)["jets"], run.predict(arrays)["jets"]
    np.testing.assert_allclose(found["GN2_plight"], said["GN2_pu"] + 0.5 * said["GN2_pc"], 1e-5)
    (columns,) = Sample("arrays", arrays, run.spec, labels=False).chunks()
    with torch.inference_mode():
        _, pooled = run.tagger.encode(collate(columns, run.spec))
    np.testing.assert_allclose(found["GN2_embedding"], pooled.numpy(), 1e-5, 1e-5)
    assert pooled.shape[1] > 1
    assert Output("jets", "embedding", "embedding") in tagger.outputs
    assert repr(tagger).startswith(f"DeployedTagger 'GN2' from {bundle} on cpu\n  inputs:  jets: pt, eta; tracks: d0")


def test_columns_of_vectors_are_in_the_file(bundle: Path, jets: Path, tmp_path: Path) -> None:
    tagger = DeployedTagger(bundle)
    sample = Sample("test", [jets], tagger.spec, labels=False)
    SamplePredictor(tagger, sample, Options(precision="float16")).write(tmp_path / "out.h5")
    with h5py.File(jets) as file, h5py.File(tmp_path / "out.h5") as written:
        arrays = {"jets": file["jets"][:], "tracks": file["tracks"][:]}
        expected = tagger.predict(arrays)["jets"]
        np.testing.assert_allclose(written["jets"]["GN2_embedding"], expected["GN2_embedding"], 1e-6)
        assert written["jets"].dtype["GN2_plight"] == np.float16
        assert written["jets"].dtype["GN2_embedding"].base == np.float32


def test_the_atlas_profile_has_the_columns_of_the_tasks_and_places(athena: Path, jets: Path, tmp_path: Path) -> None:
    tagger, run = DeployedTagger(athena), load_run(athena.parent / "run")
    with h5py.File(jets) as file:
        arrays = {"jets": file["jets"][:], "tracks": file["tracks"][:]}
    ours, theirs = tagger.predict(arrays), run.predict(arrays)
    for name, values in theirs["jets"].items():
        np.testing.assert_allclose(ours["jets"][name.replace("GN2_", "GN2v1_")], values, 1e-5, 1e-5, err_msg=name)
    assert len(ours["jets"]) == len(theirs["jets"])
    np.testing.assert_array_equal(ours["tracks"]["VertexIndex"], theirs["tracks"]["VertexIndex"])
    (origin,) = (task for task in run.tasks if task.name == "origin")
    valid = ours["tracks"]["valid"]
    largest = np.stack([theirs["tracks"][one.column("GN2")] for one in origin.outputs], -1)[valid].argmax(-1)
    np.testing.assert_array_equal(ours["tracks"]["GN2v1_Origin"][valid], largest)
    assert (ours["tracks"]["GN2v1_Origin"][~valid] == -2).all()
    assert set(ours["tracks"]) == {"valid", "VertexIndex", "GN2v1_Origin"}
    assert [one.name for one in tagger.tasks] == ["flavour", "vertices", "hadron"]
    SamplePredictor(tagger, Sample("test", [jets], tagger.spec), Options()).write(tmp_path / "out.h5")
    assert [one.task for one in evaluate(tmp_path / "out.h5").tasks] == ["flavour", "vertices", "hadron"]


def test_metrics_are_those_of_the_run(cut: Path, jets: Path, tmp_path: Path) -> None:
    found = []
    for number, tagger in enumerate((DeployedTagger(cut / "batched"), load_run(cut / "run", prior=_prior()))):
        sample = Sample("test", [jets], tagger.spec, weight="weight")
        SamplePredictor(tagger, sample, Options(weight="weight")).write(tmp_path / f"{number}.h5")
        evaluation = evaluate(tmp_path / f"{number}.h5")
        found.append({(task.task, one.name): one.value for task in evaluation.tasks for one in task.metrics})
    ours, theirs = found
    assert len(theirs) > 10
    assert list(ours) == list(theirs)
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), 2e-3, equal_nan=True)


def test_batches_hold_similar_jets_and_bounded_work() -> None:
    totals = np.sort(np.random.default_rng(0).poisson(7, 3000))
    sizes = _sizes(totals, 500)
    assert sum(sizes) == 3000
    assert max(sizes) <= 500
    ends = np.cumsum(sizes)
    for first, last in zip(ends - sizes, ends, strict=True):
        assert (last - first) * (1 + totals[last - 1]) ** 2 <= PAIRS
    assert _sizes(np.array([200, 300]), 500) == [1, 1]
    # ten jets are not all made longer by four slots for the eleventh, but by three
    assert _sizes(np.array([3] * 10 + [7]), 500) == [10, 1]
    assert _sizes(np.array([3] * 10 + [6]), 500) == [11]
    assert _sizes(np.zeros(9, int), 4) == [4, 4, 1]
    assert _sizes(np.zeros(0, int), 4) == []


def test_jets_do_not_see_each_other(bundle: Path) -> None:
    tagger, arrays = DeployedTagger(bundle), make_arrays(40)
    (columns,) = Sample("arrays", arrays, tagger.spec, labels=False).chunks()
    whole = tagger.predict_columns(columns)
    for size in (1, 3):
        parts = tagger.predict_columns(columns, size)
        for stream, found in whole.items():
            for name, values in found.items():
                np.testing.assert_allclose(parts[stream][name], values, 1e-5, 1e-6, err_msg=name)


def test_what_was_chosen_by_the_export_cannot_be_chosen_again(bundle: Path) -> None:
    for given, said in (
        ({"which": "last"}, "which='last' is for runs"),
        ({"device": "cuda"}, "device='cuda' is for runs"),
        ({"calibrated": False}, "calibrated=False is for runs"),
        ({"prior": _prior()}, "prior is for runs"),
    ):
        with pytest.raises(UserError, match=said):
            salt_like.load(bundle, **given)
    assert salt_like.load(bundle, "best", "cpu").name == "GN2"
