"""Trees in an exported graph: with their features, as one operator where torch can place it and as many where not."""

from __future__ import annotations

import bundles
import jets
import numpy as np
import pytest
import torch
from export.test_graph import columns

from salt_like.export.graph import Graph
from salt_like.export.interface import interface_of
from salt_like.export.onnx_file import operators, to_onnx
from salt_like.export.parity import run
from salt_like.export.replay import Replay
from salt_like.export.session import open_session
from salt_like.trees import ensemble
from salt_like.trees.ensemble import Size
from salt_like.trees.tagger import TreeTagger

TREES, DEPTH = 40, 3


def grown(spec) -> TreeTagger:
    """Full trees that ask random features, on thresholds that lie among their values."""
    arguments = {"stream": "jets", "label": "flavour_label"}
    nodes = 2 ** (DEPTH + 1) - 1
    tagger = TreeTagger(spec, "flavour", arguments, Size(0, 4, TREES, TREES * nodes, DEPTH), 2)
    random = np.random.default_rng(0)
    place = np.tile(np.arange(nodes), TREES)
    start = np.repeat(np.arange(TREES) * nodes, nodes)
    leaf = place >= nodes // 2
    scale = np.array([1e4 if "jets.pt" in name else 4 if "number" in name else 1.0 for name in tagger.summary.names])
    feature = random.integers(0, len(scale), TREES * nodes)
    content = {
        "feature": feature,
        "threshold": random.normal(size=len(place)) * scale[feature],
        "yes": np.where(leaf, start + place, start + 2 * place + 1),
        "no": np.where(leaf, start + place, start + 2 * place + 2),
        "missing": random.random(len(place)) < 0.5,
        "value": np.where(leaf, random.normal(size=len(place)), 0),
        "root": np.arange(TREES) * nodes,
    }
    tagger.learns.trees.load_state_dict({name: torch.from_numpy(one) for name, one in content.items()})
    return tagger.eval()


def test_both_layouts_say_the_same():
    tagger = grown(jets.spec())
    content = jets.make(40)
    with torch.inference_mode():
        packed, padded = (tagger(one)["flavour"].numpy() for one in (jets.packed(content), jets.padded(content, 9)))
    np.testing.assert_allclose(packed, padded, atol=1e-5)
    assert packed.std(0).min() > 0.5
    assert [output.field for output in tagger.outputs] == ["pu", "pc", "pb", "ptau"]


@pytest.mark.parametrize(("profile", "placed"), [("batched", True), ("single", False)])
def test_the_exported_graph_says_what_the_trees_say(profile, placed, monkeypatch):
    bundles.require_export()
    if not placed:
        monkeypatch.setattr(ensemble, "OLDEST_TORCH", (99, 0))
    elif ensemble._version() < ensemble.OLDEST_TORCH:
        pytest.skip("torch before 2.8 cannot place an operator")
    spec = jets.spec()
    tagger = grown(spec)
    interface = interface_of(tagger, "Trees", profile)
    model = to_onnx(Graph(tagger, interface).eval(), {})
    assert operators(model).get("TreeEnsembleRegressor", 0) == placed
    some = columns(spec, 40)
    found, expected = run(open_session(model), interface, some), Replay(tagger, interface)(some)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6)
    assert expected["Trees_pb"].std() > 0.1
