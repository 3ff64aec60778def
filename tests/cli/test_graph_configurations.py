"""Graph encoders in a configuration: short names, nested classes, mistakes, and what inspecting says."""

from __future__ import annotations

import pytest
import yaml
from bundles import require_export

from salt_like.cli import main as dispatcher

ENCODER = {
    "convolution": {"class_path": "GATv2Conv", "init_args": {"heads": 2}},
    "layers": 1,
    "graph": {"class_path": "NearestNeighbours", "init_args": {"k": 50, "coordinates": ["deta", "dphi"]}},
    "pairs": {"pt": "ptfrac"},
}


@pytest.fixture
def inspected(tmp_path, capsys, monkeypatch):
    """What `train inspect` says of an encoder with these arguments in place of the usual ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def say(**changed):
        arguments = {key: value for key, value in {**ENCODER, **changed}.items() if value is not None}
        content = {
            "data": {"inputs": {"jets": ["pt_btagJes"], "tracks": ["dphi", "deta", "ptfrac"]}},
            "model": {
                "dim": 8,
                "encoder": {"class_path": "GraphEncoder", "init_args": arguments},
                "tasks": {
                    "flavour": {
                        "class_path": "Classification",
                        "init_args": {"stream": "jets", "label": "flavour_label"},
                    }
                },
            },
        }
        (tmp_path / "graph.yaml").write_text(yaml.safe_dump(content))
        code = dispatcher.main(["inspect", "graph.yaml"])
        said = capsys.readouterr()
        return code, said.out + said.err

    return say


def test_everything_is_named_briefly_and_exported_on_trial(inspected):
    require_export()
    code, said = inspected()
    assert code == 0
    assert "GraphEncoder" in said
    assert "export: GATv2Conv has an ONNX form that says the same" in said


def test_what_cannot_be_exported_is_said_before_training(inspected):
    require_export()
    code, said = inspected(convolution={"class_path": "SAGEConv", "init_args": {"aggr": "median"}}, pairs=None)
    assert code == 0
    assert "export: NOT POSSIBLE with SAGEConv: it would train, but `train export` would fail\nfound: " in said


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"convolution": "GATv2Con"}, "no MessagePassing is called 'GATv2Con' (did you mean 'GATv2Conv'?)"),
        ({"convolution": "torch.nn.Linear"}, "'torch.nn.Linear' is not of kind MessagePassing"),
        ({"convolution": "GINConv"}, "GINConv is made of a network: write class_path: MLPConv"),
        ({"convolution": "HypergraphConv"}, "HypergraphConv acts on hyperedges: use the encoder HypergraphEncoder"),
        ({"convolution": {"class_path": "GATv2Conv", "init_args": {"heads": 3}}}, "returns 24 values per constituent"),
        ({"convolution": {"class_path": "MLPConv", "init_args": {"kind": "EdgConv"}}}, "(did you mean 'EdgeConv'?)"),
        ({"graph": "NearestNeighbors"}, "no Graph is called 'NearestNeighbors' (did you mean 'NearestNeighbours'?)"),
        (
            {"graph": {"class_path": "NearestNeighbours", "init_args": {"k": 2, "coordinates": ["deta", "phi"]}}},
            "reads 'phi', which is not an input of stream 'tracks' (inputs: dphi, deta, ptfrac)",
        ),
        ({"pairs": {"pt": "ptfrac", "energy": "E"}}, "reads 'E', which is not an input of stream 'tracks'"),
        ({"pairs": {"pt": "ptfrac", "etta": "deta"}}, "(did you mean 'eta'?)"),
        ({"graph": {"class_path": "NearestNeighbours", "init_args": {"k": 0}}}, "k must be at least 1, got 0"),
    ],
)
def test_mistakes_have_a_message(changed, message, inspected):
    code, said = inspected(**changed)
    assert code == 2
    assert message in said
    assert len(said.strip().splitlines()) <= 5


def test_defaults_of_a_convolution_stay_its_own(tmp_path, monkeypatch):
    from salt_like.cli import build, configuration
    from salt_like.cli.assumed import spec
    from salt_like.spec import Request
    from salt_like.training import checkpoint

    monkeypatch.chdir(tmp_path)
    overrides = [("model.encoder", {"class_path": "GraphEncoder", "init_args": {"convolution": "FeaStConv"}})]
    _, resolved = build.resolve(configuration.load(["gn2-small"], overrides), *build.classes())
    requests = [Request(**one) for one in build.requests(resolved["model"]["tasks"])]
    model = checkpoint.build("x", spec(resolved["data"], requests)[0], resolved["model"])
    # the base class adds up, this one takes means, which its signature does not say
    assert model.tagger.encoder.convolution.aggr == "mean"
