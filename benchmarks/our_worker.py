"""Times this package's own training step on the driver's command.

The model is the shipped configuration of the same name, put together as ``train fit`` does, with its own data module,
objective, optimiser and schedule. Lightning's loop and logging are left out, for Salt and for us alike.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from worker_config import WorkerConfig
from worker_protocol import Subject, serve

from salt_like.batch import Batch
from salt_like.cli.build import build as assemble
from salt_like.cli.configuration import load
from salt_like.version import __version__


class QuietTrainer:
    """The few attributes of a Lightning trainer that the optimiser's configuration asks for."""

    estimated_stepping_batches = 1_000_000


def build(config: WorkerConfig) -> Subject:
    """Our training as ``train fit`` puts it together."""
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    torch.set_float32_matmul_precision(config.precision or "highest")
    options: list[tuple[str, Any]] = [
        ("data.train", config.train_file),
        ("data.batch_size", config.batch_size),
        ("data.num_workers", config.workers),
        ("model.compile", config.compile),
        ("seed", config.seed),
    ]
    if not config.vertexing:
        options.append(("model.tasks.track_vertexing", None))
    parsed = assemble(load([config.architecture], options))
    model, data = parsed.model, parsed.data
    data.setup("fit")
    model._trainer = QuietTrainer()
    configured = model.configure_optimizers()
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    model.train()

    def loss(batch: Batch) -> torch.Tensor:
        objective, _ = model.objective((batch,))
        return objective

    def update() -> None:
        optimizer.step()
        scheduler.step()

    parameters = sum(p.numel() for p in model.tagger.parameters() if p.requires_grad)
    facts = {"framework": f"salt-like {__version__}", "attention": "packed"}
    return Subject(data.train_dataloader(), loss, update, optimizer.zero_grad, parameters, facts)


if __name__ == "__main__":
    serve(build)
