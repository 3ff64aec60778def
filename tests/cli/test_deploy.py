from __future__ import annotations

import json
import subprocess
import sys

import pytest
from stored_bundles import OUTPUT, made_bundle, tree

from salt_like.cli.main import main


@pytest.fixture
def bundles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_bundle(tmp_path / "one", "first")
    made_bundle(tmp_path / "two", "second")
    return tmp_path


def said(capsys, *arguments, code=0):
    """What a command prints: to the user, or to the error stream where it fails."""
    assert main(["deploy", *map(str, arguments)]) == code
    printed = capsys.readouterr()
    assert not (printed.out if code else printed.err)
    assert len(printed.err.splitlines()) <= 5
    return printed.err if code else printed.out


def test_deployed_moved_and_moved_back(bundles, capsys):
    assert said(capsys, "one", "store", "--alias", "production") == (
        f"version 1 of GN2: {bundles / 'store/GN2/1'}\nlatest: version 1\nproduction: version 1\n"
    )
    assert said(capsys, "two", "store").endswith("latest: version 2, was 1\n")
    assert said(capsys, "GN2", "store", "--alias", "production", "--to", "latest") == "production: version 2, was 1\n"
    assert (bundles / "store/GN2/production/model.onnx").read_text() == "second"
    assert said(capsys, "GN2", "store", "--alias", "production", "--to", "1") == "production: version 1, was 2\n"
    assert (bundles / "store/GN2/production/model.onnx").read_text() == "first"
    before = tree(bundles / "store")
    assert "nothing moved: production stands for version 1" in said(
        capsys, "GN2", "store", "--alias=production", "--to=1"
    )
    assert "nothing copied: this very bundle is version 2 of GN2 already" in said(capsys, "two", "store")
    assert tree(bundles / "store") == before


def test_the_list(bundles, capsys):
    said(capsys, "one", "store", "--alias", "production")
    said(capsys, "two", "store")
    said(capsys, "one", "store", "--name", "other", "--version", "7")
    title, headings, *rows = said(capsys, "--list", "store").splitlines()
    assert title == f"{bundles / 'store'} (folder)"
    assert headings.split() == ["model", "version", "hash", "deployed", "profile", "aliases"]
    as_json = json.loads(said(capsys, "--list", "store", "--json"))
    assert as_json["layout"] == "folder"
    found = [(one["model"], one["version"], one["aliases"]) for one in as_json["versions"]]
    assert found == [("GN2", 1, ["production"]), ("GN2", 2, ["latest"]), ("other", 7, ["latest"])]
    for row, one in zip(rows, as_json["versions"], strict=True):
        expected = [one["model"], str(one["version"]), one["sha256"][:12], one["date"], "batched", *one["aliases"]]
        assert row.split() == expected


def test_an_empty_store(bundles, capsys):
    (bundles / "empty").mkdir()
    said(capsys, "one", "empty", "--alias", "2nd", code=2)
    assert not list((bundles / "empty").iterdir())
    said(capsys, "one", "store")
    for path in (bundles / "store/GN2").iterdir():
        path.rename(bundles / path.name)
    (bundles / "store/GN2").rmdir()
    assert said(capsys, "--list", "store") == f"nothing in {bundles / 'store'} yet\n"


def test_a_repository_of_triton(bundles, capsys):
    text = said(capsys, "one", "models", "--layout", "triton", "--alias", "production")
    assert text.endswith("served as GN2, GN2.latest, GN2.production\n")
    assert (bundles / "models/GN2/config.pbtxt").is_file()
    assert (bundles / "models/GN2/1/model.onnx").is_file()
    assert said(capsys, "two", "models").endswith("served as GN2, GN2.latest\n")
    made_bundle(bundles / "three", outputs=({**OUTPUT, "shape": ["jets", 3]},))
    assert "inputs or outputs are not those of version 2" in said(capsys, "three", "models", code=2)
    assert "has the layout 'triton', not 'folder'" in said(capsys, "two", "models", "--layout=folder", code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one"], "give two places"),
        (["one", "two", "store"], "give two places"),
        (["--list", "one", "two"], "give one place: --list TARGET"),
        (["--list", "store", "--alias", "x"], "--alias does not go with --list"),
        (["one", "store", "--json"], "--json does not go with deploying"),
        (["GN2", "store", "--to", "1"], "--to moves one alias"),
        (["GN2", "store", "--to", "1", "--alias", "a", "--alias", "b"], "--to moves one alias"),
        (["GN2", "store", "--to", "1", "--alias", "a", "--name", "b"], "--name does not go with --to"),
        (["one", "store", "--version", "0"], "--version"),
        (["one", "store", "--aliass", "x"], "did you mean '--alias'?"),
        (["three", "store"], "no such bundle"),
        (["store", "store"], "not a bundle: "),
        (["one", "two"], "nothing is written into a bundle: "),
        (["one", "two/model.onnx"], "is a file"),
        (["--list", "two"], "is no store"),
        (["--list", "three"], "is not there"),
        (["GN3", "store", "--alias", "a", "--to", "1"], "no model 'GN3' in"),
        (["GN2", "store", "--alias", "a", "--to", "lates"], "did you mean 'latest'?"),
        (["two", "store", "--version", "1"], "is not overwritten"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(bundles, capsys, arguments, message):
    said(capsys, "one", "store")
    before = tree(bundles)
    assert message in said(capsys, *arguments, code=2)
    assert tree(bundles) == before


def test_a_damaged_bundle_makes_no_store(bundles, capsys):
    (bundles / "one/model.onnx").write_text("forged")
    assert "model.onnx of the bundle was changed" in said(capsys, "one", "store", code=2)
    assert not (bundles / "store").exists()


def test_it_needs_no_torch(bundles):
    code = "import sys; from salt_like.cli.main import main; main(['deploy', 'one', 'store'])"
    code += "; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=bundles).returncode == 0
