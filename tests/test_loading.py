from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from field_files import CAPACITY, make_arrays, write
from made_runs import make_file, make_run

import salt_like
from salt_like.data.collate import collate
from salt_like.data.sample import Sample
from salt_like.errors import UserError
from salt_like.loading import Options, SamplePredictor, load
from salt_like.loading.tagger import LoadedTagger


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def cut_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a selection of jets and tracks, tracks ordered by pt, and at most three of them."""
    select = {"jets": "pt > 60e3", "tracks": "hits > 3"}
    return make_run(
        tmp_path_factory.mktemp("runs") / "cut",
        select=select,
        order={"tracks": "-pt"},
        max_constituents={"tracks": 3},
        event="eventNumber",
    )


@pytest.fixture(scope="module")
def tagger(run: Path) -> LoadedTagger:
    return load(run)


def close(one: dict, other: dict, tolerance: float = 1e-6) -> None:
    assert {stream: list(columns) for stream, columns in one.items()} == {
        stream: list(columns) for stream, columns in other.items()
    }
    for stream, columns in one.items():
        for name, values in columns.items():
            np.testing.assert_allclose(values, other[stream][name], tolerance, tolerance, err_msg=f"{stream}/{name}")


def test_probabilities_sum_to_one_where_the_model_saw_something(tagger: LoadedTagger) -> None:
    arrays = make_arrays(30)
    found = tagger.predict(arrays)
    flavours = np.stack([found["jets"][f"GN2_{name}"] for name in ("pu", "pc", "pb", "ptau")])
    np.testing.assert_allclose(flavours.sum(0), 1, rtol=1e-6)
    assert flavours.std() > 0.01
    valid = arrays["tracks"]["valid"]
    np.testing.assert_array_equal(found["tracks"]["valid"], valid)
    origins = np.stack([found["tracks"][f"GN2_p{name}"] for name in ("pileup", "fake", "primary", "fromB", "fromBC")])
    assert np.isfinite(origins[:, valid]).all()
    assert np.isnan(origins[:, ~valid]).all()
    assert (found["tracks"]["VertexIndex"][~valid] == -2).all()
    assert (found["tracks"]["VertexIndex"][valid] >= -1).all()
    assert (found["jets"]["GN2_HadronPt_stddev"] > 0).all()


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_batch_size_does_not_matter(tagger: LoadedTagger, size: int) -> None:
    arrays = make_arrays(30)
    close(tagger.predict(arrays, batch_size=size), tagger.predict(arrays, batch_size=11))


def test_jets_do_not_see_each_other(tagger: LoadedTagger) -> None:
    arrays = make_arrays(30)
    some = {name: array[[21, 4, 4]] for name, array in arrays.items()}
    whole = tagger.predict(arrays)
    expected = {s: {n: values[[21, 4, 4]] for n, values in columns.items()} for s, columns in whole.items()}
    close(tagger.predict(some), expected)


def test_labels_weights_and_padding_are_not_looked_at(tagger: LoadedTagger) -> None:
    arrays = make_arrays(30)
    bare = {
        "jets": {name: arrays["jets"][name] for name in ("eta", "pt")},
        "tracks": {name: arrays["tracks"][name].copy() for name in ("hits", "pt", "d0", "valid")},
    }
    for name in ("hits", "pt", "d0"):
        bare["tracks"][name][~bare["tracks"]["valid"]] = 77
    close(tagger.predict(bare), tagger.predict(arrays), 0.0)


def test_the_model_is_not_shown_labels(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = load(run)
    (columns,) = Sample("arrays", make_arrays(8), tagger.spec, weight="weight").chunks()
    assert columns.labels
    assert columns.weights is not None
    predict, shown = tagger.tagger.predict, []
    monkeypatch.setattr(tagger.tagger, "predict", lambda batch: shown.append(batch) or predict(batch))
    tagger.predict_columns(columns)
    assert shown[0].labels == {}
    assert shown[0].weights is None


def test_slots_are_those_of_the_given_arrays(tagger: LoadedTagger) -> None:
    arrays = make_arrays(30)
    order = np.random.default_rng(0).permutation(CAPACITY)
    found = tagger.predict({"jets": arrays["jets"], "tracks": arrays["tracks"][:, order]})
    expected = tagger.predict(arrays)
    for name in ("valid", "GN2_pprimary"):
        np.testing.assert_allclose(found["tracks"][name], expected["tracks"][name][:, order], 1e-5)
    np.testing.assert_allclose(found["jets"]["GN2_pb"], expected["jets"]["GN2_pb"], 1e-5)


def test_padded_batches_give_the_same(tagger: LoadedTagger) -> None:
    arrays = make_arrays(20)
    (columns,) = Sample("arrays", arrays, tagger.spec, labels=False).chunks()
    with torch.inference_mode():
        padded = tagger.tagger.predict(collate(columns, tagger.spec, "padded"))
    found = tagger.predict(arrays)
    for output, values in padded.items():
        if output.stream == "jets":
            np.testing.assert_allclose(values, found["jets"][output.column("GN2")], 1e-5, err_msg=output.field)


def test_without_valid_every_slot_is_real(tagger: LoadedTagger) -> None:
    arrays = make_arrays(6)
    tracks = {name: np.ones((6, 2), "f4") for name in ("d0", "pt", "hits")}
    assert tagger.predict({"jets": arrays["jets"], "tracks": tracks})["tracks"]["valid"].all()


def test_no_jets_and_no_tracks(tagger: LoadedTagger) -> None:
    arrays = make_arrays(5)
    none = tagger.predict({name: array[:0] for name, array in arrays.items()})
    assert none["jets"]["GN2_pb"].shape == (0,)
    assert none["tracks"]["VertexIndex"].shape == (0, CAPACITY)
    arrays["tracks"]["valid"] = False
    empty = tagger.predict(arrays)
    assert np.isfinite(empty["jets"]["GN2_pb"]).all()
    assert not empty["tracks"]["valid"].any()


def test_order_selection_and_truncation_are_those_of_the_training(cut_run: Path) -> None:
    arrays = make_arrays(40)
    found = load(cut_run).predict(arrays)
    tracks = arrays["tracks"]
    expected = np.zeros(tracks.shape, bool)
    for jet, row in enumerate(tracks):
        kept = [slot for slot in np.argsort(-row["pt"]) if row["valid"][slot] and row["hits"][slot] > 3]
        expected[jet, kept[:3]] = True
    np.testing.assert_array_equal(found["tracks"]["valid"], expected)
    assert len(found["jets"]["GN2_pb"]) == 40  # an answer for jets that the training would not have selected too


def test_the_prediction_file_has_the_same_numbers(cut_run: Path, tmp_path: Path) -> None:
    arrays = make_arrays(500, seed=7)
    first, second = ({name: array[part] for name, array in arrays.items()} for part in (slice(0, 37), slice(37, 500)))
    files = [write(tmp_path / "a.h5", first), write(tmp_path / "b.h5", second)]
    tagger = load(cut_run)
    sample = Sample("test", files, tagger.spec)
    options = Options({"jets": ["mass"], "tracks": ["d0"]}, salt_mask=True, weight="weight", batch_size=13)
    SamplePredictor(tagger, sample, options).write(tmp_path / "out.h5")
    found = tagger.predict(arrays)
    rows = np.flatnonzero(arrays["jets"]["pt"] > 60e3)
    with h5py.File(tmp_path / "out.h5") as file:
        jets, tracks = file["jets"][:], file["tracks"][:]
        assert list(file.attrs["sources"]) == [str(path) for path in files]
        assert file["jets"].attrs["selection"] == "pt > 60e3"
        assert file["jets"].attrs["selected_rows"] == len(rows)
        assert list(file["jets"].attrs["flavour_label"]) == ["ujets", "cjets", "bjets", "taujets"]
        assert file["tracks"].attrs["order_by"] == "-pt"
        assert file["tracks"].attrs["max_constituents"] == 3
        assert file["tracks"].attrs["truncated_constituents"] > 0
    np.testing.assert_array_equal(jets["row"], rows)
    for stream, table in (("jets", jets), ("tracks", tracks)):
        for name, values in found[stream].items():
            np.testing.assert_allclose(table[name], values[rows], 1e-6, 1e-6, err_msg=name)
    for name in ("eventNumber", "flavour_label", "HadronPt", "pt", "eta", "mass", "weight"):
        assert jets.dtype[name] == arrays["jets"].dtype[name]
        np.testing.assert_array_equal(jets[name], arrays["jets"][name][rows])
    real = arrays["tracks"]["valid"][rows]
    for name in ("d0", "ftagTruthOriginLabel", "ftagTruthVertexIndex"):
        np.testing.assert_array_equal(tracks[name][real], arrays["tracks"][name][rows][real])
        assert tracks.dtype[name] == arrays["tracks"].dtype[name]
    assert (tracks["ftagTruthOriginLabel"][~real] == -1).all()
    np.testing.assert_array_equal(tracks["mask"], ~tracks["valid"])
    derived = jets["HadronPt[flavour_label in [1, 2]]"]
    np.testing.assert_array_equal(np.isnan(derived), ~np.isin(jets["flavour_label"], [1, 2]))


def test_a_file_without_labels(tagger: LoadedTagger, tmp_path: Path) -> None:
    arrays = make_arrays(20)
    bare = {
        "jets": _only(arrays["jets"], "pt", "eta"),
        "tracks": _only(arrays["tracks"], "d0", "pt", "hits", "valid"),
    }
    path = write(tmp_path / "bare.h5", bare)
    SamplePredictor(tagger, Sample("bare", [path], tagger.spec, labels=False), Options()).write(tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_allclose(file["jets"]["GN2_pb"], tagger.predict(arrays)["jets"]["GN2_pb"], 1e-6)
        assert "flavour_label" not in file["jets"].dtype.names
        assert not file.attrs["labelled"]


def _only(array: np.ndarray, *names: str) -> np.ndarray:
    result = np.zeros(array.shape, [(name, array.dtype[name]) for name in names])
    for name in names:
        result[name] = array[name]
    return result


def test_all_jets_without_tracks_are_refused(tagger: LoadedTagger, tmp_path: Path) -> None:
    arrays = make_arrays(20)
    arrays["tracks"]["valid"] = False
    sample = Sample("test", [write(tmp_path / "a.h5", arrays)], tagger.spec)
    with pytest.raises(UserError, match=r"none of the 20 jets has a constituent in: tracks"):
        SamplePredictor(tagger, sample, Options()).write(tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(("task", "column"), [("flavour", "GN2_pu"), ("origin", "GN2_ppileup")])
def test_an_output_that_is_nan_is_refused_with_its_row(run: Path, tmp_path: Path, task: str, column: str) -> None:
    tagger = load(run)
    arrays = make_arrays(20)
    row = int(arrays["tracks"]["valid"].any(1).nonzero()[0][5])
    # only this jet overflows: nothing else is that large
    tagger.tagger.task(task).register_forward_hook(_nan_where(row, arrays))
    sample = Sample("test", [write(tmp_path / "a.h5", arrays)], tagger.spec)
    with pytest.raises(UserError, match=f"output '{column}' of stream .* is nan for row {row}\n"):
        SamplePredictor(tagger, sample, Options()).write(tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def _nan_where(row: int, arrays: dict[str, np.ndarray]):
    place = {20: row, int(arrays["tracks"]["valid"].sum()): int(arrays["tracks"]["valid"][:row].sum())}

    def hook(module: torch.nn.Module, inputs: object, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.clone()
        logits[place[len(logits)]] = torch.nan
        return logits

    return hook


def test_extra_fields_must_exist(tagger: LoadedTagger, tmp_path: Path) -> None:
    sample = Sample("test", [make_file(tmp_path / "a.h5")], tagger.spec)
    with pytest.raises(UserError, match=r"no field 'mas' \(did you mean 'mass'"):
        SamplePredictor(tagger, sample, Options({"jets": ["mas"]}))
    with pytest.raises(UserError, match="no predictions for stream 'flows'"):
        SamplePredictor(tagger, sample, Options({"flows": ["pt"]}))


def test_what_is_no_array_of_numbers_is_refused(tagger: LoadedTagger) -> None:
    with pytest.raises(UserError, match=r"must be a dict of stream → array, not NoneType"):
        tagger.predict(None)  # type: ignore[arg-type]
    arrays = make_arrays(5)
    with pytest.raises(UserError, match=r"the field 'pt' of stream 'jets' holds no numbers"):
        tagger.predict({"jets": {"pt": np.array(["a"] * 5)}, "tracks": arrays["tracks"]})


def test_what_is_missing_is_said(tagger: LoadedTagger) -> None:
    arrays = make_arrays(5)
    with pytest.raises(UserError, match=r"no stream 'tracks' \(did you mean 'track'\?\)"):
        tagger.predict({"jets": arrays["jets"], "track": arrays["tracks"]})
    with pytest.raises(UserError, match=r"no field 'eta'"):
        tagger.predict({"jets": {"pt": np.ones(5)}, "tracks": arrays["tracks"]})
    with pytest.raises(UserError, match=r"must have one shape, .*\nfound: pt \(5,\), eta \(4,\)"):
        tagger.predict({"jets": {"pt": np.ones(5), "eta": np.ones(4)}, "tracks": arrays["tracks"]})
    with pytest.raises(UserError, match="different lengths"):
        tagger.predict({"jets": arrays["jets"][:3], "tracks": arrays["tracks"]})


def test_loading_by_run_and_by_checkpoint(run: Path, tmp_path: Path) -> None:
    arrays = make_arrays(8)
    copy = shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "moved.ckpt")
    close(salt_like.load(str(run)).predict(arrays), salt_like.load(copy, device="cpu").predict(arrays), 0.0)


def test_what_it_says_about_itself(tagger: LoadedTagger) -> None:
    assert tagger.inputs == {"jets": ("pt", "eta"), "tracks": ("d0", "pt", "hits")}
    assert "jets: pt, eta; tracks: d0, pt, hits" in repr(tagger)
    assert "tracks/VertexIndex" in repr(tagger)
    assert not tagger.tagger.training


def test_no_such_run(tmp_path: Path, run: Path) -> None:
    with pytest.raises(UserError, match=r"no run folder at .*ru \(did you mean 'run'\?\)"):
        load(run.parent / "ru")
    with pytest.raises(UserError, match="is not a run folder"):
        load(tmp_path)
    (tmp_path / "broken.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match=r"broken\.ckpt cannot be read as a checkpoint"):
        load(tmp_path / "broken.ckpt")
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="the run has no checkpoint"):
        load(tmp_path)


def test_a_tagger_of_jets_alone(tmp_path: Path) -> None:
    tasks = {"flavour": {"class_path": "Classification", "init_args": {"stream": "jets", "label": "flavour_label"}}}
    tagger = load(make_run(tmp_path / "dnn", tasks=tasks, inputs={"jets": ["pt", "eta"]}))
    assert set(tagger.predict({"jets": make_arrays(4)["jets"]})) == {"jets"}


def test_a_tagger_of_tracks_alone(tmp_path: Path) -> None:
    tasks = {"flavour": {"class_path": "Classification", "init_args": {"stream": "jets", "label": "flavour_label"}}}
    tagger = load(make_run(tmp_path / "sets", tasks=tasks, inputs={"tracks": ["d0", "pt"]}))
    arrays = make_arrays(4)
    close(tagger.predict({"tracks": arrays["tracks"]}), tagger.predict(arrays), 0.0)


def test_text_in_place_of_a_number_is_refused_when_predicting(tagger: LoadedTagger) -> None:
    arrays = make_arrays(5)
    jets = arrays["jets"]
    texts = np.zeros(len(jets), [(name, "S4" if name == "pt" else jets.dtype[name]) for name in jets.dtype.names])
    with pytest.raises(UserError, match=r"the input 'pt' of 'jets' is no number but \|S4\nin the given arrays"):
        tagger.predict({**arrays, "jets": texts})
