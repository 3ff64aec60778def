from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from bundles import copied
from tampered import change_golden, change_graph, change_manifest, change_weights, rename

from salt_like.bundle import read_bundle
from salt_like.cli.main import main
from salt_like.export.answers import golden_jets, said, sides_of_bundles
from salt_like.export.bundle import write_sums


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert 1 <= len(message.splitlines()) <= 5
    return message


@pytest.mark.parametrize("profile", ["bundle", "single", "athena"])
def test_a_graph_says_of_its_golden_jets_what_they_say(profile, request) -> None:
    folder = request.getfixturevalue(profile)
    opened = read_bundle(folder)
    rows = said(opened, golden_jets(opened))
    with h5py.File(folder / "golden.h5") as file:
        expected = {name: one[:] for name, one in file["float32"].items()}
        valid = {name: one[:] for name, one in file["valid"].items()}
    compared = 0
    for one in opened.manifest["outputs"]:
        values = expected[one["name"]]
        if one["stream"] in valid:
            values = values[valid[one["stream"]]]
        name = (one["column"] or one["name"]).removeprefix(f"{one['stream']}_")
        name = name.removeprefix(f"{opened.manifest['model']}_")
        key = f"{one['stream']}, {name}" if one["kind"] == "embedding" else one["stream"]
        found = rows[key].answers[name].values
        np.testing.assert_allclose(found, values.reshape(-1), rtol=1e-5, atol=1e-3, equal_nan=True)
        compared += 1
    assert compared == len(expected) > 5


def test_profiles_of_one_tagger_are_the_same(bundle, single, athena, tmp_path, capsys) -> None:
    out = tmp_path / "found.json"
    for other in (single, athena):
        capsys.readouterr()
        assert main(["compare", str(bundle), str(other), f"--json={out}"]) == 0
        found = json.loads(out.read_text())
        assert found["passed"] is True
        assert found["by"] == "golden jets"
        names = {one["name"] for one in found["outputs"]}
        assert {"pb", "Db", "HadronPt", "HadronPt_stddev", "VertexIndex"} <= names
        assert all(one["jets_beyond"] == 0 for one in found["outputs"])
        assert all(one["compared"] for one in found["outputs"])
        assert any("only in A: embedding" in note or "embedding" in note for note in found["notes"])
    assert found["models"] == ["GN2", "GN2v1"]
    assert "only in B: Origin of tracks" in found["notes"]
    assert (tmp_path / "found.png").exists()


def test_one_weight_is_found(bundle, tmp_path, capsys) -> None:
    other = copied(bundle, tmp_path / "other")
    changed = []

    def one_head(name: str, values: np.ndarray) -> np.ndarray:
        if "hadron" in name and values.ndim == 2 and not changed:
            changed.append(name)
            values.reshape(-1)[0] += 0.5
        return values

    change_graph(other, lambda model: change_weights(model, one_head))
    assert changed
    capsys.readouterr()
    assert main(["compare", str(bundle), str(other)]) == 1
    printed = capsys.readouterr().out
    assert "the golden jets of both are the same" in printed
    last = printed.splitlines()[-1]
    assert last.startswith("beyond the tolerance: HadronPt")
    assert "pb of jets" not in last
    assert "the jets that differ most" in printed


def reordered(folder: Path) -> None:
    """A bundle whose graph, manifest and golden jets have the variables of the tracks the other way round."""

    def graph(model: Any) -> None:
        from onnx import helper, numpy_helper

        rename(model.graph, {"tracks": "as before"})
        model.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0], np.int64), "backwards"))
        model.graph.node.insert(0, helper.make_node("Gather", ["tracks", "backwards"], ["as before"], "turn", axis=-1))

    def manifest(content: dict[str, Any]) -> None:
        tracks = next(one for one in content["inputs"] if one["name"] == "tracks")
        tracks["variables"].reverse()

    def golden(file: h5py.File) -> None:
        file["inputs/tracks"][:] = file["inputs/tracks"][:][..., ::-1]

    change_graph(folder, graph)
    change_manifest(folder, manifest)
    change_golden(folder, golden)


def test_inputs_are_matched_by_the_names_of_the_variables(bundle, tmp_path, capsys) -> None:
    other = copied(bundle, tmp_path / "other")
    reordered(other)
    assert main(["compare", str(bundle), str(other)]) == 0
    assert "the golden jets of both are the same" in capsys.readouterr().out


def test_golden_jets_of_both_are_looked_at(bundle, tmp_path) -> None:
    other = copied(bundle, tmp_path / "other")

    def fewer(file: h5py.File) -> None:
        for group in ("inputs", "valid", "float32", "float64"):
            for name in list(file[group]):
                values = file[group][name][:7, :9] if name.startswith("tracks") else file[group][name][:7]
                del file[group][name]
                file[group][name] = values
        cases = file["case"][:7]
        del file["case"]
        file["case"] = cases

    change_manifest(other, lambda content: content["golden"].update(jets=7))
    change_golden(other, fewer)
    calls: list[tuple[int, int]] = []
    first, second = read_bundle(bundle), read_bundle(other)
    number = len(golden_jets(first).cases)
    (ours, theirs), matched = sides_of_bundles(first, second, lambda done, total: calls.append((done, total)))
    assert len(matched.first) == number + 7
    assert calls[-1] == (2 * (number + 7), 2 * (number + 7))
    assert (ours.names["golden jet"][0], ours.names["golden jet"][-1]) == ("A 0", "B 6")
    for name, rows in ours.rows.items():
        for field, answer in rows.answers.items():
            np.testing.assert_array_equal(answer.values, theirs.rows[name].answers[field].values)


def test_bundles_with_other_inputs_or_units(bundle, tmp_path, capsys) -> None:
    other = copied(bundle, tmp_path / "other")

    def change(key: str, value: str) -> Any:
        def inner(content: dict[str, Any]) -> None:
            next(one for one in content["inputs"] if one["name"] == "tracks")["variables"][0][key] = value

        return inner

    change_manifest(other, change("unit", "cm"))
    message = fails(["compare", str(bundle), str(other)], capsys)
    assert "d0 of tracks in other units: " in message
    assert "'cm' in B" in message
    change_manifest(other, change("name", "dxy"))
    message = fails(["compare", str(bundle), str(other)], capsys)
    assert "only A has: d0 of tracks\nonly B has: dxy of tracks\n" in message


def test_other_selections_are_said(bundle, tmp_path, capsys) -> None:
    other = copied(bundle, tmp_path / "other")

    def change(content: dict[str, Any]) -> None:
        next(one for one in content["inputs"] if one["name"] == "tracks")["selection"] = "pt > 1"

    change_manifest(other, change)
    assert main(["compare", str(bundle), str(other)]) == 0
    assert "selection of tracks: none in A, pt > 1 in B; both got the same here" in capsys.readouterr().out


def test_a_bundle_and_predictions_of_its_run(bundle, tmp_path, capsys) -> None:
    run, data, out = bundle.parent / "run", bundle.parent / "jets.h5", tmp_path / "torch.h5"
    assert main(["predict", str(run), "--data", str(data), "--out", str(out)]) == 0
    for given in ([str(bundle), str(out)], [str(out), str(bundle)]):
        capsys.readouterr()
        assert main(["compare", *given]) == 0
        printed = capsys.readouterr().out
        assert "120 jets in both, the same by row of the source" in printed
        assert f"\n  A: GN2, {given[0]}\n  B: GN2, {given[1]}" in printed
    with h5py.File(out, "r+") as file:
        jets = file["jets"][:]
        jets["GN2_pb"][3] += 0.01
        file["jets"][:] = jets
    assert main(["compare", str(bundle), str(out)]) == 1
    with h5py.File(out, "r+") as file:
        file.attrs["sources"] = ["/nowhere/jets.h5"]
    message = fails(["compare", str(bundle), str(out)], capsys)
    assert "the predicted file is not there any more, which the bundle needs: /nowhere/jets.h5" in message


def test_options_and_damage(bundle, tmp_path, capsys) -> None:
    message = fails(["compare", str(bundle), str(bundle), "--key=row"], capsys)
    assert "--key is of prediction files; bundles are run on their golden jets" in message
    other = copied(bundle, tmp_path / "other")
    (other / "golden.h5").write_bytes(b"no HDF5")
    assert "golden.h5 of the bundle was changed" in fails(["compare", str(bundle), str(other)], capsys)
    write_sums(other)
    assert "golden.h5: cannot be read" in fails(["compare", str(bundle), str(other)], capsys)
    (other / "model.onnx").write_bytes(b"no graph")
    assert "model.onnx of the bundle was changed" in fails(["compare", str(bundle), str(other)], capsys)


def test_comparing_bundles_needs_no_torch(bundle) -> None:
    code = (
        "import sys\nfrom salt_like.cli.main import main\n"
        f"code = main(['compare', {str(bundle)!r}, {str(bundle)!r}])\n"
        "sys.exit(code or bool({'torch', 'lightning'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0
