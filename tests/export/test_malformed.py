"""Manifests that fit their hashes and are none: said in words by everything that reads them, never in a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bundles import copied

from salt_like.bundle import is_bundle
from salt_like.cli.main import main
from salt_like.export import verify
from salt_like.export.bundle import write_sums


def replaced(path: str, value: Any) -> Any:
    """A change of one value of a manifest; ``...`` takes its key away."""

    def change(content: dict[str, Any]) -> dict[str, Any]:
        part: Any = content
        *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
        for step in steps:
            part = part[step]
        if value is ...:
            del part[last]
        else:
            part[last] = value
        return content

    return change


BROKEN: dict[str, tuple[Any, str]] = {
    "no JSON": ("salt-like bundle {", "is no JSON: "),
    "a list": (["salt-like bundle"], "is not that of a bundle: its format is not 'salt-like bundle'"),
    "no text in UTF-8": (b'{"format": "salt-like bundle", "model": "\xff\xfe"}', "is no JSON: "),
    "deep": (b'{"format": "salt-like bundle", "x": ' + b"[" * 100_000, "is no JSON: "),
    "newer": (replaced("schema_version", 2), "has schema version 2, known here are those up to 1"),
    "version as text": (replaced("schema_version", "1"), 'has schema version "1"'),
    "version as truth": (replaced("schema_version", True), "has schema version true"),
    "no profile": (replaced("profile", ...), "lacks 'profile'"),
    "unknown profile": (
        replaced("profile", "triton"),
        """has "triton" as 'profile', known are: batched, single, athena""",
    ),
    "no graph": (replaced("graph", None), "has null as 'graph', not keys and values"),
    "runtime": (replaced("graph.oldest_runtime", 1.17), "has 1.17 as 'graph.oldest_runtime', not a text"),
    "operators": (
        replaced("graph.operators.Add", "many"),
        """has "many" as 'graph.operators.Add', not a whole number""",
    ),
    "inputs": (replaced("inputs", {}), "has {} as 'inputs', not a list"),
    "no inputs": (replaced("inputs", []), "has no inputs"),
    "twice": (replaced("inputs.1.name", "jets"), "names 'jets' twice among its inputs"),
    "shape": (replaced("inputs.0.shape", []), "has another number of variables of the input 'jets' than its shape []"),
    "variable": (replaced("inputs.1.variables.0.name", ...), "lacks 'inputs[1].variables[0].name'"),
    "output": (replaced("outputs.0", 5), "has 5 as 'outputs[0]', not keys and values"),
    "tolerance": (
        replaced("outputs.0.tolerance.absolute", float("nan")),
        "has NaN as 'outputs[0].tolerance.absolute', not a finite",
    ),
    "kind": (replaced("outputs.0.kind", "index"), "has the type float32 for the output 'GN2_pu' of kind index"),
    "column": (replaced("outputs.0.column", ...), "lacks 'outputs[0].column'"),
    "tasks": (replaced("tasks.flavour", "jets"), """has "jets" as 'tasks.flavour', not keys and values"""),
    "temperature": (
        replaced("tasks.flavour.temperature", None),
        "has null as 'tasks.flavour.temperature', not a finite",
    ),
    "working points": (replaced("working_points", [{"sample": "x"}]), "lacks 'working_points[0].discriminants'"),
    "no cut": (
        replaced(
            "working_points", [{"sample": "x", "discriminants": {"Db": {"fixed": [{"efficiency": 1, "cuts": []}]}}}]
        ),
        "has a working point of Db without a cut",
    ),
    "golden": (replaced("golden", []), "has [] as 'golden', not keys and values"),
    "provenance": (replaced("provenance.run", ...), "lacks 'provenance.run'"),
}


@pytest.fixture(params=BROKEN, ids=lambda name: name.replace(" ", "-"))
def broken(request, bundle, tmp_path) -> tuple[Path, str]:
    """A bundle with such a manifest, and what is wrong with it."""
    folder = copied(bundle, tmp_path / "bundle")
    change, message = BROKEN[request.param]
    path = folder / "manifest.json"
    content = change(json.loads(path.read_text())) if callable(change) else change
    data = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else None
    path.write_bytes(json.dumps(content).encode() if data is None else data)
    write_sums(folder)
    return folder, message


def test_verification_says_what_is_wrong(broken, capsys):
    folder, message = broken
    assert verify.main([str(folder)]) == 1
    said = capsys.readouterr()
    assert f"FAILED (manifest): manifest.json: {message}" in said.out
    assert "Traceback" not in said.out + said.err
    assert main(["verify", str(folder), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["failures"]
    assert (found["check"], found["about"]) == ("manifest", "manifest.json")


def test_everything_else_refuses_it(broken, tmp_path, capsys):
    folder, message = broken
    assert is_bundle(folder)
    for arguments in (
        ["predict", str(folder), "--data", __file__, "--out", str(tmp_path / "out.h5")],
        ["inspect", str(folder)],
        ["bench", str(folder)],
        ["compare", str(folder), str(folder)],
        ["deploy", str(folder), str(tmp_path / "store")],
    ):
        capsys.readouterr()
        assert main(arguments) == 2, arguments
        said = capsys.readouterr().err
        assert "the manifest of the bundle" in said
        assert message in said
        assert len(said.splitlines()) <= 5
        assert "unexpected" not in said
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "out.h5").exists()


def test_parts_that_contradict_each_other_fail_without_a_traceback(bundle, tmp_path, monkeypatch):
    def stumble(*_: object) -> None:
        raise KeyError("somewhere")

    monkeypatch.setattr(verify, "replay", stumble)
    result = verify.verify(bundle)
    (found,) = result["failures"]
    assert found["message"] == "cannot be checked to the end: KeyError: 'somewhere'"


def test_a_description_of_data_that_is_none(bundle, tmp_path, capsys):
    folder = copied(bundle, tmp_path / "bundle")
    spec = json.loads((folder / "spec.json").read_text())
    for content in (
        "{",
        "[]",
        "{}",
        json.dumps({**spec, "streams": [{"name": "jets"}]}),
        json.dumps({**spec, "streams": 3}),
    ):
        (folder / "spec.json").write_text(content)
        write_sums(folder)
        assert main(["inspect", str(folder)]) == 2
        said = capsys.readouterr().err
        assert "spec.json of the bundle is no description of data" in said
        assert len(said.splitlines()) <= 5


def test_streams_that_the_description_of_data_does_not_have(bundle, tmp_path, capsys):
    folder = copied(bundle, tmp_path / "bundle")
    path = folder / "manifest.json"
    path.write_text(json.dumps(replaced("outputs.1.stream", "muons")(json.loads(path.read_text()))))
    write_sums(folder)
    assert main(["inspect", str(folder)]) == 2
    assert "graph, manifest and spec of the bundle do not belong together" in capsys.readouterr().err


def test_the_copy_in_the_bundle_says_it_too(bundle, tmp_path):
    folder = copied(bundle, tmp_path / "bundle")
    (folder / "manifest.json").write_text("{")
    write_sums(folder)
    done = subprocess.run([sys.executable, "-B", folder / "verify.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAILED (manifest): manifest.json: is no JSON" in done.stdout
