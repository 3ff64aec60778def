from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import copied
from tampered import change_golden

from salt_like.bundle import read_bundle
from salt_like.cli.main import main
from salt_like.errors import UserError
from salt_like.export import latency
from salt_like.export.answers import golden_jets
from salt_like.export.latency import Point, counts, jets_with, measure
from salt_like.export.latency_written import cell, section, with_section, write_latency


@pytest.fixture(scope="module")
def measured(bundle: Path) -> tuple[dict[str, Any], list[tuple[int, int, str]]]:
    calls: list[tuple[int, int, str]] = []
    return measure(bundle, 2.0, lambda *call: calls.append(call)), calls


def test_numbers_of_constituents() -> None:
    assert counts(40) == (0, 1, 5, 10, 20, 40, 100)
    assert counts(50) == (0, 1, 5, 10, 20, 40, 50, 100)
    assert counts(3) == (0, 1, 3, 100)
    assert counts(200) == (0, 1, 5, 10, 20, 40, 80, 100, 200)
    assert counts(0) == (0,)


def test_jets_have_the_constituents_that_are_asked_for(bundle: Path) -> None:
    golden = golden_jets(read_bundle(bundle))
    jets = jets_with(golden, 7, 12)
    assert jets.inputs["jets"].shape == (7, 2)
    assert jets.inputs["tracks"].shape == (7, 12, 3)
    assert jets.valid["tracks"].sum() == 7 * 12
    data = np.array(golden.cases) == "data"
    known = {tuple(row) for row in golden.inputs["tracks"][data][golden.valid["tracks"][data]].tolist()}
    assert {tuple(row) for row in jets.inputs["tracks"].reshape(-1, 3).tolist()} <= known
    assert jets_with(golden, 3, 0).inputs["tracks"].shape == (3, 0, 3)


def test_every_point_is_timed_or_said_to_be_left_out(measured: Any, bundle: Path) -> None:
    found, calls = measured
    threads = sorted({1, latency.cores()})
    most = found["most_in_training"]
    expected = {(t, b, n) for t in threads for b in (1, 10, 100, 1000) for n in counts(most)}
    timed = {(one["threads"], one["batch"], one["constituents"]) for one in found["points"]}
    left = {(one["threads"], one["batch"], one["constituents"]) for one in found["left_out"]}
    assert timed | left == expected
    assert not timed & left
    assert {(1, batch, 0) for batch in (1, 10)} <= timed
    for one in found["points"]:
        assert 0 < one["low"] <= one["median"] <= one["high"]
        assert one["repetitions"] >= latency.ROUNDS
    times = {(one["threads"], one["batch"], one["constituents"]): one["median"] for one in found["points"]}
    assert times[1, 10, 0] < times[1, 1, 0]  # what a call costs is shared
    assert {one["batch"]: one["constituents"] for one in found["memory"]} == dict.fromkeys((1, 10, 100, 1000), most)
    peaks = [one["bytes"] for one in found["memory"]]
    assert 0 < peaks[0] < peaks[-1] < 10**9
    assert found["bytes"]["graph"] == (bundle / "model.onnx").stat().st_size
    assert found["bytes"]["bundle"] > found["bytes"]["graph"]
    assert calls[-1][0] == calls[-1][1] == len(expected) * latency.ROUNDS + 4
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)


def test_a_graph_of_single_jets_is_given_one(single: Path) -> None:
    found = measure(single, 0.5)
    assert {one["batch"] for one in (*found["points"], *found["memory"])} == {1}
    assert {one["constituents"] for one in found["points"]} == set(counts(found["most_in_training"]))


def test_what_would_take_too_long_is_not_tried() -> None:
    small, large = Point(1, 10, 40), Point(1, 100, 40)
    assert latency._too_long(Point(1, 1, 40), {}, 0.0) == ""
    assert latency._too_long(large, {small: [900.0, 1000.0, 5000.0]}, 0.11) == ""
    assert (
        latency._too_long(large, {small: [900.0, 1e5, 5e5]}, 9.0)
        == "one run would take about 10 s, and may take 9 s: give more --seconds"
    )
    assert (
        latency._too_long(large, {small: [3.4]}, 1e-4)
        == "one run would take about 0.00034 s, and may take 0.0001 s: give more --seconds"
    )
    assert "longer than fewer jets" in latency._too_long(Point(1, 1000, 40), {small: [1.0]}, 1.0)


def test_a_process_that_dies_is_said() -> None:
    points = [Point(1, 1, 0), Point(1, 1, 5)]
    why = "the process ended, perhaps for lack of memory"
    exits: Any = os._exit  # takes no connection, and ends
    assert list(latency._asked(exits, Path("."), points, 0.0)) == [
        ("left_out", {"threads": 1, "batch": 1, "constituents": n, "why": why}) for n in (0, 5)
    ]


def hashes_fit(folder: Path) -> bool:
    lines = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    names = {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    return {name for _, name in lines} == names and all(
        hashlib.sha256((folder / name).read_bytes()).hexdigest() == found for found, name in lines
    )


def test_the_numbers_go_into_the_bundle(measured: Any, bundle: Path, tmp_path: Path) -> None:
    found, _ = measured
    folder = copied(bundle, tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_latency(folder, found)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"README.md", "SHA256SUMS", "latency.json"}
    assert set(after) - set(before) == {"latency.json"}
    assert hashes_fit(folder)
    assert json.loads(after["latency.json"]) == json.loads(json.dumps(found))
    card = after["README.md"].decode()
    assert card.count("## Latency\n") == 1
    assert card.index("## Latency") < card.index("## Limits")
    unmeasured = before["README.md"].decode()
    start, end = unmeasured.index("## Latency"), unmeasured.index("## Limits")
    assert card == unmeasured[:start] + section(found) + unmeasured[end:]
    one = next(one for one in found["points"] if (one["threads"], one["batch"], one["constituents"]) == (1, 1, 0))
    assert f"\n| 0 | {cell(one)} | " in card
    write_latency(folder, {**found, "most_in_training": 77})
    card = (folder / "README.md").read_text()
    assert card.count("## Latency\n") == 1
    assert "at most 77 constituents" in card
    assert hashes_fit(folder)


def test_a_changed_bundle_is_not_given_new_hashes(measured: Any, bundle: Path, tmp_path: Path) -> None:
    folder = copied(bundle, tmp_path / "copy")
    (folder / "parity.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=r"parity.json of the bundle was changed"):
        write_latency(folder, measured[0])
    (folder / "spec.json").unlink()
    with pytest.raises(UserError, match=r"the bundle has no spec.json|parity.json of the bundle was changed"):
        write_latency(folder, measured[0])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: content for name, content in before.items() if name != "spec.json"
    }


def test_a_failed_write_changes_nothing(measured: Any, bundle: Path, tmp_path: Path, monkeypatch: Any) -> None:
    folder = copied(bundle, tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write = Path.write_text

    def full(self: Path, *arguments: Any, **more: Any) -> int:
        if "latency.json" in self.name:  # the last to be written
            raise OSError(28, "No space left on device", str(self))
        return write(self, *arguments, **more)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_latency(folder, measured[0])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_section_finds_its_place() -> None:
    text = "## Latency\n\nnew\n\n"
    assert with_section("# a\n\n## Limits\n\n- b\n", text) == "# a\n\n## Latency\n\nnew\n\n## Limits\n\n- b\n"
    assert with_section("# a\n\n## Latency\n\nold\n\n### x\n\n## Limits\n", text) == f"# a\n\n{text}## Limits\n"
    assert with_section("# a\n", text) == "# a\n\n## Latency\n\nnew\n"
    assert cell({"median": 1234.4, "low": 0.1234, "high": 99.96}) == "1,234 (0.123 to 100)"
    assert cell(None) == ""


def test_golden_jets_without_data(bundle: Path, tmp_path: Path) -> None:
    folder = copied(bundle, tmp_path / "copy")

    def rename(file: Any) -> None:
        file["case"][:] = "made up"

    change_golden(folder, rename)
    with pytest.raises(UserError, match="hold no jet of data"):
        measure(folder, 1.0)


def test_the_command(single: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(single, tmp_path / "copy")
    out = tmp_path / "found.json"
    capsys.readouterr()
    assert main(["bench", str(folder), "--seconds=0.4", f"--json={out}", "--write"]) == 0
    printed = capsys.readouterr().out
    found = json.loads(out.read_text())
    for one in found["points"]:
        assert cell(one) in printed
    assert "memory beyond imports and inputs" in printed
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "latency.json").read_text()) == found
    assert hashes_fit(folder)


def test_options_that_are_wrong(single: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*arguments: str) -> str:
        capsys.readouterr()
        assert main(["bench", *arguments]) == 2
        return capsys.readouterr().err

    assert "--write is for bundles only, and quickstart is none" in fails("quickstart", "--write")
    assert "--json is for bundles only" in fails("quickstart", "--json=x.json")
    assert "a positive number of seconds" in fails(str(single), "--seconds=0")
    assert "unknown argument '--sekonds'" in fails(str(single), "--sekonds=1")
    assert "a figure ends in .png, .pdf, .svg" in fails(str(single), "--out=x.gif")


def test_timing_a_bundle_needs_no_torch(single: Path) -> None:
    code = (
        "import sys\nfrom salt_like.cli.main import main\n"
        "if __name__ == '__main__':\n"
        f"    code = main(['bench', {str(single)!r}, '--seconds=0.2'])\n"
        "    sys.exit(code or bool({'torch', 'lightning'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0
