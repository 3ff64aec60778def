"""A compiled training is the training: its gradients are those of eager steps."""

from __future__ import annotations

import csv
from collections import Counter

import pytest
import torch

from salt_like.cli import shipped
from salt_like.cli.main import main
from salt_like.training import module

pytest.importorskip("salt_like.compiled", reason="torch before 2.4 has no operations of one's own")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the compiler

SAMPLES = shipped.FOLDER.parent / "samples"
# with constituents of one kind, of several kinds and registers, and without attention
CONFIGURATIONS = [
    pytest.param("quickstart"),
    pytest.param("gn3-like", marks=pytest.mark.slow),
    pytest.param("deepsets", marks=pytest.mark.slow),
]


def fit(folder, configuration, *overrides):
    """Two steps, then one of validation."""
    torch._dynamo.reset()
    files = [f"--data.{part}={SAMPLES / part}.h5" for part in ("train", "val")]
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1"]
    arguments = ["--config", configuration, "--run", str(folder), *files, *short, "--data.cache=false"]
    assert main(["--debug", "fit", *arguments, "--data.batch_size=50", *overrides]) == 0


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_only_our_own_operations_write_where_an_index_says(tmp_path, monkeypatch, configuration):
    """torch's compiler may read such rows before they are complete; what it is given must hold none."""
    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch.aot_autograd import make_boxed_func
    from torch._inductor.decomposition import select_decomp_table

    seen: Counter[str] = Counter()

    def collect(graph, _):
        seen.update(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return make_boxed_func(graph.forward)

    backend = aot_autograd(fw_compiler=collect, bw_compiler=collect, decompositions=select_decomp_table())
    compile_ = torch.compile
    monkeypatch.setattr(
        module.torch, "compile", lambda function, **options: compile_(function, backend=backend, **options)
    )
    fit(tmp_path / "run", configuration, "--model.compile=true")
    assert seen["salt_like.add_rows.default"] >= 1
    writing = ("index_add", "index_copy", "index_put", "scatter_add", "embedding_dense_backward")
    assert [name for name in seen if any(word in name for word in writing)] == []


def test_no_batch_is_compiled_again(tmp_path, monkeypatch):
    """Whatever its sizes are, which of them are equal, and where it begins within the batches made together."""
    from torch._dynamo.testing import CompileCounter

    counter, compile_ = CompileCounter(), torch.compile
    monkeypatch.setattr(
        module.torch, "compile", lambda function, **options: compile_(function, backend=counter, **options)
    )
    fit(tmp_path / "run", "quickstart", "--model.compile=true", "--trainer.limit_train_batches=30")
    assert counter.frame_count == 1


def losses(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: float(value) for row in rows for key, value in row.items() if value and key.endswith("loss")}


@pytest.mark.slow
@pytest.mark.parametrize("configuration", ["quickstart", "gn3-like", "deepsets", "regression"])
def test_a_compiled_training_learns_the_same(tmp_path, configuration):
    for compiled in ("false", "true"):
        longer = ["--trainer.limit_train_batches=6", "--trainer.limit_val_batches=2", "--data.batch_size=100"]
        fit(tmp_path / compiled, configuration, f"--model.compile={compiled}", *longer)
    eager, compiled = losses(tmp_path / "false"), losses(tmp_path / "true")
    assert len(eager) >= 2
    assert compiled == pytest.approx(eager, rel=2e-4)
