from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from salt_like.bundle import read_bundle
from salt_like.evaluation.contents import TaskRecord
from salt_like.loading.described import Described, described
from salt_like.spec import Output


@pytest.fixture
def manifest(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "manifest.json").read_text())


def told(manifest: dict[str, Any], bundle: Path) -> Described:
    return described(manifest, read_bundle(bundle).spec)


def columns(found: Described) -> dict[tuple[str, str], str]:
    return {(output.stream, output.column("GN2")): name for output, name in found.names.items()}


def test_outputs_have_the_columns_of_prediction_files(manifest: dict[str, Any], bundle: Path) -> None:
    found = told(manifest, bundle)
    assert columns(found)["jets", "GN2_pb"] == "GN2_pb"
    assert columns(found)["tracks", "GN2_pfake"] == "tracks_GN2_pfake"
    assert columns(found)["tracks", "VertexIndex"] == "tracks_VertexIndex"
    assert columns(found)["jets", "GN2_plight"] == "GN2_plight"
    assert len(found.names) == len(manifest["outputs"])
    assert found.widths == {"GN2_embedding": 8}
    assert Output("jets", "pb", "probability", of_class="bjets") in found.names


def test_a_renamed_output_keeps_its_column_and_has_its_own(manifest: dict[str, Any], bundle: Path) -> None:
    before = columns(told(manifest, bundle))
    new = {"GN2_pu": "GN2_plf", "GN2_HadronPt": "GN2_pt", "tracks_VertexIndex": "tracks_vertex", "GN2_pb": "GN2_pc"}
    for one in manifest["outputs"]:
        if one["name"] in {**new, "GN2_pc": ""}:
            one["name"] = {**new, "GN2_pc": "GN2_pb"}[one["name"]]
    found = told(manifest, bundle)
    after = columns(found)
    assert after["jets", "GN2_pu"] == after["jets", "GN2_plf"] == "GN2_plf"
    assert after["jets", "GN2_HadronPt"] == after["jets", "GN2_pt"] == "GN2_pt"
    assert after["tracks", "VertexIndex"] == after["tracks", "vertex"] == "tracks_vertex"
    # two that changed names: a column never says something else than in the file of the run
    assert (after["jets", "GN2_pb"], after["jets", "GN2_pc"]) == ("GN2_pc", "GN2_pb")
    assert set(after) - set(before) == {("jets", "GN2_plf"), ("jets", "GN2_pt"), ("tracks", "vertex")}
    assert [one.name for one in found.tasks] == ["flavour", "origin", "vertices", "hadron"]
    assert found.tasks[0].outputs[0] == Output("jets", "pu", "probability", of_class="ujets")


def test_a_scaled_output_does_not_take_the_place_of_the_output_itself(manifest: dict[str, Any], bundle: Path) -> None:
    half = copy.deepcopy(next(one for one in manifest["outputs"] if one["name"] == "GN2_pb"))
    manifest["outputs"].append({**half, "name": "GN2_half"})
    found = columns(told(manifest, bundle))
    assert found["jets", "GN2_pb"] == "GN2_pb"
    assert found["jets", "GN2_half"] == "GN2_half"


def test_tasks_that_are_not_in_the_graph_are_left_out(manifest: dict[str, Any], bundle: Path) -> None:
    manifest["outputs"] = [one for one in manifest["outputs"] if one["name"] not in ("GN2_pc", "tracks_VertexIndex")]
    assert [one.name for one in told(manifest, bundle).tasks] == ["origin", "hadron"]


def test_where_class_fractions_come_from(manifest: dict[str, Any], bundle: Path) -> None:
    def flavour() -> TaskRecord:
        return told(manifest, bundle).tasks[0]

    task = manifest["tasks"]["flavour"]
    assert (flavour().prior, flavour().given) == ((), False)
    trained = dict(task["class_fractions"])
    task["class_fractions"] = {"ujets": 0.7, "cjets": 0.1, "bjets": 0.1, "taujets": 0.1}
    for assumed in ("given", "class weights"):
        task["assumed"] = assumed
        assert (flavour().prior, flavour().given) == ((0.7, 0.1, 0.1, 0.1), assumed == "given")
    del task["assumed"]  # as the first bundles were
    assert (flavour().prior, flavour().given) == ((0.7, 0.1, 0.1, 0.1), True)
    task["class_fractions"] = trained
    assert (flavour().prior, flavour().given) == ((), False)
    task["temperature"] = 2.5
    assert flavour().temperature == 2.5
