from __future__ import annotations

import h5py
import pytest
import torch

from salt_like.cli import inspect_config, shipped
from salt_like.cli import main as dispatcher
from salt_like.cli.table import count


def tables(name, *overrides):
    parts = inspect_config.report(name, overrides)
    return {part.title: part for part in parts if not isinstance(part, str)}, [p for p in parts if isinstance(p, str)]


def test_a_model_of_known_size():
    found, _ = tables("quickstart", ("model.dim", 8), ("model.encoder", {"layers": 2, "heads": 2}))
    rows = {row[0]: row for row in found["model (B jets, T constituents; forward pass)"].rows}
    assert rows["encoder"][1:3] == ["Transformer", "(T, 8)"]
    assert rows["norms.tracks"][1:4] == ["InputNorm", "(T, 19)", "0"]
    assert rows["pooling"][2] == "(B, 8)"
    assert rows["tasks.jets_classification"][2] == "(B, 4)"
    assert rows["tasks.track_origin"][2] == "(T, 8)"
    parts = [int(row[3].replace(",", "")) for name, row in rows.items() if name != "total"]
    assert sum(parts) == int(rows["total"][3].replace(",", ""))
    mean, most = found["cost per jet"].rows
    with h5py.File(shipped.FOLDER.parent / "samples/train.h5") as file:
        multiplicity = file["tracks"]["valid"].sum(1).mean()
    assert float(mean[1]) == pytest.approx(multiplicity, rel=1e-4)
    assert most[1] == "40"
    assert {tuple(row[3:]) for row in found["fields needed"].rows} == {("yes", "yes", "yes")}


def test_flops_of_a_model_without_constituents_are_two_per_weight():
    found, _ = tables("dnn")
    assert found["cost per jet"].headings == ["multiplicity", "FLOPs"]
    layers: list[torch.nn.Linear] = []

    def remember(module, inputs, output):
        if isinstance(module, torch.nn.Linear):
            layers.append(module)

    handle = torch.nn.modules.module.register_module_forward_hook(remember)
    try:
        tables("dnn")
    finally:
        handle.remove()
    by_hand = 2 * sum(layer.weight.numel() for layer in layers) / 2  # two forward passes
    assert {row[1] for row in found["cost per jet"].rows} == {count(by_hand)}


@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_configuration_without_files(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, notes = tables(name, ("data.train", None), ("data.val", None), ("data.test", None))
    assert any("not checked" in note for note in notes)
    assert {row[3] for row in found["fields needed"].rows} == {"not checked"}
    assert found["outputs"].rows


def test_missing_fields_are_shown_with_the_nearest(tmp_path):
    found, notes = tables("quickstart", ("data.inputs.tracks", ["d0", "z0SinTeta"]), ("data.val", None))
    rows = {(row[0], row[1]): row[3:] for row in found["fields needed"].rows}
    assert rows["tracks", "z0SinTeta"] == ["MISSING (did you mean 'z0SinTheta'?)"] * 2
    assert rows["tracks", "d0"] == ["yes", "yes"]
    assert any("not checked" in note for note in notes)


def test_the_synthetic_batch_has_the_mean_multiplicity():
    import jets

    batch = inspect_config.synthetic(jets.spec(), {"tracks": 2.5, "flows": 0.0}, ["tracks"])
    counts = batch.offsets["tracks"].diff()
    assert counts.float().mean() == 2.5
    assert set(counts.tolist()) == {2, 3}
    assert batch.offsets["flows"][-1] == 0
    assert batch.pairs["tracks"].shape == (2, int((counts * (counts - 1) // 2).sum()))
    assert torch.equal(batch.inputs["jets"], torch.ones(inspect_config.JETS, 2))


def test_the_command_tells_the_three_kinds_apart(trained, sample, capsys):
    assert dispatcher.main(["inspect", str(sample)]) == 0
    assert capsys.readouterr().out.startswith(f"{sample}: 300 jets")
    assert dispatcher.main(["inspect", str(trained)]) == 0
    assert capsys.readouterr().out.startswith(f"run {trained}")
    assert dispatcher.main(["inspect", "dnn"]) == 0
    assert capsys.readouterr().out.startswith("dnn: model")
    assert dispatcher.main(["inspect", str(sample), "--data.val=x"]) == 2
    assert "only a configuration has keys" in capsys.readouterr().err
    assert dispatcher.main(["inspect", "gn22"]) == 2
    assert "did you mean 'gn2'" in capsys.readouterr().err
    assert dispatcher.main(["inspect", "none.h5"]) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {tasks: {}}", "the model has no tasks: name at least one under model.tasks"),
        (
            "model: {tasks: {a: {class_path: Regression, init_args: {stream: jets, label: pt}}}}",
            "the model has no inputs: name at least one variable",
        ),
    ],
)
def test_what_a_class_refuses_is_a_message(text, message, tmp_path, capsys):
    path = tmp_path / "model.yaml"
    path.write_text(text)
    assert dispatcher.main(["inspect", str(path)]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
