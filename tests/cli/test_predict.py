from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from bundles import copied, shared_bundle
from field_files import make_arrays, write
from made_runs import make_file, make_run

from salt_like.cli.main import main
from salt_like.loading import load


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return shared_bundle(base, "batched", "--embedding", "--combine", "plight=1.0*pu+0.5*pc")


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return shared_bundle(base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base, "single")


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert 1 <= len(message.splitlines()) <= 5
    return message


def test_several_files_become_one(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = make_file(tmp_path / "1.h5", 20, 1), make_file(tmp_path / "2.h5", 30, 2)
    out = tmp_path / "out.h5"
    given = ["--data", str(first), str(second), "--out", str(out), "--extra", "jets=mass", "--salt_mask"]
    assert main(["predict", str(run), *given, "--precision=float16"]) == 0
    printed = capsys.readouterr().out
    assert f"predictions: {out}" in printed
    assert "predicted 50 of 50 jets" in printed
    expected = np.concatenate(
        [load(run).predict(make_arrays(n, seed))["jets"]["GN2_pb"] for n, seed in ((20, 1), (30, 2))]
    )
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["jets"]["GN2_pb"], expected, 1e-3)
        assert file["jets"].dtype["GN2_pb"] == np.float16
        assert file["jets"].dtype["GN2_HadronPt"] == np.float32
        assert {"mass", "pt", "eventNumber", "row"} <= set(file["jets"].dtype.names)
        assert "mask" in file["tracks"].dtype.names


def test_a_checkpoint_a_glob_and_a_file_without_labels(run: Path, tmp_path: Path) -> None:
    arrays = make_arrays(20)
    tracks = np.zeros(arrays["tracks"].shape, [("d0", "f4"), ("pt", "f4"), ("hits", "u1"), ("valid", "?")])
    jets = np.zeros(20, [("pt", "f4"), ("eta", "f4")])
    for name in tracks.dtype.names:
        tracks[name] = arrays["tracks"][name]
    jets["pt"], jets["eta"] = arrays["jets"]["pt"], arrays["jets"]["eta"]
    write(tmp_path / "bare.h5", {"jets": jets, "tracks": tracks})
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert main(["predict", str(checkpoint), "--data", str(tmp_path / "b*.h5"), f"--out={tmp_path / 'out.h5'}"]) == 0
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_allclose(file["jets"]["GN2_pb"], load(run).predict(arrays)["jets"]["GN2_pb"], 1e-6)


def test_an_existing_file_needs_force(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = make_file(tmp_path / "1.h5"), tmp_path / "out.h5"
    out.write_text("precious")
    arguments = ["predict", str(run), f"--data={data}", f"--out={out}"]
    assert "exists already" in fails(arguments, capsys)
    assert out.read_text() == "precious"
    assert main([*arguments, "--force"]) == 0
    assert h5py.is_hdf5(out)


def test_the_input_is_never_replaced(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_file(tmp_path / "1.h5")
    assert "is one of the files to predict" in fails(
        ["predict", str(run), f"--data={data}", f"--out={data}", "--force"], capsys
    )
    assert h5py.is_hdf5(data)


def test_wrong_arguments(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = str(make_file(tmp_path / "1.h5")), str(tmp_path / "out.h5")
    good = ["predict", str(run), "--data", data, "--out", out]
    assert "did you mean '--force'" in fails([*good, "--forse"], capsys)
    assert "write STREAM=FIELD" in fails([*good, "--extra", "jets"], capsys)
    assert "did you mean 'mass'" in fails([*good, "--extra", "jets=mas"], capsys)
    assert "batch_size" in fails([*good, "--batch_size=0"], capsys)
    assert "no such file" in fails(["predict", str(run), "--data", data + "x", "--out", out], capsys)
    assert "no run folder" in fails(["predict", str(run) + "x", "--data", data, "--out", out], capsys)
    assert "no checkpoint at" in fails([*good, "--ckpt=other.ckpt"], capsys)
    assert "no checkpoint 'bast' (did you mean 'best'?)" in fails([*good, "--ckpt=bast"], capsys)
    assert "--out" in fails(["predict", str(run), "--data", data], capsys)
    assert not Path(out).exists()


@pytest.mark.parametrize("empty", ["no valid constituent", "no slot"])
@pytest.mark.parametrize("kind", ["run", "bundle", "single"])
def test_jets_none_of_which_has_a_constituent_are_predicted(
    empty: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tagger = request.getfixturevalue(kind)
    arrays = make_arrays(20)
    expected = load(tagger).predict({**arrays, "tracks": arrays["tracks"][:, :0]})
    arrays["tracks"]["valid"] = False
    if empty == "no slot":
        arrays["tracks"] = arrays["tracks"][:, :0]
    data, out = write(tmp_path / "empty.h5", arrays), tmp_path / "out.h5"
    assert main(["predict", str(tagger), f"--data={data}", f"--out={out}"]) == 0
    said = capsys.readouterr()
    assert "predicted 20 of 20 jets" in said.out
    assert said.err.splitlines() == ["warning: none of the 20 jets has a constituent in: tracks", f"in {data}"]
    with h5py.File(out) as file:
        assert file["tracks"].shape == arrays["tracks"].shape
        assert not file["tracks"]["valid"].any()
        assert np.isfinite(file["jets"]["GN2_pb"]).all()
        for name in ("GN2_pb", "GN2_Db"):
            np.testing.assert_allclose(file["jets"][name], expected["jets"][name], rtol=1e-5)


def test_a_bundle_is_not_written_into(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(bundle, tmp_path / "bundle")
    before = (folder / "golden.h5").read_bytes()
    data = f"--data={bundle.parent / 'jets.h5'}"
    for out in ("golden.h5", "new.h5"):
        message = fails(["predict", str(folder), data, f"--out={folder / out}", "--force"], capsys)
        assert "nothing is written into a bundle" in message
    assert "into a bundle" in fails(["bench", str(folder), f"--json={folder / 'bench.json'}"], capsys)
    assert (folder / "golden.h5").read_bytes() == before
    assert not (folder / "new.h5").exists()


def test_what_a_bundle_misses_is_not_looked_for_in_a_configuration(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = make_arrays(20)
    kept = [name for name in arrays["tracks"].dtype.names if name != "d0"]
    data = write(tmp_path / "less.h5", {**arrays, "tracks": _with(arrays["tracks"], kept)})
    message = fails(["predict", str(bundle), f"--data={data}", f"--out={tmp_path / 'out.h5'}"], capsys)
    assert "no field 'd0'" in message
    assert "(asked for in the tagger's inputs of 'tracks')" in message


def _with(rows: np.ndarray, names: list[str]) -> np.ndarray:
    result = np.zeros(rows.shape, [(name, rows.dtype[name]) for name in names])
    for name in names:
        result[name] = rows[name]
    return result


def test_wrong_files(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.h5"

    def message(path: Path) -> str:
        return fails(["predict", str(run), f"--data={path}", f"--out={out}"], capsys)

    (tmp_path / "text.h5").write_text("hello")
    assert "not an HDF5 file" in message(tmp_path / "text.h5")
    arrays = make_arrays(20)
    fields = [(name.replace("d0", "d0s"), kind) for name, (kind, _) in arrays["tracks"].dtype.fields.items()]
    renamed = np.ones(arrays["tracks"].shape, fields)
    assert "did you mean 'd0s'" in message(write(tmp_path / "a.h5", {**arrays, "tracks": renamed}))
    assert "no dataset 'tracks'" in message(write(tmp_path / "b.h5", {"jets": arrays["jets"]}))
    arrays["jets"]["pt"][3] = np.nan
    said = message(write(tmp_path / "d.h5", arrays))
    assert "the input 'pt' is nan" in said
    assert "row 3 of dataset 'jets'" in said
    assert 'this run knows no value that means "not measured": leave these rows out' in said
    assert "or train again with data.defaults: {pt: .nan}" in said
    assert sorted(path.name for path in tmp_path.glob("*out*")) == []


def test_no_jets_after_the_selection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", select={"jets": "pt > 30e3"})
    arrays = make_arrays(10)
    arrays["jets"]["pt"] = 25e3
    data = write(tmp_path / "low.h5", arrays)
    assert "no jets left of the 10" in fails(
        ["predict", str(run), f"--data={data}", f"--out={tmp_path / 'o.h5'}"], capsys
    )
    assert not (tmp_path / "o.h5").exists()


def test_no_jets_no_such_device_and_a_folder_as_output(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = make_file(tmp_path / "a.h5", 5, 1), str(tmp_path / "out.h5")
    empty = tmp_path / "empty.h5"
    with h5py.File(path) as source, h5py.File(empty, "w") as target:
        for name in source:
            target[name] = source[name][:0]
    assert f"no jets in {empty}" in fails(["predict", str(run), "--data", str(empty), "--out", out], capsys)
    given = ["predict", str(run), "--data", str(path), "--force", "--out"]
    assert "no device 'tpuu'" in fails([*given, out, "--device=tpuu"], capsys)
    assert f"a folder, not a file: {tmp_path}" in fails([*given, str(tmp_path)], capsys)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.h5", "empty.h5"]


def test_a_value_that_is_no_number_where_the_run_knows_a_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", defaults={"d0": -99.0})
    arrays = make_arrays(20)
    arrays["tracks"]["d0"][4, 0], arrays["tracks"]["valid"][4, 0] = np.nan, True
    given = ["predict", str(run), "--data", str(write(tmp_path / "a.h5", arrays)), f"--out={tmp_path / 'out.h5'}"]
    said = fails(given, capsys)
    assert "the input 'd0' is nan" in said
    assert said.splitlines()[-1] == 'give the value that means "not measured" to this run: -99'
    assert "data.defaults" not in said
    arrays["tracks"]["d0"][4, 0] = -99
    write(tmp_path / "a.h5", arrays)
    assert main(given) == 0


def test_a_misspelt_option_is_said_before_what_is_missing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(["predict", str(run), "--dta", "a.h5"], capsys)
    assert said.splitlines()[0] == "error: unknown argument '--dta' (did you mean '--data'?)"


def test_a_place_that_cannot_be_written_is_said_in_words(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_file(tmp_path / "a.h5", 20)
    said = fails(["predict", str(run), "--data", str(data), "--out=/proc/out.h5"], capsys)
    assert said.splitlines() == ["error: cannot write /proc/out.h5", "found: No such file or directory"]


def test_what_a_bundle_cannot_be_told(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = ["predict", str(bundle), "--data", str(make_file(tmp_path / "a.h5", 20)), "--out", str(tmp_path / "out.h5")]
    for given in ("--ckpt=last", "--device=cuda", "--calibration=none", "--prior=flavour={bjets: 1.0}"):
        said = fails([*good, given], capsys).splitlines()
        assert said[0] == f"error: {given.split('=')[0]} is for runs, and this is a bundle: {bundle}"
        assert "chosen by `train export`" in said[1]
    assert "threads" in fails([*good, "--threads=0"], capsys)
    assert not (tmp_path / "out.h5").exists()
    assert main([*good, "--ckpt=best", "--device=cpu", "--calibration=run", "--threads=1"]) == 0
    assert capsys.readouterr().err == ""


def test_a_damaged_bundle_leaves_nothing(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(bundle, tmp_path / "bundle")
    (folder / "model.onnx").write_bytes((bundle / "model.onnx").read_bytes() + b"0")
    data = make_file(tmp_path / "a.h5", 20)
    said = fails(["predict", str(folder), "--data", str(data), "--out", str(tmp_path / "out.h5")], capsys)
    assert said.splitlines()[0] == "error: model.onnx of the bundle was changed: it is not what SHA256SUMS says"
    assert not list(tmp_path.glob("*out*"))


def test_commands_for_runs_say_that_it_is_a_bundle(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("test", "calibrate", "export"):
        assert f"a bundle, not the folder of a run: {bundle}" in fails([command, str(bundle)], capsys)


def test_threads_of_a_run(run: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    given = ["--data", str(make_file(tmp_path / "a.h5", 20)), "--out", str(tmp_path / "out.h5")]
    try:
        assert main(["predict", str(run), *given, f"--threads={before + 1}"]) == 0
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_inspect_shows_what_a_bundle_takes_and_says(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(bundle)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "model GN2, profile batched" in lines
    assert "tasks flavour, origin, vertices, hadron" in lines
    assert "input tracks (jets, tracks, 3), float32" in lines
    assert "GN2_pb jets float32 (jets) GN2_pb probability of bjets" in lines
    assert "GN2_plight jets float32 (jets) sum of 1 pu, 0.5 pc" in lines
    golden = json.loads((bundle / "manifest.json").read_text())["golden"]
    assert f"golden jets {golden['jets']}, {golden['edge_cases']} of them edge cases" in lines
    assert lines[-1] == f"to check it: train verify {bundle}"
