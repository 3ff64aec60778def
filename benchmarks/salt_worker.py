"""Times Salt's own training step on the driver's command (runs in Salt's environment).

The parts are Salt's: ``SaltDataModule``, ``ModelWrapper.training_step``, ``ModelWrapper.configure_optimizers`` and the
``torch.compile`` and matmul precision of its command line. Lightning's loop and logging are left out, for Salt and for
us alike.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import Any

import torch
from salt_model import salt_data, salt_wrapper
from worker_config import WorkerConfig
from worker_protocol import Subject, serve


class QuietTrainer:
    """The few attributes of a Lightning trainer that the data module and the optimiser's configuration ask for."""

    is_global_zero = True
    fast_dev_run = False
    device_ids = (0,)
    estimated_stepping_batches = 1_000_000


def build(config: WorkerConfig) -> Subject:
    """Salt's training as its ``salt fit`` puts it together."""
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    torch.set_float32_matmul_precision(config.precision or "medium")  # what SaltCLI sets for "fit"
    trainer = QuietTrainer()
    data = salt_data(config)
    data.trainer = trainer
    data.setup("fit")
    wrapper = salt_wrapper(config)
    wrapper.trainer = trainer
    wrapper.log = _no_log
    effective = wrapper.model.encoder.attn_type
    parameters = sum(p.numel() for p in wrapper.parameters() if p.requires_grad)
    (optimizer,), (schedule,) = wrapper.configure_optimizers()
    if config.compile:
        wrapper.model = torch.compile(wrapper.model)  # as SaltCLI.fit does for --compile
    wrapper.train()

    def loss(batch: Any) -> torch.Tensor:
        inputs, masks, labels = batch  # new dicts: Salt normalises inputs and adds registers in place
        step = wrapper.training_step((dict(inputs), dict(masks), {s: dict(v) for s, v in labels.items()}))
        result: torch.Tensor = step["loss"]
        return result

    def update() -> None:
        optimizer.step()
        schedule["scheduler"].step()

    facts = {"framework": f"salt-ml {version('salt-ml')}", "attention": effective}
    return Subject(data.train_dataloader(), loss, update, optimizer.zero_grad, parameters, facts)


def _no_log(*_: Any, **__: Any) -> None:
    """Takes the place of ``LightningModule.log``."""


if __name__ == "__main__":
    serve(build)
