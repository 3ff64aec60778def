"""A compiled training is the training: inductor's gradients are those of eager steps."""

from __future__ import annotations

import csv

import pytest

from salt_like.cli.main import main

pytest.importorskip("torch._inductor", reason="torch before 2.1 compiles no step")


def losses(folder, compiled):
    arguments = ["--config", "quickstart", "--run", str(folder), f"--model.compile={compiled}"]
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=6", "--trainer.limit_val_batches=2"]
    assert main(["--debug", "fit", *arguments, *short, "--data.cache=false", "--data.batch_size=100"]) == 0
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: float(value) for row in rows for key, value in row.items() if value and key.endswith("loss")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_a_compiled_training_learns_the_same(tmp_path):
    eager, compiled = (losses(tmp_path / str(value), value) for value in ("false", "true"))
    assert len(eager) >= 4
    assert compiled == pytest.approx(eager, rel=2e-4)
